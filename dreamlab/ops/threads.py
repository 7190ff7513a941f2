"""How many threads this process uses: the one place that decides, for torch and for the native kernels alike.

The native kernels ask torch.get_num_threads(), so setting torch's number sets both. Several dreamlab runs on
one machine share its cores evenly. Torch's sums depend on the number of threads: a run writes its number down
when it begins, and keeps it.
"""

from __future__ import annotations

import getpass
import math
import os
import re
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from dreamlab.core.errors import ConfigError

_LOCK = re.compile(r"\d+\.lock")
_held: list[int] = []  # descriptor of this process's lock file, kept open while it lives


def apply(pinned: int | None = None) -> int:
    """Set torch's threads and return their number: that of DREAMLAB_THREADS, else `pinned`, else that of
    OMP_NUM_THREADS, else this process's share of the cores.

    Called at the start of a run, and only there: torch's sums depend on the number of threads, which must
    not change under a run. A run that begins beside others takes an even part; those keep what they have.
    pinned: what the run began with. Raises ConfigError if a variable is not a positive whole number.
    """
    runs = live_runs()
    threads = _asked("DREAMLAB_THREADS") or pinned or override() or share(available_cores(), runs)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return threads


def of_a_run_alone() -> int:
    """How many threads a new run would take if no other were alive."""
    return override() or available_cores()


def override() -> int | None:
    """What the environment asks for, if anything."""
    return _asked("DREAMLAB_THREADS") or _asked("OMP_NUM_THREADS")


def _asked(name: str) -> int | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    first = text.split(",")[0]  # OMP_NUM_THREADS may list nesting levels
    if not first.isdecimal() or int(first) < 1:
        raise ConfigError(f"{name} is not a number of threads", expected="1 or more", got=repr(text))
    return int(first)


def share(cores: int, runs: int) -> int:
    """An even part of the cores, at least one."""
    return max(1, cores // max(1, runs))


def available_cores(mount: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that this process may really use: its CPU affinity, cut by the smallest quota (rounded up) of its
    control group and those above it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(mount, own) if (quota := _quota(group))]
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas)]))


def _groups(mount: Path, own: Path) -> list[Path]:
    """Folders of the control groups that hold this process, as a container or the host's own tree shows them.

    own: lines `number:controllers:/path`; version 2 has number 0 and no controllers.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    groups = [mount, mount / "cpu"]
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mount / "cpu" if controllers else mount
        inside = Path(path.lstrip("/"))
        groups += [top / inside, *(top / above for above in inside.parents)]
    return groups


def _quota(group: Path) -> float | None:
    """CPUs' worth of time per period, from cgroup v2 or v1; None if unlimited or unknown."""
    try:
        if (group / "cpu.max").exists():
            limit, period = (group / "cpu.max").read_text().split()[:2]
        else:
            limit = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        quota = float(limit) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no such files, or "max"
    return quota if quota > 0 else None


# ---- runs that share the machine ----


def live_runs(folder: Path | None = None) -> int:
    """Dreamlab runs of this user that are alive now, this one included; 1 where files cannot be locked.

    Each run holds a lock on its own file in the temporary directory; a file whose lock can be had is a dead
    one's. Anyone may write to that directory: a folder that is a link, or another's, or open to others, is
    not used, with a warning.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return 1
    folder = folder or Path(tempfile.gettempdir()) / f"dreamlab-threads-{_user()}"
    try:
        home = _own_folder(folder)
    except OSError:
        return 1
    if home is None:
        warnings.warn(f"{folder} is not ours alone: other runs on this machine are not counted", stacklevel=1)
        return 1
    try:
        if not _held:
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
            descriptor = os.open(f"{os.getpid()}.lock", flags, 0o600, dir_fd=home)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held.append(descriptor)
        others = [n for n in os.listdir(home) if _LOCK.fullmatch(n) and n != f"{os.getpid()}.lock"]
        return 1 + sum(_is_held(home, name) for name in others)
    except OSError:
        return 1
    finally:
        os.close(home)


def _own_folder(folder: Path) -> int | None:
    """A descriptor of the folder, made if it is not there; None if it is not this user's alone."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        home = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        if folder.is_symlink():
            return None
        raise
    facts = os.fstat(home)
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        os.close(home)
        return None
    return home


def _is_held(home: int, name: str) -> bool:
    import fcntl

    try:
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=home)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=home)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _user() -> str:
    try:
        return str(os.getuid())
    except AttributeError:
        return getpass.getuser()
