"""Favourites and tags of runs, kept in a table of the workshop's database in the folder of all runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dreamlab.core.errors import DamagedError, InputError

DATABASE = ".workshop.sqlite"
MOST_TAGS, LONGEST_TAG = 20, 40
_PATIENCE = 5.0  # seconds for another process to finish what it writes
_TABLE = """CREATE TABLE IF NOT EXISTS marks (
    run TEXT PRIMARY KEY, started TEXT NOT NULL, favourite INTEGER NOT NULL, tags TEXT NOT NULL)"""


@dataclass(frozen=True)
class Mark:
    """What a person has said of a run."""

    favourite: bool = False
    tags: tuple[str, ...] = ()


class Marks:
    """The marks of a folder's runs, by folder name and the moment when the run began: a later run that is
    given the same name has none of them.

    >>> marks = Marks(Path("outputs"))                                  # doctest: +SKIP
    >>> marks.set("0001-a-red-mushroom", started, Mark(True, ("toys",)))  # doctest: +SKIP
    """

    def __init__(self, root: Path) -> None:
        self.path = root / DATABASE

    def all(self) -> dict[tuple[str, str], Mark]:
        """Every mark, by folder name and start. DamagedError where the database cannot be read."""
        if not self.path.is_file():
            return {}
        with self._database() as database:
            rows = database.execute("SELECT run, started, favourite, tags FROM marks").fetchall()
        return {(run, started): Mark(bool(favourite), _tags(tags)) for run, started, favourite, tags in rows}

    def set(self, run: str, started: str, mark: Mark) -> None:
        """Keep a run's mark in the place of an older one. InputError where nothing can be written."""
        with self._database() as database:
            database.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
                (run, started, int(mark.favourite), json.dumps(mark.tags)),
            )

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as database, database:
                database.execute(_TABLE)
                yield database
        except sqlite3.DatabaseError as error:
            kind = InputError if isinstance(error, sqlite3.OperationalError) else DamagedError
            raise kind(f"favourites and tags in {self.path} cannot be used", got=str(error)) from error


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as they are kept: without blanks around them, each once. InputError for too many or too long."""
    short = tuple(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(short) > MOST_TAGS:
        raise InputError("too many tags", expected=f"at most {MOST_TAGS}", got=str(len(short)))
    if long := [tag for tag in short if len(tag) > LONGEST_TAG]:
        raise InputError("a tag is too long", expected=f"at most {LONGEST_TAG} letters", got=long[0][:60])
    return short


def _tags(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except ValueError:
        return ()
    return tuple(tag for tag in found if isinstance(tag, str)) if isinstance(found, list) else ()
