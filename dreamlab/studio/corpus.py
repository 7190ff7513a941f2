"""Everything a prior learns from, gathered once: meshes in flat arrays, their captions, and who may be
trained on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load_file, save_file

from dreamlab.core.errors import InputError
from dreamlab.studio import shapes
from dreamlab.studio.assets import Asset, FolderReport, read_folder
from dreamlab.studio.paraphrase import with_paraphrases


class Mesh(NamedTuple):
    """One object: vertices [V,3], faces [F,3], sRGB colours of the faces [F,3]."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_colors: Float[np.ndarray, "F 3"]


class CorpusConfig(BaseModel):
    """What goes in: objects per procedural noun, two-object scenes, and a folder of captioned models.

    nouns: the procedural nouns to generate, alone and in scenes, or None for all; one that is named twice is
    generated twice as often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nouns: tuple[str, ...] | None = None
    per_noun: int = Field(default=150, ge=0)
    scenes: int = Field(default=3000, ge=0)
    folder: Path | None = None
    seed: int = 0


_Row = tuple[Mesh, tuple[str, ...], str, int, bool]


@dataclass(frozen=True)
class Corpus:
    """N objects; captions from bare to full; source 0: procedural nouns, 1: scenes, 2: models of a folder."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_colors: np.ndarray
    vertex_start: Int[np.ndarray, " N1"]
    face_start: Int[np.ndarray, " N1"]
    source: Int[np.ndarray, " N"]
    held_out: Bool[np.ndarray, " N"]
    captions: tuple[tuple[str, ...], ...]
    nouns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.captions)

    def mesh(self, index: int) -> Mesh:
        """The geometry of one object."""
        v, f = self.vertex_start[index : index + 2], self.face_start[index : index + 2]
        colors = self.face_colors[f[0] : f[1]].astype(np.float32) / 255.0
        return Mesh(self.vertices[v[0] : v[1]], self.faces[f[0] : f[1]], colors)

    def save(self, folder: Path) -> None:
        """Write corpus.safetensors and corpus.json."""
        folder.mkdir(parents=True, exist_ok=True)
        names = ("vertices", "faces", "face_colors", "vertex_start", "face_start", "source", "held_out")
        # safetensors writes the bytes as they lie, so the rows must lie in order.
        save_file(
            {name: np.ascontiguousarray(getattr(self, name)) for name in names}, folder / "corpus.safetensors"
        )
        (folder / "corpus.json").write_text(json.dumps({"captions": self.captions, "nouns": self.nouns}))

    @staticmethod
    def load(folder: Path) -> Corpus:
        """Read what `save` wrote."""
        if not (folder / "corpus.json").is_file():
            raise InputError(f"no corpus in {folder}", mend="Gather one with `dreamlab studio gather`")
        text = json.loads((folder / "corpus.json").read_text())
        arrays = load_file(folder / "corpus.safetensors")
        return Corpus(**arrays, captions=tuple(map(tuple, text["captions"])), nouns=tuple(text["nouns"]))


def gather(
    config: CorpusConfig, models: Sequence[Asset] = (), processes: int = 1
) -> tuple[Corpus, FolderReport | None]:
    """Generate the procedural objects and read the folder. The same config and models give the same bytes.

    models: that were read before, besides those of the folder. processes: to generate objects in.

    Raises InputError where scenes are asked for of nouns that cannot share one, and where nothing comes of
    it.
    """
    nouns = shapes.NOUNS if config.nouns is None else config.nouns
    if config.scenes and not shapes.relations_among(nouns):
        raise InputError(
            f"no two of these nouns can share a scene: {', '.join(nouns)}",
            mend="Name more nouns, or ask for no scenes with `--scenes 0`",
        )
    # The folder first: generating takes minutes, and a missing folder should be reported at once.
    assets, report = ([], None) if config.folder is None else read_folder(config.folder)
    rows = [
        *_procedural(config, nouns, processes),
        *(
            (Mesh(a.vertices, a.faces, a.face_colors), a.captions, a.noun, 2, a.held_out)
            for a in (*assets, *models)
        ),
    ]
    if not rows:
        raise InputError(
            "the corpus would be empty",
            expected="an object at least",
            mend="Ask for some with --per-noun or --scenes, or name a --folder that has captioned models",
        )
    meshes, captions, nouns, sources, held_out = zip(*rows, strict=True)
    random = np.random.default_rng((config.seed, 2))
    captions = tuple(with_paraphrases(c, noun, random) for c, noun in zip(captions, nouns, strict=True))
    count = [(len(m.vertices), len(m.faces)) for m in meshes]
    starts = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(count, axis=0)])
    corpus = Corpus(
        vertices=np.concatenate([m.vertices for m in meshes]).astype(np.float32),
        faces=np.concatenate([m.faces for m in meshes]).astype(np.int32),
        face_colors=np.concatenate([np.rint(255 * np.clip(m.face_colors, 0, 1)) for m in meshes]).astype(
            np.uint8
        ),
        vertex_start=np.ascontiguousarray(starts[:, 0]),
        face_start=np.ascontiguousarray(starts[:, 1]),
        source=np.array(sources, np.int32),
        held_out=np.array(held_out, bool),
        captions=captions,
        nouns=nouns,
    )
    return corpus, report


def _procedural(config: CorpusConfig, nouns: Sequence[str], processes: int) -> list[_Row]:
    jobs = [(config.seed, 0, number, copy) for number in range(len(nouns)) for copy in range(config.per_noun)]
    jobs += [(config.seed, 1, copy) for copy in range(config.scenes)]
    one = partial(_generated, tuple(nouns))
    if processes == 1:
        return [one(job) for job in jobs]
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        return list(pool.map(one, jobs, chunksize=64))


def _generated(nouns: tuple[str, ...], job: tuple[int, ...]) -> _Row:
    """An object of a noun, or a scene, by what its randomness begins from."""
    random = np.random.default_rng(job)
    alone = job[1] == 0
    shape = shapes.make(random, nouns[job[2]]) if alone else shapes.scene(random, among=nouns)
    mesh = Mesh(shape.vertices, shape.faces, shape.face_colors)
    return mesh, shape.captions, nouns[job[2]] if alone else shape.noun, 0 if alone else 1, False
