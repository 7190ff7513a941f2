"""True objects by lot, and what a preset makes of them with the perfect prior: done once, kept, gone on with.

Used by measure_surface.py. An object's folder is named by it and a hash of everything in the settings that
decides the result. It does not know the code: after a change of the code take a new folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.evaluate.surface_views import flat_mesh
from dreamlab.evaluate.true_pictures import TruePicturesConfig
from dreamlab.run.config import RunConfig
from dreamlab.studio import shapes
from dreamlab.studio.assets import read_folder

OF_FOLDER, OF_GENERATORS = "folder", "procedural"


@dataclass(frozen=True)
class Subject:
    """A true object: centred, its furthest vertex at distance 1, facing +Z. name: also that of its folder."""

    name: str
    source: str
    prompt: str
    vertices: np.ndarray
    faces: np.ndarray
    face_colors: np.ndarray

    def mesh(self) -> Mesh:
        return flat_mesh(self.vertices, self.faces, self.face_colors)


def lot(folder: Path | None, count: int, seed: int) -> tuple[list[Subject], dict[str, int]]:
    """`count` models of a folder (if given) and as many procedural objects of different nouns; and of how
    many each were drawn. A longer lot of the same seed begins with the shorter one.
    """
    subjects, among = [], {}
    if folder is not None:
        assets, _ = read_folder(folder)
        among[OF_FOLDER] = len(assets)
        for row in np.random.default_rng((seed, 0)).permutation(len(assets))[:count]:
            asset = assets[row]
            name = f"{OF_FOLDER}-{Path(asset.file).stem}"
            mesh = asset.vertices, asset.faces, asset.face_colors
            subjects.append(Subject(name, OF_FOLDER, asset.captions[0], *mesh))
    among[OF_GENERATORS] = len(shapes.NOUNS)
    for k, row in enumerate(np.random.default_rng((seed, 1)).permutation(len(shapes.NOUNS))[:count]):
        shape = shapes.make(np.random.default_rng((seed, 2, k)), shapes.NOUNS[row])
        name = f"{OF_GENERATORS}-{shape.noun.replace(' ', '-')}"
        mesh = shape.vertices, shape.faces, shape.face_colors
        subjects.append(Subject(name, OF_GENERATORS, shape.captions[-1], *mesh))
    return subjects, among


def picked(subjects: list[Subject], wanted: list[str]) -> list[Subject]:
    """Those whose names hold one of the wanted texts; all if none is wanted. InputError for one that no name
    holds."""
    for text in wanted:
        if not any(text in subject.name for subject in subjects):
            known = ", ".join(subject.name for subject in subjects)
            raise InputError(f"the lot holds no {text!r}", expected=f"a part of one of {known}")
    return [s for s in subjects if not wanted or any(text in s.name for text in wanted)]


def made(subject: Subject, preset: str, config: RunConfig, prior: TruePicturesConfig, home: Path) -> dict:
    """What became of it: glb (its place below `home`, or None), failure, seconds, peak (bytes).

    Kept in outcome.json. A process that dies leaves none, so its object is made again when asked for again.
    """
    decides = json.dumps([subject.prompt, config.model_dump(mode="json"), prior.model_dump()])
    digest = hashlib.sha256(decides.encode() + subject.vertices.tobytes()).hexdigest()[:10]
    folder = home / f"{subject.name}-{preset}-{digest}"
    record = folder / "outcome.json"
    if not record.is_file():
        shutil.rmtree(folder, ignore_errors=True)  # what was interrupted begins anew: half a run has no time
        folder.mkdir(parents=True)
        # a process of its own: its peak memory is the run's, and what kills it kills nothing else
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                outcome = pool.submit(run, subject.mesh(), config, prior, folder).result()
            except BrokenProcessPool:
                return {"glb": None, "failure": "its process died", "seconds": {}, "peak": None}
        write_atomic(record, (json.dumps(outcome, indent=1) + "\n").encode())
    outcome = json.loads(record.read_text())
    return outcome | {"glb": outcome["glb"] and f"{folder.name}/{outcome['glb']}"}


def run(truth: Mesh, config: RunConfig, prior: TruePicturesConfig, folder: Path) -> dict[str, Any]:
    """One run with the perfect prior, below `folder`."""
    import resource

    from dreamlab.ops import threads
    from dreamlab.run.events import Finished
    from dreamlab.run.machine import environment
    from dreamlab.run.pipeline import generate
    from dreamlab.run.run_dir import RunDir

    threads.apply()
    began, worked = time.perf_counter(), time.process_time()
    glb, failure, seconds = None, "", {}
    try:
        for event in generate(config, RunDir.create(folder, config, environment()), prior.build(truth)):
            if isinstance(event, Finished):
                glb = event.files["glb"].relative_to(folder).as_posix()
                seconds = {name: round(value, 2) for name, value in event.seconds.items()}
    except DreamlabError as error:
        failure = str(error)
    seconds["wall"] = round(time.perf_counter() - began, 2)
    seconds["cpu"] = round(time.process_time() - worked, 2)  # tells a slow run from a busy machine
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"glb": glb, "failure": failure, "seconds": seconds, "peak": peak}
