"""How many views a minute `dreamlab dataset` writes, and where the time goes. Writes JSON.

    python scripts/bench_dataset.py [--out FILE] [--sizes 256 512] [--workers 1 2] [--views 60]

One textured mesh of about 5,000 faces, every buffer that it has, to a temporary folder. views_a_minute is by
the clock; core_seconds is the processor time of a view, all threads together, which other programs disturb
less; free is the part of their time for which as many busy threads got a core just before. The parts of a
view are timed one by one on one thread, least of the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bench_rasterise import bumpy_sphere
from bench_tools import free_share

from dreamlab.core.types import Mesh
from dreamlab.dataset import images
from dreamlab.dataset.config import DatasetConfig
from dreamlab.dataset.scene import Subject, alone
from dreamlab.dataset.sources import Source
from dreamlab.dataset.view import SceneWriter
from dreamlab.dataset.world import to_z_up
from dreamlab.dataset.write import write_dataset
from dreamlab.ops.raster.rasterise import rasterise


def subject(faces: int, texture: int = 1024) -> Subject:
    """A bumpy ball with a texture of smooth stripes, mapped from the front."""
    vertices, triangles = bumpy_sphere(faces)
    axis = torch.arange(texture) / texture
    stripes = ((torch.sin(axis[:, None, None] * torch.tensor([40.0, 60.0, 90.0])) + 1) * 127).byte()
    image = stripes.expand(texture, texture, 3).contiguous()
    mesh = Mesh(vertices, triangles, uv=vertices[:, :2] * 0.5 + 0.5, textures=(("albedo", image),))
    return Subject("ball", mesh, "a bumpy ball")


def whole(it: Subject, config: DatasetConfig, workers: int) -> dict[str, float]:
    """A data set from beginning to end, but for the first view of each worker, which loads libraries."""
    source = Source(it.name, it.caption, "", lambda: it)
    warm = 2 * workers
    with tempfile.TemporaryDirectory() as folder:
        events = write_dataset(config, [source], Path(folder) / "set", workers)
        for _ in range(1 + warm):  # and the beginning
            next(events)
        wall, cpu = time.perf_counter(), time.process_time()
        count = sum(1 for _ in events)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = sum(p.stat().st_size for p in Path(folder).rglob("*.png")) / config.views
    return {
        "views_a_minute": round(60 * count / wall),
        "core_seconds": round(cpu / count, 4),
        "kilobytes": round(size / 1000),
    }


def parts(it: Subject, config: DatasetConfig, repeats: int) -> dict[str, float]:
    """Milliseconds of processor time of the parts of a view."""
    with tempfile.TemporaryDirectory() as folder:
        writer = SceneWriter(config, alone(it), 0, "", Path(folder))
        renderer, camera = writer.renderer, writer.cameras[:1]
        rig = config.lights.rig(camera.c2w[0], config.rng(0))
        view = renderer.render(camera, rig, config.samples)
        clip = renderer._clip(camera)[None]
        fine = (config.size[0] * config.samples, config.size[1] * config.samples)
        rgba = np.concatenate([view.rgb, view.alpha[..., None]], -1)

        def encode() -> None:
            images.png(rgba)
            images.png(images.depth_steps(view.depth, config.depth_unit))
            images.png(images.normal_bytes(to_z_up(view.normal), view.instance > 0))
            images.png(images.normal_bytes(view.normal, view.instance > 0))
            images.png((view.instance > 0).astype(np.uint8) * 255)

        jobs: dict[str, Callable[[], object]] = {
            "rasterise, samples": lambda: rasterise(clip, renderer.faces, fine),
            "rasterise, centres": lambda: rasterise(clip, renderer.faces, config.size),
            "render, with both": lambda: renderer.render(camera, rig, config.samples),
            "encode five PNG": encode,
            "all, with files": lambda: writer.write(0),
        }
        return {name: least_ms(job, repeats) for name, job in jobs.items()}


def least_ms(job: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return round(min(times) * 1e3, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--samples", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--faces", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()

    it = subject(options.faces)
    rows = []
    for size in options.sizes:
        for samples in options.samples:
            config = DatasetConfig(size=(size, size), samples=samples, views=options.views)
            for workers in options.workers:
                row = {"size": size, "samples": samples, "workers": workers, "free": free_share(workers)}
                rows.append({**row, **whole(it, config, workers)})
            torch.set_num_threads(1)
            rows.append({"size": size, "samples": samples, "ms": parts(it, config, options.repeats)})
    report = {
        "faces": len(it.mesh.faces),
        "views": options.views,
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
