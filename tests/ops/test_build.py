"""The build of the native library: with the compiler that is there, and without one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder, **environment):
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        str(folder),
        "--build-temp",
        str(folder),
    ]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300
    )


def ask(folder, expression):
    """Evaluate in a new Python whose dreamlab.ops looks for its library in `folder`."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from pathlib import Path\nfrom dreamlab.ops import library\n"
        f"library._HERE = Path({str(folder)!r})\nfrom dreamlab import ops\nprint({expression})"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DREAMLAB_NATIVE_LIBRARY"} | {
        "PYTHONPATH": str(ROOT)
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("no-such-compiler", "the C++ compiler did not start at install"),
        (shutil.which("false") or "false", "the C++ compiler failed at install"),
    ],
)
def test_without_a_working_compiler_the_build_succeeds_and_the_reason_is_kept(tmp_path, compiler, reason):
    done = build(tmp_path, CXX=compiler)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "dreamlab" / "ops"
    assert not (home / "_native.so").exists()
    output = ask(home, "ops.backend() + ': ' + ops.native.why_not()")
    assert output.startswith(f"reference: {reason}")


def test_no_compiler_at_all_is_named(tmp_path):
    done = build(tmp_path, CXX="", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "no C++ compiler was found" in (tmp_path / "dreamlab" / "ops" / "_native_why_not.txt").read_text()


@pytest.mark.slow
def test_a_build_replaces_the_reason_of_one_that_failed(tmp_path):
    if not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("no C++ compiler on this machine")
    build(tmp_path, CXX="no-such-compiler")
    home = tmp_path / "dreamlab" / "ops"
    assert (home / "_native_why_not.txt").exists()
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (home / "_native.so").exists() and not (home / "_native_why_not.txt").exists()
    assert ask(home, "ops.native.why_not() + ops.backend()") == "native"
