"""Which dreamlab this is: its version and, run from a clone, the commit. Loads nothing else."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CODE = ("dreamlab", "configs")  # what decides results
_PATIENCE = 5.0


@dataclass(frozen=True)
class Commit:
    """changed: whether the code is another than the commit's; None where git does not say."""

    sha: str
    changed: bool | None


@cache
def commit(root: Path = ROOT) -> Commit | None:
    """That of the clone that this package lies in; None where it lies in none, or git cannot be asked."""
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return None
    sha = _git(root, "rev-parse", "--verify", "HEAD")
    if not sha:
        return None
    status = _git(root, "status", "--porcelain", "--", *_CODE)
    return Commit(sha, None if status is None else bool(status))


def _git(root: Path, *arguments: str) -> str | None:
    """What git says. Variables that mean another repository, as in a hook of it, do not count."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    line = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=_PATIENCE, env=environment)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
