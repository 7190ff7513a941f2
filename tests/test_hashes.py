"""hashes.txt holds every package at its pinned version; the scripts install by it, or say they do not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import lock_hashes  # noqa: E402

LINES = (ROOT / "hashes.txt").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
LOCKED = {
    line.partition("--hash")[0].strip(): re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line)
    for line in LINES[1:]
}
PINS = [
    f"{name}=={version}" + (f"; {marker}" if marker else "") for name, version, marker in lock_hashes.pins()
]


def test_every_package_that_is_needed_has_sums_at_its_pinned_version() -> None:
    """Whoever changes constraints.txt runs scripts/lock_hashes.py."""
    names = {pin.partition("==")[0] for pin in LOCKED}
    assert set(LOCKED) == {pin for pin in PINS if pin.partition("==")[0] in names}
    assert lock_hashes.needed(["dreamlab"]) - names == {"dreamlab", "torch"}
    assert all(sums and len(set(sums)) == len(sums) for sums in LOCKED.values())


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("numpy-2.4.6-cp313-cp313-macosx_14_0_arm64.whl", True),
        ("numpy-2.4.6-cp39-abi3-musllinux_1_2_aarch64.whl", True),
        ("numpy-2.4.6-py3-none-any.whl", True),
        ("numpy-2.4.6.tar.gz", True),
        ("numpy-2.4.6-cp311-cp311-win_amd64.whl", False),
        ("numpy-2.4.6-cp314-cp314-manylinux_2_28_x86_64.whl", False),
        ("numpy-2.4.60-py3-none-any.whl", False),
        ("numpy-12.4.6.tar.gz", False),
        ("numpy-2.4.5.tar.gz", False),
    ],
)
def test_files_of_other_versions_and_systems_are_left_out(file: str, wanted: bool) -> None:
    assert lock_hashes.fits(file, "2.4.6") == wanted


def installed(folder: Path, pip: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`ensure_venv` in a project whose pip is this shell command, which is told pip's arguments."""
    (folder / "scripts").mkdir(parents=True)
    for name in ("scripts/venv.sh", "pyproject.toml", "constraints.txt", "setup.py", "hashes.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exit 0\necho "$@" >>"{folder}/pip.log"\n{pip}\n')
    python.chmod(0o755)
    line = ["bash", "-euo", "pipefail", "-c", f"source '{folder}/scripts/venv.sh'; ensure_venv ''"]
    return subprocess.run(line, env=os.environ | environment, capture_output=True, text=True)


def calls(folder: Path) -> list[str]:
    return (folder / "pip.log").read_text().splitlines()


def failing(words: str) -> str:
    return f'case "$*" in *--require-hashes*) echo "{words}" >&2; exit 1;; esac'


def test_packages_are_installed_by_their_sums_and_the_project_with_them(tmp_path: Path) -> None:
    done = installed(tmp_path, "exit 0")
    assert done.returncode == 0 and "checked by sha256: all packages but torch" in done.stderr
    first, second = calls(tmp_path)
    assert "--require-hashes" in first and "--no-deps" in first and "hashes.txt" in first
    assert "--no-build-isolation" in second and "--constraint" in second


def test_a_file_of_another_sum_stops_the_install(tmp_path: Path) -> None:
    done = installed(
        tmp_path, failing("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE")
    )
    assert done.returncode != 0 and len(calls(tmp_path)) == 1
    assert "not the file that was published" in done.stderr and "DREAMLAB_HASHES=no" in done.stderr
    assert not list((tmp_path / ".venv").glob(".installed-*"))


@pytest.mark.parametrize(
    ("pip", "environment", "said"),
    [
        (failing("ERROR: No matching distribution found"), {}, "could not be installed by their sums"),
        ("exit 0", {"DREAMLAB_HASHES": "no"}, "no file is checked"),
    ],
)
def test_what_cannot_be_checked_is_installed_by_version_and_said(
    tmp_path: Path, pip: str, environment: dict[str, str], said: str
) -> None:
    done = installed(tmp_path, pip, **environment)
    assert done.returncode == 0 and re.search(rf"WARNING: .*{said}", done.stderr)
    assert "--constraint" in calls(tmp_path)[-1] and "--no-build-isolation" not in calls(tmp_path)[-1]


def test_a_system_without_sums_is_said(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "venv.sh").write_bytes((ROOT / "scripts" / "venv.sh").read_bytes())
    line = f"source '{tmp_path}/scripts/venv.sh'; OSTYPE=plan9 install_checked '' || echo $?"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stdout == "2\n" and "there are no sums for plan9" in done.stderr
