"""How many training views one core renders in a second of its time, by faces, size and supersampling.
Writes JSON.

    python scripts/bench_render_views.py [--out FILE] [--views 256] [--repeats 5] [--assets FOLDER]

With a folder of models, also how long reading it takes and the mean rate over its objects, eight views each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from dreamlab.studio.assets import read_folder
from dreamlab.studio.render import render_views


def bumpy_sphere(n_faces: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and face colours of a closed surface of about n_faces triangles."""
    n = max(3, round(math.sqrt(n_faces / 2)))
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n), indexing="ij")
    theta, phi = i / n * math.pi, j / n * 2 * math.pi
    radius = 0.85 + 0.15 * np.sin(5 * phi) * np.sin(4 * theta)
    direction = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    a, b = i[:-1] * n + j[:-1], i[:-1] * n + (j[:-1] + 1) % n
    faces = np.stack([np.stack([a, a + n, b], -1), np.stack([b, a + n, b + n], -1)]).reshape(-1, 3)
    colors = np.random.default_rng(0).uniform(size=(len(faces), 3))
    return (radius[..., None] * direction).reshape(-1, 3), faces, colors


def rate(n_faces: int, size: int, supersample: int, views: int, repeats: int) -> float:
    """Best views per second of processor time over the repeats: what a core gives, whoever else is on it."""
    vertices, faces, colors = bumpy_sphere(n_faces)
    rng = np.random.default_rng(1)
    azimuth, elevation = rng.uniform(0, 2 * math.pi, views), rng.uniform(-0.3, 1.5, views)
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        render_views(
            vertices, faces, colors, azimuth, elevation, 2.8, 0.8, size=size, supersample=supersample
        )
        best = min(best, time.process_time() - start)
    return views / best


def folder_figures(folder: Path) -> dict[str, float]:
    start = time.process_time()
    assets, report = read_folder(folder)
    read = time.process_time() - start
    azimuth = np.linspace(0, 2 * math.pi, 8, endpoint=False)
    start = time.process_time()
    for asset in assets:
        render_views(asset.vertices, asset.faces, asset.face_colors, azimuth, 0.4, 2.8, 0.8)
    views = 8 * len(assets) / (time.process_time() - start)
    faces = float(np.mean([len(a.faces) for a in assets]))
    return {
        "objects": report.loaded,
        "read_seconds": round(read, 2),
        "mean_faces": faces,
        "views_per_second": views,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--views", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--assets", type=Path)
    options = parser.parse_args()

    settings = [(600, 64, 3), (600, 64, 1), (600, 128, 3), (100, 64, 3), (2_000, 64, 3), (6_000, 64, 3)]
    rows = [
        dict(
            faces=f,
            size=n,
            supersample=s,
            views_per_second=round(rate(f, n, s, options.views, options.repeats)),
        )
        for f, n, s in settings
    ]
    report = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "rows": rows,
    }
    if options.assets:
        report["folder"] = folder_figures(options.assets)
    text = json.dumps(report, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
