"""Are models that others wrote read as another reader reads them? Number by number, against trimesh.

usage: python scripts/foreign_files.py FOLDER --count 400 --seed 0 --out foreign.json

Model files are drawn by lot from a folder, evenly over its formats. Compared are what no choice of axes or
units changes: surface, signed volume, the sides of the box to one another, the number of triangles, and the
mean colour over the surface. A difference is *told* where reading said what it left out or why
it refused, else *silent*: that one of the two is wrong, not which. Files that trimesh itself cannot read are
counted apart.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.visual.color import uv_to_color
from trimesh.visual.material import PBRMaterial

from dreamlab.core.errors import DreamlabError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io.load import READABLE, load, load_flat

FAR, FAR_COLOR, SECONDS = 1e-3, 0.1, 20


class Late(Exception):
    """It took longer than SECONDS."""


class Said(logging.Handler):
    """Keeps what reading says of a file."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def figures(corners: np.ndarray, colors: np.ndarray | None) -> dict[str, Any]:
    """What is compared, of triangles [F,3,3] and their colours [F,3] in 0..1."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1) / 2
    sides = np.sort(np.ptp(corners.reshape(-1, 3), axis=0))
    scale = max(float(sides[-1]), 1e-30)
    volume = np.einsum("ij,ij->i", corners[:, 0] - corners.mean((0, 1)), normal).sum() / 6
    mean = None if colors is None else (colors * area[:, None]).sum(0) / max(area.sum(), 1e-30)
    return {
        "area": float(area.sum()) / scale**2,
        "volume": float(volume) / scale**3,
        "sides": (sides / scale).tolist(),
        "triangles": len(corners),
        "color": None if mean is None else mean.tolist(),
    }


def ours(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Figures and what was said; None where reading refused."""
    said = Said()
    logging.getLogger("dreamlab").addHandler(said)
    try:
        mesh = load(path)
    except DreamlabError as error:
        return None, str(error)
    finally:
        logging.getLogger("dreamlab").removeHandler(said)
    try:
        flat = load_flat(path)
    except DreamlabError:  # a texture is missing, which `load` has said
        flat = None
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    found = figures(corners, None)
    if flat is not None and len(flat.faces):
        found["color"] = figures(flat.vertices[flat.faces], flat.face_colors)["color"]
    return found, " ".join(said.lines)


def theirs(path: Path) -> dict[str, Any] | None:
    """The same of trimesh; None where it finds no triangles."""
    scene = trimesh.load_scene(path)
    meshes = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    if not meshes:
        return None
    corners = np.concatenate([np.asarray(mesh.triangles) for mesh in meshes])
    return figures(corners, np.concatenate([_colors(mesh) for mesh in meshes]))


def _colors(mesh: trimesh.Trimesh) -> np.ndarray:
    """Of every face [F,3]; NaN where trimesh has none but its own grey."""
    visual: Any = mesh.visual
    if not visual.defined:
        return np.full((len(mesh.faces), 3), np.nan)
    if visual.kind == "texture":
        material = visual.material
        image = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
        if image is not None and image.size == (2, 2):  # its own, where the file names none
            image = None
        if image is not None and visual.uv is not None:
            middle = np.asarray(visual.uv)[mesh.faces].mean(1)
            return uv_to_color(middle, image)[:, :3] / 255
        plain = np.asarray(material.main_color)[:3] / 255
        if isinstance(material, PBRMaterial):
            plain = linear_to_srgb(plain)  # a glTF factor is linear, and trimesh keeps it so
        elif (np.abs(plain - 0.396) < 0.01).all():  # its own grey, where the file names no colour
            plain = np.full(3, np.nan)
        return np.tile(plain, (len(mesh.faces), 1))
    return np.asarray(visual.face_colors)[:, :3] / 255


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """The names of what is not the same."""
    found = [k for k in ("area", "volume") if abs(a[k] - b[k]) > FAR * max(abs(b[k]), 0.01)]
    found += ["sides"] * (not np.allclose(a["sides"], b["sides"], atol=FAR))
    found += ["triangles"] * (abs(a["triangles"] - b["triangles"]) > FAR * b["triangles"])
    if a["color"] is not None and b["color"] is not None and np.isfinite(b["color"]).all():
        found += ["color"] * bool(np.abs(np.subtract(a["color"], b["color"])).max() > FAR_COLOR)
    return found


def compared(path: Path) -> dict[str, Any]:
    """How one file went."""
    def late(*_: object) -> None:
        raise Late

    row: dict[str, Any] = {"file": path.name, "bytes": path.stat().st_size}
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    began = time.monotonic()
    try:
        mine, row["said"] = ours(path)
    except Late:
        return row | {"verdict": "hang"}
    except Exception as error:
        return row | {"verdict": "traceback", "said": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)
    row["seconds"] = round(time.monotonic() - began, 2)
    try:
        other = theirs(path)
    except Exception as error:
        return row | {"verdict": "trimesh cannot", "trimesh": f"{type(error).__name__}: {error}"[:200]}
    if mine is None or other is None:
        neither = mine is None and other is None
        return row | {"verdict": "neither" if neither else "refused" if mine is None else "trimesh cannot"}
    wrong = differences(mine, other)
    verdict = "same" if not wrong else "told" if row["said"] else "silent"
    return row | {"verdict": verdict, "differs": wrong} | ({"ours": mine, "trimesh": other} if wrong else {})


def lot(folder: Path, count: int, seed: int) -> list[Path]:
    """Files by lot, evenly over the formats that there are."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in READABLE and path.is_file():
            files.setdefault(path.suffix.lower(), []).append(path)
    for paths in files.values():
        random.Random(seed).shuffle(paths)
    chosen: list[Path] = []
    while len(chosen) < count and any(files.values()):
        chosen += [paths.pop() for paths in files.values() if paths]
    return chosen[:count]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to write; a row for each file that differs")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    rows = [compared(path) for path in lot(args.folder, args.count, args.seed)]
    counts = Counter(row["verdict"] for row in rows)
    formats = Counter(Path(row["file"]).suffix.lower() for row in rows)
    summary = {"files": len(rows), "formats": formats, "seed": args.seed, "verdicts": counts}
    if args.out is not None:
        differing = [row for row in rows if row["verdict"] != "same"]
        args.out.write_text(json.dumps(summary | {"rows": differing}, indent=1) + "\n")
    sys.stdout.write(json.dumps(summary) + "\n")
    return 1 if counts["silent"] + counts["hang"] + counts["traceback"] else 0


if __name__ == "__main__":
    sys.exit(main())
