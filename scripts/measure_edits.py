"""What do edits change, and what do they leave alone? Procedural objects, edited in a word and measured.

usage: python scripts/measure_edits.py --out edits.json --sheet edits.png --work edits
       python scripts/measure_edits.py --only mushroom --set stages.paint.steps=50

Every row of EDITS is an object of the corpus as a mesh file with a texture, and an instruction; some have a
mask. Told of each: what the shipped judge names before and after (noun and colour, by eight views; of an
added part, that part), whether positions and texture coordinates are the same bytes, the share of the
object's pixels outside the mask that changed by more than VISIBLE of 255 in six views (of a part: of the
object without it), and seconds. Of a mask that finds its place: which share of the surface it takes, and how
much of what is of the colour that is to change. Of a part: how deep it sinks, as a share of its height.

With --work the objects stay in that folder, and the same command goes on where it was stopped. The sheet
shows before and after side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dreamlab.cli import main as dreamlab
from dreamlab.cli.mask_option import parse_mask
from dreamlab.core.cameras import camera_rays
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.evaluate.looks import judged_views
from dreamlab.evaluate.named_picture import name_picture
from dreamlab.evaluate.shipped_judge import read_judge
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.mesh.geometry.heights import clearance
from dreamlab.mesh.geometry.shape import frame_of
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import PLAIN
from dreamlab.mesh.repaint import Coat
from dreamlab.mesh.retexture import retexture
from dreamlab.mesh.surface.silhouettes import survey_cameras
from dreamlab.mesh.texture.mask import Mask
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.ops import threads
from dreamlab.run.folders import runs_in
from dreamlab.run.prior_cache import build_prior
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.auto_mask import AutoMaskConfig
from dreamlab.studio.shapes import COLORS, make
from dreamlab.views.contact import write_contact_sheet
from dreamlab.views.render import framed, render_mesh
from dreamlab.views.still import still_of

VIEWS, SIZE, VISIBLE = 6, 256, 8
NEAR = 0.2  # of the colour that a mask should take
TRIES = 200  # objects among which one is looked for that has the prompt's details
TEXTURE = 1024
COLOR = {color.word: color for color in COLORS}


class Asked(NamedTuple):
    """An object of the corpus, what is said of it and to it, and where it may change; for a mask that finds
    its place, the sRGB colour of what it should take; and which of such objects it is, if not that of the
    row's number."""

    noun: str
    color: str
    instruction: str
    mask: str = "off"
    was: str = ""
    truth: tuple[float, float, float] | None = None
    which: int | None = None

    @property
    def prompt(self) -> str:
        return self.was or f"a {self.color} {self.noun}"


EDITS = (
    Asked("mushroom", "red", "make it golden"),
    Asked("chair", "blue", "a red chair"),
    Asked("mug", "white", "make it wooden"),
    Asked("car", "green", "paint it blue", "part:green"),
    Asked("mushroom", "red", "paint it blue", "box:-1,0.1,-1,1,1,1"),
    Asked("mushroom", "red", "paint it blue", "auto", truth=(0.83, 0.13, 0.1)),
    Asked(
        "house", "white", "a house with a blue roof", "auto", "a house with a red roof", (0.86, 0.14, 0.17)
    ),
    Asked("knight", "red", "paint it blue", "auto", truth=(0.75, 0.1, 0.07)),
    Asked("mushroom", "red", "add a blue hat", which=20),
    Asked("chair", "blue", "add a red cup on the left"),
    Asked("mushroom", "red", "turn it into a pumpkin", which=20),
    Asked("cat", "brown", "turn it into a dog"),
    Asked("crate", "brown", "turn it into a dice"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="NOUN", help="edits of this noun alone")
    parser.add_argument("--rows", metavar="LIST", help="these rows of EDITS alone, such as 5,6,7")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the rows as JSON")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="before and after as a picture")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the objects, and go on from them")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every edit")
    args = parser.parse_args(arguments)
    threads.apply(None)
    rows, pictures, captions = list[dict[str, Any]](), list[np.ndarray](), list[str]()
    wanted = range(len(EDITS)) if args.rows is None else [int(part) for part in args.rows.split(",")]
    with tempfile.TemporaryDirectory() as spare:
        for number in wanted:
            if args.only not in (None, EDITS[number].noun):
                continue
            folder = (args.work or Path(spare)) / f"{number:02d}"
            row = done(EDITS[number], number, folder, args.set)
            rows.append(row)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
            for name, text in (("before", EDITS[number].prompt), ("after", EDITS[number].instruction)):
                pictures.append(still_of(load(folder / f"{name}.glb"), 0.6, 0.3, SIZE))
                captions.append(text)
            if args.out:
                write_atomic(args.out, (json.dumps(rows, indent=1) + "\n").encode())
    if args.sheet:
        write_contact_sheet(args.sheet, pictures, captions, columns=4)
    return 0


