"""Builds the compiled core, every .pyx below tcpcheck/, and the tables of the language's parser.

Built in place, for development, the benchmark's world in bench/ is built too; it is never installed.
"""

import contextlib
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

C_FLAGS = ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function", "-fno-strict-aliasing"]
JOBS = os.cpu_count() or 1
IN_PLACE = not {"--inplace", "-i", "editable_wheel"}.isdisjoint(sys.argv)


def extensions() -> list[Extension]:
    files = sorted(Path("tcpcheck").rglob("*.pyx")) + (sorted(Path("bench").glob("*.pyx")) if IN_PLACE else [])
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
