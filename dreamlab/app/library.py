"""The runs of a folder as the app shows them: looked at, searched, marked, put away and brought back.

Names come from requests. Each must be that of something directly in the folder, which is no link, and files
of a run are compared with those that it has: nothing outside can be named. Loads no torch.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dreamlab.app.marks import Mark, Marks, checked_tags
from dreamlab.core.errors import DamagedError, InputError
from dreamlab.run import trash
from dreamlab.run.folders import age, at_work_on, is_plain, runs_in
from dreamlab.run.glance import Glance, glance, matches

_SHOWN = ("config.yaml", "environment.json", "summary.json", "metrics.jsonl", "log.txt")
FILES = {
    "mesh": ("mesh*",),
    "turntable": ("turntable.*",),
    "report": ("report.html",),
    "settings": ("config.yaml",),
    "summary": ("summary.json",),
    "log": ("log.txt",),
    "preview": ("previews/*.png",),
    "picture": ("picture-*.png",),
}
"""What of a run's folder may be asked for, by what it is."""


@dataclass(frozen=True)
class Entry:
    """A run and what was said of it."""

    run: Glance
    mark: Mark

    @property
    def name(self) -> str:
        return self.run.path.name


@dataclass(frozen=True)
class Shelf:
    """A part of the library, the newest first.

    more: the name to go on after; None at the end. total: how many there are in all that were asked for.
    tags: all that are in use, with how often. damaged: why, by name, of runs on the way that cannot be read.
    """

    entries: tuple[Entry, ...]
    more: str | None
    total: int
    tags: dict[str, int]
    damaged: dict[str, str]


class NotThereError(InputError):
    """A run or file that the library does not hold."""


class Library:
    """The runs in the folder `root`; safe to be used by several threads.

    >>> shelf = Library(Path("outputs")).search("mushroom done", favourite=True)  # doctest: +SKIP
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.marks = Marks(self.root)
        self._seen: dict[Path, tuple[object, Glance]] = {}
        self._lock = threading.Lock()

    def search(
        self,
        words: str = "",
        *,
        tag: str | None = None,
        favourite: bool = False,
        limit: int = 60,
        after: str | None = None,
    ) -> Shelf:
        """Runs that have all the words in folder, prompt, preset, state or tags.

        after: the name of a run that was shown last; those that follow it. NotThereError where it is gone.
        """
        paths, marks, damaged = self._newest_first(), self.marks.all(), {}
        marked = [path for path in paths if any(path.name == name for name, _ in marks)]
        wanted = paths if tag is None and not favourite else marked
        first = 0 if after is None else self._behind(after, wanted)

        def has_all(entry: Entry) -> bool:
            mark = entry.mark
            fits = (mark.favourite or not favourite) and (tag is None or tag in mark.tags)
            return fits and matches(entry.run, words.split(), *mark.tags)

        if words.strip() or wanted is marked:
            place = {path.name: k for k, path in enumerate(wanted)}
            found = [entry for entry in self._seen_in(wanted, marks, damaged) if has_all(entry)]
            total, rest = len(found), iter([entry for entry in found if place[entry.name] >= first])
        else:  # no more is looked at than is shown
            total, rest = len(paths), self._seen_in(paths[first:], marks, damaged)
        part = tuple(islice(rest, limit))
        more = part[-1].name if part and next(rest, None) is not None else None
        used = Counter(tag for entry in self._seen_in(marked, marks, {}) for tag in entry.mark.tags)
        return Shelf(part, more, total, dict(sorted(used.items())), damaged)

    def entry(self, name: str) -> Entry:
        """Raises NotThereError, and DamagedError where its settings cannot be read."""
        run = self._glance(self.folder(name))
        return Entry(run, self.marks.all().get((name, run.started or ""), Mark()))

    def folder(self, name: str) -> Path:
        """The folder of the run of that name, which is no link. NotThereError if there is none."""
        path = self.root / name if is_plain(name) else None
        if path is None or path.is_symlink() or not (path / "config.yaml").is_file():
            raise NotThereError(f"there is no run {name!r} here")
        return path

    def mark(self, name: str, favourite: bool | None = None, tags: Sequence[str] | None = None) -> Entry:
        """Change what is given of a run's mark."""
        entry = self.entry(name)
        mark = Mark(
            entry.mark.favourite if favourite is None else favourite,
            entry.mark.tags if tags is None else checked_tags(tags),
        )
        self.marks.set(name, entry.run.started or "", mark)
        return Entry(entry.run, mark)

    def files(self, name: str) -> dict[str, list[str]]:
        """The run's files that can be asked for, by what they are: "mesh" to ["mesh.glb", ...]."""
        folder = self.folder(name)
        found = {
            kind: sorted(file for pattern in patterns for file in _within(folder, pattern))
            for kind, patterns in FILES.items()
        }
        return {kind: files for kind, files in found.items() if files}

    def file(self, name: str, file: str) -> Path:
        """One of `files` by its path in the run's folder. NotThereError for everything else."""
        if any(file in files for files in self.files(name).values()):
            return self.folder(name) / file
        raise NotThereError(f"run {name!r} has no file {file!r}")

    def discard(self, name: str) -> str:
        """Move a run to the trash; its name there. InputError while it is worked on."""
        return trash.discard(self.root, trash.removable(self.root, self.folder(name).name)).name

    def trashed(self) -> list[Entry]:
        """What lies in the trash and can be read, the newest first."""
        entries = []
        for run in reversed(trash.trashed(self.root)):
            try:
                entries.append(Entry(glance(run), Mark()))
            except DamagedError:
                continue
        return entries

    def bring_back(self, name: str) -> Entry:
        """Move a run out of the trash, by its name there. InputError where its name is taken."""
        if name not in {run.name for run in trash.trashed(self.root)}:
            raise NotThereError(f"there is no run {name!r} in the trash")
        return self.entry(trash.bring_back(self.root, name).name)

    def _newest_first(self) -> list[Path]:
        return sorted(runs_in(self.root, links=False), key=age, reverse=True)

    def _behind(self, name: str, paths: Sequence[Path]) -> int:
        names = [path.name for path in paths]
        if name not in names:
            raise NotThereError(
                f"run {name!r} is not among these any more", mend="Begin anew without `after`"
            )
        return names.index(name) + 1

    def _seen_in(
        self, paths: Sequence[Path], marks: Mapping[tuple[str, str], Mark], damaged: dict[str, str]
    ) -> Iterator[Entry]:
        """Those that can be read; into `damaged` why others cannot."""
        for path in paths:
            try:
                run = self._glance(path)
            except DamagedError as error:
                damaged[path.name] = str(error)
                continue
            yield Entry(run, marks.get((path.name, run.started or ""), Mark()))

    def _glance(self, path: Path) -> Glance:
        """As `glance`, which is not asked again while nothing of what it reads has changed."""
        state = at_work_on(path), tuple(_state(path / name) for name in _SHOWN)
        with self._lock:
            known = self._seen.get(path)
        if known is not None and known[0] == state:
            return known[1]
        run = glance(path)
        with self._lock:
            self._seen[path] = state, run
        return run


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _within(folder: Path, pattern: str) -> Iterator[str]:
    """Plain files of that pattern, no links and nothing behind one."""
    for path in folder.glob(pattern):
        links = path.is_symlink() or path.parent.is_symlink()
        if path.is_file() and not links and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()
