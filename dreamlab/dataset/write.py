"""Writes a data set: scene by scene, views by several threads at once, and goes on where it was left."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.dataset.config import DatasetConfig
from dreamlab.dataset.folder import DatasetFolder
from dreamlab.dataset.formats.base import Whole
from dreamlab.dataset.images import check_exr
from dreamlab.dataset.record import ViewRecord
from dreamlab.dataset.scene import Scene, Subject, alone, arranged
from dreamlab.dataset.sources import Source, distinct, scaled
from dreamlab.dataset.view import SceneWriter
from dreamlab.ops import threads

AHEAD = 3  # views under way for every worker
COARSE = 200  # steps of 16-bit depth over a scene below which it is said


@dataclass(frozen=True)
class Begun:
    """All is checked and rendering begins: `done` of `total` views are there already."""

    done: int
    total: int


@dataclass(frozen=True)
class Progress:
    """A view is written: `done` of `total`, and its colour."""

    record: ViewRecord
    rgb: UInt8[np.ndarray, "H W 3"]
    done: int
    total: int


@dataclass(frozen=True)
class Remark:
    """Something worth saying once."""

    text: str


def write_dataset(
    config: DatasetConfig, sources: Sequence[Source], out: Path, workers: int | None = None
) -> Generator[Begun | Progress | Remark, None, None]:
    """Write what the settings ask for into `out`, and tell of it. Closed early, or killed, it goes on when
    called again with the same settings and subjects; the bytes are the same as without a break, and for any
    number of workers (default: the machine's cores).

    Raises InputError where nothing can be made of the subjects, `out` is not ours, or there is no room left;
    UnavailableError for EXR without OpenEXR; what `load` raises for a subject that is required.
    """
    sources = distinct(sources)
    config.background.check()
    if "exr" in config.depth:
        check_exr()
    folder = DatasetFolder.open(out, config, sources)
    try:
        yield from _Writer(config, sources, folder, workers).run()
    finally:
        folder.close()


class _Writer:
    def __init__(
        self, config: DatasetConfig, sources: Sequence[Source], folder: DatasetFolder, workers: int | None
    ) -> None:
        self.config, self.sources, self.folder = config, sources, folder
        self.workers = workers or threads.override() or threads.available_cores()
        self.plans = list(_plans(config, sources))
        names = [name for name, _ in self.plans]
        self.folders = [""] if len(names) == 1 else [f"{name}/" for name in names]
        self.left_out: set[str] = set()

    def run(self) -> Iterator[Begun | Progress | Remark]:
        yield Begun(len(self.folder.records), self._total())
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,))
        try:
            for number in range(len(self.plans)):
                yield from self._scene(number, pool)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)
        if not self.folder.records:
            raise InputError("none of the meshes can be read", got=", ".join(sorted(self.left_out)[:3]))
        yield from self._index()

    def _scene(self, number: int, pool: ThreadPoolExecutor) -> Iterator[Progress | Remark]:
        """The views of a scene that are not there yet."""
        done = sum(record.scene_number == number for record in self.folder.records)
        if done == self.config.views:
            return
        name, members = self.plans[number]
        try:
            subjects = [self._load(source) for source in members]
        except DreamlabError as error:
            if any(source.required for source in members):
                raise
            self.left_out.add(name)
            yield Remark(f"{name} is left out: {error}")
            return
        writer = SceneWriter(self.config, self._placed(number, name, subjects), number, self.folders[number],
                             self.folder.path)  # fmt: skip
        if (steps := writer.depth_steps()) < COARSE and "png" in writer.depth_files:
            yield Remark(
                f"{name}: only {steps:.0f} steps of depth from its front to its back; "
                f"--depth-unit {self.config.depth_unit / 10:g}m has ten times as many"
            )
        under_way: deque[Future[tuple[ViewRecord, np.ndarray]]] = deque()
        try:
            for view in range(done, self.config.views):
                under_way.append(pool.submit(writer.write, view))
                if len(under_way) >= self.workers * AHEAD:
                    yield self._kept(under_way.popleft())
            while under_way:
                yield self._kept(under_way.popleft())
        finally:
            for future in under_way:
                future.cancel()

    def _kept(self, future: Future[tuple[ViewRecord, np.ndarray]]) -> Progress:
        record, rgb = future.result()
        self.folder.add(record)
        return Progress(record, rgb, len(self.folder.records), self._total())

    def _total(self) -> int:
        return (len(self.plans) - len(self.left_out)) * self.config.views

    def _load(self, source: Source) -> Subject:
        return scaled(replace(source.load(), name=source.name, caption=source.caption), self.config.scale)

    def _placed(self, number: int, name: str, subjects: list[Subject]) -> Scene:
        if self.config.objects == 1:
            return alone(subjects[0])
        return arranged(name, subjects, self.config.rng(number, 2))

    def _index(self) -> Iterator[Remark]:
        """The format's own files, when all views are there."""
        shown = {found.name for record in self.folder.records for found in record.objects}
        by_name = {source.name: source for source in self.sources}
        whole = Whole(
            self.folder.records,
            self.folders,
            [name for name in by_name if name in shown],
            lambda name: self._load(by_name[name]),
            self.config.depth_unit,
        )
        for name, data in self.config.format.index(whole).items():
            path = self.folder.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        if self.left_out:
            yield Remark(f"left out: {len(self.left_out)} of {len(self.plans)}, which cannot be read")


def _plans(config: DatasetConfig, sources: Sequence[Source]) -> Iterator[tuple[str, list[Source]]]:
    """The name and the members of every scene: each subject by itself, or some of them by the seed."""
    if config.objects == 1:
        yield from ((source.name, [source]) for source in sources)
        return
    for number in range(config.scenes):
        again = config.objects > len(sources)
        picked = config.rng(number, 0).choice(len(sources), config.objects, replace=again)
        yield f"scene-{number:04d}", [sources[k] for k in picked.tolist()]
