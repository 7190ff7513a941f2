"""How fast the rasteriser is: a bumpy sphere at 512^2, forward and backward, by faces, views and threads.
Writes JSON.

    python scripts/bench_rasterise.py [--out FILE] [--size 512] [--repeats 15] [--threads 1 2]

Times are milliseconds per call: least and median of the repeats, and the least processor time of all threads
together, which other programs on the machine disturb less. The settings take turns, so that a busy hour hits
all alike.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dreamlab import ops
from dreamlab.core.cameras import turntable, world_to_clip
from dreamlab.ops.raster.rasterise import interpolate, rasterise, sample_texture


def bumpy_sphere(n_faces: int) -> tuple[Tensor, Tensor]:
    """A closed surface of about n_faces triangles: vertices [V,3], faces [F,3]."""
    n = max(3, round(math.sqrt(n_faces / 2)))
    i, j = torch.meshgrid(torch.arange(n + 1), torch.arange(n), indexing="ij")
    theta, phi = i / n * math.pi, j / n * 2 * math.pi
    radius = 0.85 + 0.15 * torch.sin(5 * phi) * torch.sin(4 * theta)
    direction = torch.stack([theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()], -1)
    a, b = i[:-1] * n + j[:-1], i[:-1] * n + (j[:-1] + 1) % n
    faces = torch.stack([torch.stack([a, a + n, b], -1), torch.stack([b, a + n, b + n], -1)])
    return (radius[..., None] * direction).reshape(-1, 3).float(), faces.reshape(-1, 3)


def steps(n_faces: int, views: int, size: int) -> dict[str, Callable[[], object]]:
    """The things that are timed, as closures over one scene."""
    vertices, faces = bumpy_sphere(n_faces)
    matrix = world_to_clip(turntable(views, 0.3, 2.8, 0.8, (size, size)))
    clip = (torch.nn.functional.pad(vertices, (0, 1), value=1.0) @ matrix.transpose(1, 2)).contiguous()
    fragments = rasterise(clip, faces, (size, size))
    uv, texture = vertices[:, :2] * 0.5 + 0.5, torch.rand(1024, 1024, 3)
    at = interpolate(uv, faces, fragments)

    def forward_and_backward() -> None:
        leaves = [t.clone().requires_grad_() for t in (clip, texture)]
        seen = rasterise(leaves[0], faces, (size, size))
        sample_texture(leaves[1], interpolate(uv, faces, seen)).sum().backward()

    return {
        "rasterise": lambda: rasterise(clip, faces, (size, size)),
        "interpolate": lambda: interpolate(uv, faces, fragments),
        "sample_texture": lambda: sample_texture(texture, at),
        "all three, forward and backward": forward_and_backward,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()

    scenes = {
        (f, v): steps(f, v, options.size) for f, v in [(5_000, 1), (50_000, 1), (50_000, 4), (500_000, 1)]
    }
    times: dict[tuple[int, int, int, str], list[tuple[float, float]]] = {}
    for _ in range(options.repeats):
        for (faces, views), closures in scenes.items():
            for threads in options.threads:
                torch.set_num_threads(threads)
                for name, step in closures.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    step()
                    spent = (time.perf_counter() - wall, time.process_time() - cpu)
                    times.setdefault((faces, views, threads, name), []).append(spent)
    rows = []
    for (faces, views, threads, name), spent in times.items():
        wall, cpu = ([1e3 * s for s in column] for column in zip(*spent, strict=True))
        figures = {"least_ms": min(wall), "median_ms": statistics.median(wall), "least_cpu_ms": min(cpu)}
        figures = {key: round(value, 3) for key, value in figures.items()}
        rows.append({"faces": faces, "views": views, "threads": threads, "step": name, **figures})
    report = {
        "backend": ops.backend(),
        "size": options.size,
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "rows": rows,
    }
    text = json.dumps(report, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
