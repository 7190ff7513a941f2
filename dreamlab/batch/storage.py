"""Runs on shared storage, a folder, S3 or whatever else fsspec knows: any machine can go on with them.

A run that is fetched is one that was whole at some moment: files that others speak of are written before
those, and checkpoints are believed only if their sums are right.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module  # so that types are checked the same with and without it
from pathlib import Path, PurePosixPath
from typing import Any

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.files import write_atomic

_LAST = ("meta.json", "summary.json", "report.html")  # in this order, after what they speak of
_CHECKPOINTS = "checkpoints"
_BUCKETS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Protocols without folders, where to make the folder of a file would be to make a bucket."""


class Storage:
    """The place that a URL names: file:///mnt/shared/toys, s3://bucket/toys, ... Keys, and the address of a
    server that is not Amazon's, come from the AWS_ variables or files, as for botocore.

    Raises InputError for a URL that is none, UnavailableError where the package for it is missing.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url
        try:
            self._system, self._root = url_to_fs(url)
        except ImportError as error:
            mend = 'pip install "dreamlab[ray]", or the package that is named'
            raise UnavailableError(f"{url} cannot be reached", got=str(error), mend=mend) from error
        except ValueError as error:
            expected = "a URL such as file:///mnt/shared/toys or s3://bucket/toys"
            raise InputError(f"{url} is no storage", expected=expected, got=str(error)) from error
        self._pushed: dict[str, tuple[int, int]] = {}  # size and time of each file as it was written last

    def check(self) -> None:
        """See that a file can be written here, read and removed. Raises InputError where it cannot be."""
        name = f".dreamlab-{secrets.token_hex(8)}"
        with self._told("written to"):
            self._write(name, b"dreamlab")
            with self._told("read"):
                self._system.cat_file(f"{self._root}/{name}")
            self._system.rm_file(f"{self._root}/{name}")

    def push(self, run: Path, place: str) -> None:
        """Make `place` a copy of the run's folder: what has changed is written, what is gone is removed."""
        files = sorted(_files(run), key=_order)
        with self._told("written to"):
            for file in files:
                target, state = f"{place}/{file}", _state(run / file)
                if self._pushed.get(target) != state:
                    self._write(target, (run / file).read_bytes())
                    self._pushed[target] = state
            for gone in set(self._names(place)) - set(map(str, files)):
                self._system.rm_file(f"{self._root}/{place}/{gone}")
                self._pushed.pop(f"{place}/{gone}", None)

    def pull(self, place: str, run: Path, checkpoints: bool = True) -> bool:
        """Fetch a run into a folder, with or without its checkpoints; whether there was one."""
        with self._told("read"):
            names = self._names(place)
            if "config.yaml" not in names:
                return False
            for name in sorted(map(PurePosixPath, names), key=_order):
                if checkpoints or name.parts[0] != _CHECKPOINTS:
                    target = run / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    write_atomic(target, self._system.cat_file(f"{self._root}/{place}/{name}"))
        return True

    def places(self, place: str) -> list[str]:
        """What lies directly below a place, by name."""
        with self._told("read"):
            return sorted({name.partition("/")[0] for name in self._names(place)})

    def _names(self, place: str) -> list[str]:
        """Files below a place, relative to it. Names that would lead out of it are passed over."""
        self._system.invalidate_cache()
        top = f"{self._root}/{place}/"
        found = [str(path).partition(top)[2] for path in self._system.find(top) if str(path).find(top) >= 0]
        return [name for name in found if name and ".." not in PurePosixPath(name).parts]

    def _write(self, target: str, data: bytes) -> None:
        path = f"{self._root}/{target}"
        if not _BUCKETS.intersection(_protocols(self._system)):
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        if "file" in _protocols(self._system):  # whose own writing is not at once or not at all
            write_atomic(path, data)
        else:
            self._system.pipe_file(path, data)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, *_errors_of_s3()) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{self.url} cannot be {what}", got=reason, mend=_mend(error)) from error


def _errors_of_s3() -> tuple[type[Exception], ...]:
    """What botocore raises where a server is gone or there are no keys; none where it is not installed."""
    try:
        exceptions: Any = import_module("botocore.exceptions")
    except ImportError:
        return ()
    return (exceptions.BotoCoreError,)


def _mend(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "Make the bucket or folder, or name another"
    if isinstance(error, PermissionError):
        return "See that the keys are right, and that their owner may list, read, write and remove there"
    if "Credentials" in type(error).__name__:
        return "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name an AWS_PROFILE"
    if isinstance(error, ConnectionError) or "Connect" in type(error).__name__:
        return "See that the server runs, and where AWS_ENDPOINT_URL_S3 points, if it is set"
    return "See that the address is right, and try again"


def _files(run: Path) -> Iterator[PurePosixPath]:
    """All files of a run but hidden ones, which are locks and what is half-written."""
    for path in run.rglob("*"):
        relative = path.relative_to(run)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield PurePosixPath(relative.as_posix())


def _order(file: PurePosixPath) -> tuple[int, int, str]:
    in_checkpoint = file.parts[0] == _CHECKPOINTS
    return in_checkpoint, _LAST.index(file.name) if file.name in _LAST else -1, str(file)


def _state(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_size, known.st_mtime_ns


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