def done(asked: Asked, number: int, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """The figures of an edit, measured now or before with the same settings; before.glb and after.glb in its
    folder."""
    kept, key = folder / "row.json", [list(asked), list(settings)]
    if kept.is_file() and (found := json.loads(kept.read_text()))["key"] == json.loads(json.dumps(key)):
        return found["row"]
    folder.mkdir(parents=True, exist_ok=True)
    row = measured(asked, number, folder, settings)
    write_atomic(kept, (json.dumps({"key": key, "row": row}) + "\n").encode())
    return row


def measured(asked: Asked, number: int, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """The figures of an edit."""
    source = folder / "before.glb"
    made, seconds = edited(asked, number, folder, settings)
    part = next(made.parent.glob("0*/mesh.glb"), None)  # of a scene
    before, after, judge = load(source), load(made), read_judge().judge
    shown = after if part is None else load(part)
    row = {
        "noun": asked.noun,
        "color": asked.color,
        "instruction": asked.instruction,
        "mask": asked.mask,
        "was": asked.prompt,
        "judged_before": name_picture(judged_views(before), judge).prompt,
        "judged_after": name_picture(judged_views(shown), judge).prompt,
        "same_layout": same_rows(source, made),
        "seconds": round(seconds, 1),
    }
    if part is not None:
        return row | put_on(before, after)
    if asked.mask == "off":
        return row
    weight = weight_of(asked, before, folder)
    row["changed_outside"] = changed_outside(before, after, weight, source, folder)
    return row | (taken(before, weight, asked.truth) if asked.truth else {})


def edited(asked: Asked, number: int, folder: Path, settings: Sequence[str]) -> tuple[Path, float]:
    """The file that the edit makes of before.glb, also as after.glb, and the seconds that it took; as it was
    made before, if it was."""
    source, runs, told = folder / "before.glb", folder / "runs", folder / "edit.json"
    if not source.is_file():
        write(object_of(asked, number if asked.which is None else asked.which), source)
    if not told.is_file():
        options = [part for one in (*settings, "stages.turntable.frames=0") for part in ("--set", one)]
        words = ["edit", str(source), asked.instruction, "--was", asked.prompt, "--quiet"]
        words += [] if asked.mask == "off" else ["--mask", asked.mask]
        begin = time.perf_counter()
        if code := dreamlab([*words, "--out", str(runs), *options]):
            raise DreamlabError(f"the edit of {asked.prompt} ended with {code}")
        seconds = time.perf_counter() - begin
        write_atomic(told, json.dumps({"seconds": seconds}).encode())
    scene = next(runs.glob("scenes/*/scene.glb"), None)
    made = scene or runs_in(runs)[-1] / "mesh.glb"
    write_atomic(folder / "after.glb", made.read_bytes())
    return made, json.loads(told.read_text())["seconds"]


def same_rows(source: Path, made: Path) -> bool:
    """Whether the first file's positions and texture coordinates are those of the second, to the bit, or the
    first of them."""
    one, other = GltfFile(source), GltfFile(made)
    (mesh,), (edited, *_) = one.list("meshes"), other.list("meshes")
    (a,), (b, *_) = mesh["primitives"], edited["primitives"]
    pairs = [(a["attributes"][name], b["attributes"].get(name)) for name in ("POSITION", "TEXCOORD_0")]
    rows = [
        (one.rows(i), None if k is None else other.rows(k)) for i, k in (*pairs, (a["indices"], b["indices"]))
    ]
    return all(k is not None and i.shape == k.shape and bool((i == k).all()) for i, k in rows)


def put_on(before: Mesh, after: Mesh) -> dict[str, Any]:
    """How deep the part, the last faces of `after`, sinks into the object at its lowest, as a share of its
    height, where it is above it; and the object's pixels that changed."""
    rows = after.faces[len(before.faces) :]
    part, whole = after.vertices.double().numpy(), before.vertices.double().numpy()
    used = part[rows.unique().numpy()]
    gap = clearance(part, rows.numpy(), whole, before.faces.numpy())
    alone = replace(after, faces=after.faces[: len(before.faces)])
    old, new = (albedo(mesh)[..., :4].astype(int) for mesh in (before, trimmed(alone)))
    changed = np.abs(old - new).max(-1) > VISIBLE
    return {
        "sinks": None if not np.isfinite(gap) else round(float(-gap / np.ptp(used[:, 1])), 3),
        "changed_outside": round(float(changed[old[..., 3] == 255].mean()), 4),
    }


def trimmed(mesh: Mesh) -> Mesh:
    """The mesh with the corners alone that its faces use, so that it is framed by these."""
    used, faces = mesh.faces.unique(return_inverse=True)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=faces,
        uv=None if mesh.uv is None else mesh.uv[used],
        normals=None if mesh.normals is None else mesh.normals[used],
        colors=None if mesh.colors is None else mesh.colors[used],
    )


def weight_of(asked: Asked, mesh: Mesh, folder: Path) -> Mask:
    """The mask that the edit had."""
    config = parse_mask(asked.mask, asked.prompt)
    assert config is not None
    if not isinstance(config, AutoMaskConfig):
        return config.build(mesh)
    run = RunDir(runs_in(folder / "runs")[-1]).config()
    return config.find(mesh, build_prior(run.prior, torch.device("cpu")), run.prompt).mask


def taken(mesh: Mesh, weight: Mask, truth: tuple[float, float, float]) -> dict[str, Any]:
    """Of places that six views see: the share that the mask takes, the share of those of the
    right colour that it takes, and of the others."""
    inside = framed(mesh)
    cameras = survey_cameras(VIEWS, SIZE)
    frame, rays = frame_of(mesh), camera_rays(cameras)
    views = surface_views(inside, cameras)
    seen = views.seen.reshape(-1)
    along = -(rays.directions.view(*views.depth.shape[:3], 3) * cameras.c2w[:, None, None, :3, 2]).sum(-1)
    away = (views.depth[..., 0] / along).reshape(-1)[seen, None]
    places = (rays.origins[seen] + rays.directions[seen] * away).double() * frame.radius + frame.middle
    share = weight(places.numpy(), views.normal.reshape(-1, 3)[seen].double().numpy())
    right = (views.albedo.reshape(-1, 3)[seen] - torch.tensor(truth)).abs().amax(1).numpy() < NEAR
    return {
        "mask_takes": round(float(share.mean()), 3),
        "of_the_right_colour": round(float(share[right].mean()), 3),
        "of_the_others": round(float(share[~right].mean()), 3),
    }


def object_of(asked: Asked, number: int) -> Mesh:
    """The object with its colours in a texture; of what has details in its prompt the first that has them."""
    details = asked.was.partition(" with ")[2]
    seeds = ((31, number, k) if k else (31, number) for k in range(TRIES))
    shapes = (make(np.random.default_rng(seed), asked.noun, COLOR[asked.color]) for seed in seeds)
    shape = next(shape for shape in shapes if any(details in caption for caption in shape.captions))
    corners = torch.from_numpy(shape.vertices[shape.faces].reshape(-1, 3)).float()
    colors = torch.from_numpy(np.repeat(shape.face_colors, 3, 0)).float()
    soup = Mesh(corners, torch.arange(len(corners)).reshape(-1, 3), colors=colors)
    with tempfile.TemporaryDirectory() as folder:
        flat = unwrap(soup, resolution=TEXTURE)
        path = write(flat, Path(folder) / "flat.glb")[0]
        files = retexture(path, Path(folder) / "own.glb", lambda _: Coat(own_color, PLAIN), TEXTURE).files
        return load(files[0])


def own_color(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
    return own


def changed_outside(before: Mesh, after: Mesh, weight: Mask, source: Path, folder: Path) -> float:
    """The share of the object's pixels outside the mask that look different."""

    def shown(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.repeat(weight(x, normal)[:, None] > 0, 3, 1).astype(float)

    path = retexture(source, folder / "mask.glb", lambda _: Coat(shown, PLAIN)).files[0]
    inside, old, new = (albedo(mesh)[..., :4].astype(int) for mesh in (load(path), before, after))
    outside = (inside[..., 0] == 0) & (inside[..., 3] == 255)
    changed = np.abs(old - new)[..., :3].max(-1) > VISIBLE
    return round(float(changed[outside].mean()), 4) if outside.any() else 0.0


def albedo(mesh: Mesh) -> np.ndarray:
    return render_mesh(framed(mesh), survey_cameras(VIEWS, SIZE), "albedo", None)


if __name__ == "__main__":
    raise SystemExit(main())
