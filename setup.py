"""Builds the compiled core, every .pyx below tcpcheck/, and the tables of the language's parser."""

import contextlib
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

C_FLAGS = ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function", "-fno-strict-aliasing"]


def extensions() -> list[Extension]:
    files = sorted(Path("tcpcheck").rglob("*.pyx"))
    return [Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=C_FLAGS) for path in files]


sys.path.insert(0, str(Path(__file__).parent))
with contextlib.suppress(ImportError):  # without lark, the first use builds them
    from tcpcheck.lang.grammar import ensure_tables

    ensure_tables()

setup(
    ext_modules=cythonize(
        extensions(),
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": False,
            "initializedcheck": False,
        },
    )
)
