"""The table of a batch: table.jsonl, a line for every job that has ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from dreamlab.core.errors import InputError

NAME = "table.jsonl"


@dataclass(frozen=True)
class Row:
    """How a job has ended.

    seed: that of the job; used_seed: that of its run, another after a collapse. run: its folder's name, or ""
    where none was begun. attempts: how many seeds were tried. seconds: of the process that ended it, by the
    wall's clock. files: by kind, in the run's folder. measures: of the mesh. error: why it failed.
    finished: ISO 8601, UTC.
    """

    job: str
    line: int
    prompt: str
    preset: str
    seed: int
    state: Literal["done", "failed"]
    run: str = ""
    used_seed: int = 0
    attempts: int = 1
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    finished: str = ""


class Ledger:
    """Rows by their job's key; the last one of a job counts. A line is appended whole, and is on the disk
    when `append` returns. Lines that cannot be read stay where they are and are counted in `damaged`.

    Only one process may append at a time; see dreamlab.run.folders.locked.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.rows: dict[str, Row] = {}
        self.damaged = 0
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        self._torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            row = _row(line)
            if row is None:
                self.damaged += bool(line.strip())
            else:
                self.rows[row.job] = row

    def append(self, row: Row) -> None:
        """Raises InputError where the line cannot be written, as on a full disk."""
        line = json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n"
        try:
            with self.path.open("ab") as file:
                file.write(b"\n" + line if self._torn else line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._torn = True
            raise InputError(
                f"could not write {self.path}", got=error.strerror or str(error), mend="Make room, and go on"
            ) from error
        self._torn = False
        self.rows[row.job] = row


def _row(line: bytes) -> Row | None:
    """A row, if the line is one; keys that are not known are left out, as a later version may write more."""
    try:
        values = json.loads(line)
        if not isinstance(values, dict) or values.get("state") not in ("done", "failed"):
            return None
        known: dict[str, Any] = {f.name: values[f.name] for f in fields(Row) if f.name in values}
        row = Row(**known)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (row.job, row.prompt, row.preset, row.run, row.error, row.finished)
    numbers = (row.line, row.seed, row.used_seed, row.attempts, row.seconds)
    whole = all(isinstance(t, str) for t in texts) and all(isinstance(n, int | float) for n in numbers)
    mappings = isinstance(row.files, dict) and isinstance(row.measures, dict)
    return row if whole and mappings and "/" not in row.run else None
