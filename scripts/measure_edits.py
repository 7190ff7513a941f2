"""What do edits change, and what do they leave alone? Procedural objects, edited in a word and measured.

usage: python scripts/measure_edits.py --out edits.json --sheet edits.png
       python scripts/measure_edits.py --only mushroom --set stages.paint.steps=50

Every row of EDITS is an object of the corpus as a mesh file with a texture, and an instruction; some have a
mask. Told of each: what the shipped judge names before and after (noun and colour, by eight views), whether
positions and texture coordinates are the same bytes, the share of the object's pixels outside the mask that
changed by more than VISIBLE of 255 in six views, and seconds. The sheet shows before and after side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dreamlab.cli import main as dreamlab
from dreamlab.cli.mask_option import parse_mask
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.evaluate.looks import judged_views
from dreamlab.evaluate.named_picture import name_picture
from dreamlab.evaluate.shipped_judge import read_judge
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import PLAIN
from dreamlab.mesh.repaint import Coat
from dreamlab.mesh.retexture import retexture
from dreamlab.mesh.surface.silhouettes import survey_cameras
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.ops import threads
from dreamlab.run.folders import runs_in
from dreamlab.studio.shapes import COLORS, make
from dreamlab.views.contact import write_contact_sheet
from dreamlab.views.render import framed, render_mesh
from dreamlab.views.still import still_of

VIEWS, SIZE, VISIBLE = 6, 256, 8
TEXTURE = 1024
COLOR = {color.word: color for color in COLORS}


class Asked(NamedTuple):
    """An object of the corpus, what is said of it, and where it may change."""

    noun: str
    color: str
    instruction: str
    mask: str = "off"


EDITS = (
    Asked("mushroom", "red", "make it golden"),
    Asked("chair", "blue", "a red chair"),
    Asked("mug", "white", "make it wooden"),
    Asked("car", "green", "paint it blue", "part:green"),
    Asked("mushroom", "red", "paint it blue", "box:-1,0.1,-1,1,1,1"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="NOUN", help="edits of this noun alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the rows as JSON")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="before and after as a picture")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every edit")
    args = parser.parse_args(arguments)
    threads.apply(None)
    rows, pictures, captions = list[dict[str, Any]](), list[np.ndarray](), list[str]()
    for number, asked in enumerate(EDITS):
        if args.only not in (None, asked.noun):
            continue
        with tempfile.TemporaryDirectory() as folder:
            row, before, after = measured(asked, number, Path(folder), args.set)
        rows.append(row)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        for mesh, text in ((before, row["was"]), (after, asked.instruction)):
            pictures.append(still_of(mesh, 0.6, 0.3, SIZE))
            captions.append(text)
    if args.out:
        write_atomic(args.out, (json.dumps(rows, indent=1) + "\n").encode())
    if args.sheet:
        write_contact_sheet(args.sheet, pictures, captions, columns=2)
    return 0


def measured(
    asked: Asked, number: int, folder: Path, settings: Sequence[str]
) -> tuple[dict[str, Any], Mesh, Mesh]:
    """The figures of an edit, and the mesh before and after it."""
    source, was = folder / f"{asked.noun}.glb", f"a {asked.color} {asked.noun}"
    write(object_of(asked, number), source)
    options = [part for setting in (*settings, "stages.turntable.frames=0") for part in ("--set", setting)]
    begin = time.perf_counter()
    words = ["edit", str(source), asked.instruction, "--was", was, "--mask", asked.mask, "--quiet"]
    if code := dreamlab([*words, "--out", str(folder / "runs"), *options]):
        raise DreamlabError(f"the edit of {was} ended with {code}")
    seconds = time.perf_counter() - begin
    (run,) = runs_in(folder / "runs")
    before, after, judge = load(source), load(run / "mesh.glb"), read_judge().judge
    row = {
        **asked._asdict(),
        "was": was,
        "judged_before": name_picture(judged_views(before), judge).prompt,
        "judged_after": name_picture(judged_views(after), judge).prompt,
        "same_layout": torch.equal(before.vertices, after.vertices) and same(before.uv, after.uv),
        "changed_outside": changed_outside(before, after, asked.mask, source, folder),
        "seconds": round(seconds, 1),
    }
    return row, before, after


def object_of(asked: Asked, number: int) -> Mesh:
    """The object with its colours in a texture."""
    shape = make(np.random.default_rng((31, number)), asked.noun, COLOR[asked.color])
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


def changed_outside(before: Mesh, after: Mesh, mask: str, source: Path, folder: Path) -> float | None:
    """The share of the object's pixels outside the mask that look different; None without a mask."""
    config = parse_mask(mask)
    if config is None:
        return None
    weight = config.build(before)

    def shown(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.repeat(weight(x, normal)[:, None] > 0, 3, 1).astype(float)

    path = retexture(source, folder / "mask.glb", lambda _: Coat(shown, PLAIN)).files[0]
    inside, old, new = (albedo(mesh)[..., :4].astype(int) for mesh in (load(path), before, after))
    outside = (inside[..., 0] == 0) & (inside[..., 3] == 255)
    changed = np.abs(old - new)[..., :3].max(-1) > VISIBLE
    return round(float(changed[outside].mean()), 4) if outside.any() else 0.0


def albedo(mesh: Mesh) -> np.ndarray:
    return render_mesh(framed(mesh), survey_cameras(VIEWS, SIZE), "albedo", None)


def same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is b if a is None or b is None else torch.equal(a, b)


if __name__ == "__main__":
    raise SystemExit(main())
