"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError


@contextmanager
def atomic_path(target: str | os.PathLike[str], durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `target` (same suffix) to write to; renamed onto it if the block ends well.

    Nothing half-written is ever left under either name. durable: forced onto the disk before it gets its
    name, and so as it is after a power cut; without, which takes a tenth of the time, it may then be empty.
    An OSError (no such folder, no permission, disk full) becomes an InputError that names the target and the
    reason.
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "is a folder")
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"could not write {target}",
            expected="a folder that exists and can be written to, with room left",
            got=error.strerror or str(error),
            mend="Choose another place to write to",
        ) from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                temporary.unlink()


def write_atomic(target: str | os.PathLike[str], data: bytes, durable: bool = True) -> None:
    """Write `data` to `target`, all of it or nothing; see `atomic_path`."""
    with atomic_path(target, durable) as temporary:
        temporary.write_bytes(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_mapping(path: Path, most: int = 1_000_000) -> dict[str, Any] | None:
    """The object that a JSON file holds; None where there is no such file, or it is damaged, holds something
    else or more than `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
        found = json.loads(data) if len(data) <= most else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
