"""A scene of several things: each is a job of its own, and the finished ones are put together in one file."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.batch.jobs import Job, Recipe, written_jobs
from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.geometry.shape import parse_size, place
from dreamlab.mesh.io.encode import TextureFormat
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf import GlbObject, glb_scene
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.gltf_join import joined_gltf
from dreamlab.mesh.io.load import GLTF, load, readable
from dreamlab.mesh.layout import Solid, laid_out
from dreamlab.mesh.real_sizes import real_size
from dreamlab.mesh.scene_words import Group, things_of
from dreamlab.run.origin import recorded_facts
from dreamlab.run.run_dir import RunDir, asset_name
from dreamlab.views.still import still_of
from dreamlab.views.turntable import write_turntable

ALIKE = 1.0  # metres of everything, where all shall be as large
_SEEDS = 2**32
_LOOK = (radians(25), radians(20))  # of the still: azimuth and elevation


@dataclass(frozen=True)
class Member:
    """A thing of a scene: its name in files, its prompt, its mesh with the middle of the underside at the
    origin, in metres, and where that stands."""

    name: str
    prompt: str
    mesh: Mesh
    at: tuple[float, float, float]


def scene_jobs(groups: Sequence[Group], recipe: Recipe, seed: int, folder: Path) -> list[Job]:
    """A job for each thing, in their order: seed, seed + 1, ...; also in `folder`/things.jsonl, as
    dreamlab.batch.jobs.read_jobs has them."""
    rows = [
        {"prompt": thing, "seed": (seed + k) % _SEEDS} for k, thing in enumerate(things_of(tuple(groups)))
    ]
    return written_jobs(rows, recipe, folder / "things.jsonl")


def sizes_of(things: Sequence[str], given: Mapping[str, str] | None = None) -> list[float]:
    """The longest side of each thing in metres: what is `given` for a word of it, "alike" for all, else that
    of the table of real sizes. Raises InputError for a thing without a size, and a word that is in none."""
    given = dict(given or {})
    for word in given.keys() - {"alike"}:
        if not any(word.lower() in thing.lower() for thing in things):
            raise InputError(
                f"--size {word}={given[word]}: no thing is called so", expected=", ".join(things)
            )
    return [_size(thing, given) for thing in things]


def _size(thing: str, given: Mapping[str, str]) -> float:
    said = [text for word, text in given.items() if word.lower() in thing.lower()]
    if said:
        return parse_size(said[-1])
    if "alike" in given:
        return ALIKE
    try:
        return real_size(thing)
    except InputError as error:
        mend = f'Say it: --size "{thing.split()[-1]}=30cm", or --size alike'
        raise InputError(error.what, expected=error.expected, mend=mend) from error


@dataclass(frozen=True)
class Given:
    """An object that others are put to: its mesh file, which stays as it is, and its prompt."""

    path: Path
    prompt: str


def arranged(
    groups: Sequence[Group], runs: Sequence[RunDir], sizes: Sequence[float]
) -> tuple[list[Member], list[str]]:
    """The finished runs of a scene's things at their places; and what is to be said of these. Raises as
    dreamlab.mesh.layout.laid_out."""
    meshes = [
        place(load(run.path / "mesh.glb"), size=size, origin="base")
        for run, size in zip(runs, sizes, strict=True)
    ]
    return members_of(groups, meshes)


def put_to(given: Given, whole: Mesh, group: Group, part: Mesh) -> tuple[Member, list[str]]:
    """A part, with the middle of its underside at the origin, where its group says that it stands to the
    object `whole` of the file; and what is to be said of that. Raises as `arranged`."""
    groups = (group, Group((given.prompt,), None))
    (member, moved), notes = members_of(groups, [part, whole])
    x, y, z = (a - b for a, b in zip(member.at, moved.at, strict=True))
    return replace(member, at=(x, y, z)), notes


def members_of(groups: Sequence[Group], meshes: Sequence[Mesh]) -> tuple[list[Member], list[str]]:
    """See `arranged`; `at` is how far each mesh is moved."""
    things = things_of(tuple(groups))
    solids = [
        Solid(thing, mesh.vertices.double().numpy(), mesh.faces.numpy())
        for thing, mesh in zip(things, meshes, strict=True)
    ]
    placed, notes = laid_out(groups, solids)
    steps = [after.vertices[0] - before.vertices[0] for before, after in zip(solids, placed, strict=True)]
    members = [
        Member(name, thing, mesh, (float(step[0]), float(step[1]), float(step[2])))
        for name, thing, mesh, step in zip(_names(things), things, meshes, steps, strict=True)
    ]
    return members, notes


def _names(things: Sequence[str]) -> list[str]:
    """What the things are called in files; of several alike the second is "chair-2"."""
    seen: Counter[str] = Counter()
    names = []
    for thing in things:
        name = asset_name(thing)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def write_scene(
    folder: Path,
    prompt: str,
    members: Sequence[Member],
    runs: Sequence[RunDir],
    formats: Sequence[str] = ("glb", "obj"),
    textures: TextureFormat = "png",
    frames: int = 40,
    size: int = 512,
    given: Given | None = None,
) -> dict[str, Path]:
    """scene.glb with a node for each thing, which stands where its underside's middle is; other formats of
    the whole, of which OBJ has named objects; a still, a film of so many frames (0: none), and scene.json.
    The files by kind. With a `given` object the things are put to its file, of which all stays."""
    name, path = asset_name(prompt), folder / "scene.glb"
    objects = [GlbObject(member.name, member.mesh, at=member.at) for member in members]
    facts = [recorded_facts(run.config(), run.environment()) for run in runs]
    made_by = {"prompt": prompt, "things": facts}
    if given is None:
        data = glb_scene(objects, textures=textures, root=name, made_by=made_by)
    else:
        data = _joined(given.path, objects, textures, made_by)
    write_atomic(path, data)
    files = {"glb": path}
    whole = load(path)
    counts, names = [len(member.mesh.faces) for member in members], [member.name for member in members]
    if given is not None:
        counts, names = [len(whole.faces) - sum(counts), *counts], [asset_name(given.prompt), *names]
    parts = NamedParts(np.repeat(np.arange(len(counts)), counts), tuple(names))
    for kind in formats:
        if kind != "glb":
            files[kind] = write(whole, folder / f"scene.{kind}", name=name, parts=parts, textures=textures)[0]
    files["still"] = folder / "scene.png"
    _write_still(whole, files["still"], size)
    if frames:
        films = {kind: folder / f"turntable.{kind}" for kind in ("mp4", "webp")}
        write_turntable(whole, list(films.values()), frames=frames, size=size)
        files |= films
    files["scene"] = folder / "scene.json"
    told = _facts(prompt, members, runs)
    if given is not None:
        told = {"prompt": prompt, "onto": {"prompt": given.prompt, "file": str(given.path)}, **told}
    write_atomic(files["scene"], (json.dumps(told, indent=1) + "\n").encode())
    return files


def _joined(
    path: Path, objects: Sequence[GlbObject], textures: TextureFormat, made_by: dict[str, Any]
) -> bytes:
    """A mesh file with objects put to it, as GLB; of another format than glTF the mesh alone."""
    with readable(path):
        if path.suffix.lower() in GLTF:
            return joined_gltf(GltfFile(path), objects, textures, made_by)
    with tempfile.TemporaryDirectory() as folder:
        (glb, *_) = write(load(path), Path(folder) / f"{asset_name(path.stem)}.glb", name=path.stem)
        return joined_gltf(GltfFile(glb), objects, textures, made_by)


def _write_still(mesh: Mesh, path: Path, size: int) -> None:
    from PIL import Image

    from dreamlab.core.files import atomic_path

    with atomic_path(path) as target:
        Image.fromarray(still_of(mesh, *_LOOK, size)).save(target, "png")


def _facts(prompt: str, members: Sequence[Member], runs: Sequence[RunDir]) -> dict[str, Any]:
    things = [
        {
            "name": member.name,
            "prompt": member.prompt,
            "run": run.path.name,
            "at": [round(x, 6) for x in member.at],
            "sides": [
                round(float(x), 6) for x in member.mesh.vertices.amax(0) - member.mesh.vertices.amin(0)
            ],
        }
        for member, run in zip(members, runs, strict=True)
    ]
    return {"prompt": prompt, "metres": True, "things": things}


def in_scene(member: Member) -> Mesh:
    """A member's mesh where it stands."""
    mesh = member.mesh
    return replace(mesh, vertices=mesh.vertices + mesh.vertices.new_tensor(member.at))
