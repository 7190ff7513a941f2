"""A data set's folder: its settings, its journal of written views, and whether it is ours to go on with."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError
from typing_extensions import Self

from dreamlab import __version__
from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.dataset.config import DatasetConfig
from dreamlab.dataset.record import ViewRecord
from dreamlab.dataset.sources import Source

SETTINGS, JOURNAL = "dataset.json", "metadata.jsonl"
CONVENTIONS = {
    "world": "right-handed, metres, +Z up; an object's front is towards -Y",
    "c2w": "OpenGL camera to world: looks along -Z, +Y up, +X right",
    "pixels": "the centre of the first pixel is at (0.5, 0.5)",
    "depth": "metres along the camera's axis, not along the ray; 0: nothing",
    "normal": "(n + 1) / 2 of the unit normal towards the camera, in the world",
    "normal_camera": "the same in the camera's own axes, those of c2w",
}


class DatasetFolder:
    """An open data set, this process's alone until `close`. `records` are the views that are written, in
    order."""

    def __init__(self, path: Path, records: list[ViewRecord], lock: int | None) -> None:
        self.path, self.records = path, records
        self._lock = lock
        self._journal: IO[bytes] | None = None

    @classmethod
    def open(cls, path: Path, config: DatasetConfig, sources: Sequence[Source]) -> Self:
        """Begin a data set in a new or empty folder, or go on with one of the same settings and subjects.

        Raises InputError for a folder of something else or of other settings, for one that another process
        is writing, and where it cannot be made.
        """
        about = {
            "dreamlab": __version__,
            "settings": config.model_dump(mode="json"),
            "subjects": [{"name": s.name, "caption": s.caption, "digest": s.digest} for s in sources],
            "conventions": CONVENTIONS,
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
            empty = not any(True for p in path.iterdir() if not p.name.startswith(".writing-"))
        except OSError as error:
            raise InputError(
                f"{path} cannot be made a data set's folder",
                got=error.strerror or str(error),
                mend="Choose another --out",
            ) from error
        if not (path / SETTINGS).is_file():
            if not empty:
                raise InputError(
                    f"{path} holds other things", expected="a new or empty folder, or a data set"
                )
            write_atomic(path / SETTINGS, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
        else:
            _check_same(path, json.loads(json.dumps(about)))
        lock = _locked(path)
        if not empty:
            for left in path.rglob(".writing-*"):  # of one that was killed
                left.unlink(missing_ok=True)
        return cls(path, _written(path), lock)

    def add(self, record: ViewRecord) -> None:
        """A view is written, with all its files."""
        line = record.model_dump_json(exclude_none=True) + "\n"
        try:
            if self._journal is None:
                self._journal = (self.path / JOURNAL).open("ab")
            self._journal.write(line.encode())
            self._journal.flush()
        except OSError as error:
            raise InputError(
                f"could not write {self.path / JOURNAL}",
                got=error.strerror or str(error),
                mend="Make room; the same command goes on",
            ) from error
        self.records.append(record)

    def close(self) -> None:
        if self._journal is not None:
            os.fsync(self._journal.fileno())
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int | None:
    """A lock on the settings' file that vanishes with the process; none where files cannot be locked."""
    try:
        import fcntl
    except ImportError:  # Windows: two processes on one data set are not noticed there
        return None
    handle = os.open(path / SETTINGS, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise InputError(f"another process is writing {path}", mend="Wait for it, or stop it") from error
    return handle


def _check_same(path: Path, about: dict[str, Any]) -> None:
    try:
        before = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
        there = {key: before[key] for key in ("settings", "subjects")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"{path / SETTINGS} cannot be read", got=str(error), mend="Choose another --out"
        ) from error
    difference = _difference(there, {key: about[key] for key in ("settings", "subjects")})
    if difference is not None:
        name, old, new = difference
        raise InputError(
            f"{path} is a data set of other settings: {name} is {_short(old)} there, {_short(new)} here",
            mend="Choose another --out, or take that folder away",
        )


def _difference(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first thing that differs, by its dotted name."""
    if old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(k), a, b) for k, (a, b) in enumerate(zip(old, new, strict=True), 1)]
    elif isinstance(old, list) and isinstance(new, list) and name == "subjects":
        return "the number of subjects", len(old), len(new)
    else:
        return name, old, new
    found = (_difference(a, b, f"{name}.{key}".lstrip(".")) for key, a, b in pairs)
    return next(one for one in found if one is not None)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 48 else text[:45] + "..."


def _written(path: Path) -> list[ViewRecord]:
    """The views of the journal up to the first whose line is broken or whose files are not all there; the
    journal is cut back to them."""
    journal = path / JOURNAL
    records: list[ViewRecord] = []
    good = 0
    try:
        lines = journal.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return records
    for line in lines:
        try:
            record = ViewRecord.model_validate_json(line)
        except ValidationError:
            break
        if not line.endswith(b"\n") or not all(_whole(path / name) for name in record.files.values()):
            break
        records.append(record)
        good += len(line)
    os.truncate(journal, good)
    return records


def _whole(path: Path) -> bool:
    """Whether a file is there. It is whole then, but after a power cut it may be empty."""
    return path.is_file() and path.stat().st_size > 0
