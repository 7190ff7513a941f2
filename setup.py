"""Builds the native kernels (dreamlab/ops/csrc/*.cpp) into dreamlab/ops/_native.so during `pip install`.

The library has a plain C interface and is loaded through ctypes: no torch headers, no Python ABI, so one
wheel serves every Python of a platform. Without a working compiler the install still succeeds: the reason is
written next to where the library would be, `dreamlab doctor` shows it, and the kernels in plain torch run
instead.

CXX, CXXFLAGS and LDFLAGS are honoured. Everything else about the project stands in pyproject.toml.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
CSRC = Path("dreamlab", "ops", "csrc")
LIBRARY = Path("dreamlab", "ops", "_native.so")
REASON = Path("dreamlab", "ops", "_native_why_not.txt")

# a*b+c must round alike in every build, or kernels and twins would disagree; they call fma where they mean
# it.
FLAGS = [
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-Wno-psabi",
]
# Kernels of one instruction set; which one runs is decided on the machine that runs them.
X86_FLAGS = {
    "kernels_avx2.cpp": ["-mavx2", "-mfma"],
    "kernels_avx512.cpp": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
}


class BuildFailure(Exception):
    """Why there is no library, in a sentence or two."""


def compiler() -> list[str]:
    """The C++ compiler's command, from CXX or the usual names."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return [name]
    raise BuildFailure("no C++ compiler was found at install (g++ or clang++; Debian: apt install g++)")


def run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BuildFailure(f"the C++ compiler did not start at install: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        told = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
        sys.stderr.write("\n".join(lines[-40:]) + "\n")
        raise BuildFailure(f"the C++ compiler failed at install: {told.strip()[:300]}")


def openmp_flags(cxx: list[str], scratch: Path) -> list[str]:
    """-fopenmp where a program with it links; else threads come from the C++ library."""
    source = scratch / "probe.cpp"
    source.write_text("#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n")
    try:
        done = subprocess.run(
            [*cxx, "-fopenmp", str(source), "-o", str(scratch / "probe")], capture_output=True
        )
    except OSError:
        return []
    return ["-fopenmp"] if done.returncode == 0 else []


def build_library(target: Path) -> None:
    """Compile every csrc/*.cpp and link them to `target`, which is replaced in one step. Raises
    BuildFailure.
    """
    if sys.platform == "win32":
        raise BuildFailure("the native kernels are not built on Windows (use WSL for them)")
    cxx = compiler()
    x86 = platform.machine().lower() in ("x86_64", "amd64") and "arm64" not in os.environ.get("ARCHFLAGS", "")
    extra = shlex.split(os.environ.get("ARCHFLAGS", "")) + shlex.split(os.environ.get("CXXFLAGS", ""))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        flags = [*FLAGS, *openmp_flags(cxx, scratch), *extra]

        def compile_one(source: Path) -> str:
            result = str(scratch / f"{source.stem}.o")
            isa = X86_FLAGS.get(source.name, []) if x86 else []
            run([*cxx, *flags, *isa, "-c", str(source), "-o", result])
            return result

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, sorted((ROOT / CSRC).glob("*.cpp"))))
        # Linked beside the target, then renamed: a process that has the old library open keeps it whole.
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        threads = [flag for flag in flags if flag == "-fopenmp"] or ["-pthread"]
        ldflags = shlex.split(os.environ.get("ARCHFLAGS", "")) + shlex.split(os.environ.get("LDFLAGS", ""))
        try:
            run([*cxx, "-shared", *objects, *threads, *ldflags, "-o", str(fresh)])
            os.replace(fresh, target)
        finally:
            fresh.unlink(missing_ok=True)


class BuildNative(build_ext):
    """build_ext for the one library; a failure is written down, not raised."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(LIBRARY)

    def build_extension(self, ext: Extension) -> None:
        # With an editable install setuptools builds in place itself, by way of `inplace`.
        base = ROOT if self.inplace else Path(self.build_lib)
        target, reason = base / LIBRARY, base / REASON
        reason.unlink(missing_ok=True)
        try:
            build_library(target)
        except BuildFailure as failure:
            target.unlink(missing_ok=True)
            reason.parent.mkdir(parents=True, exist_ok=True)
            reason.write_text(f"{failure}\n", encoding="utf-8")
            self.warn(f"dreamlab is installed without its native kernels: {failure}")


class AnyPython(bdist_wheel):
    """The library knows nothing of Python: the wheel's tag is py3-none-<platform>."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


native = Extension(
    "dreamlab.ops._native",
    sources=sorted(str(p.relative_to(ROOT)) for p in (ROOT / CSRC).glob("*.cpp")),
    depends=sorted(
        str(p.relative_to(ROOT)) for pattern in ("*.h", "*.inl") for p in (ROOT / CSRC).glob(pattern)
    ),
    optional=True,
)

setup(ext_modules=[native], cmdclass={"build_ext": BuildNative, "bdist_wheel": AnyPython})
