"""Builds the compiled core, every .pyx below tcpcheck/, and the tables of the language's parser."""

import contextlib
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

C_FLAGS = ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function", "-fno-strict-aliasing"]
JOBS = os.cpu_count() or 1


def extensions() -> list[Extension]:
    files = sorted(Path("tcpcheck").rglob("*.pyx"))
    return [Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=C_FLAGS) for path in files]


sys.path.insert(0, str(Path(__file__).parent))
with contextlib.suppress(ImportError):  # without lark, the first use builds them
    from tcpcheck.lang.grammar import ensure_tables

    ensure_tables()

setup(
    options={"build_ext": {"parallel": JOBS}},
    ext_modules=cythonize(
        extensions(),
        build_dir="build/cython",
        nthreads=JOBS,
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": False,
            "initializedcheck": False,
        },
    ),
)
