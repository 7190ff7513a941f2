"""How long does it take from a field to files? Prints medians in seconds as JSON, phase by phase.

    python scripts/bench_mesh.py [--resolution 128] [--faces 5000] [--texture 1024] [--frames 60] [--repeat
    3]

The field is an untrained hash grid: as costly to ask as a trained one, and its surface is a ball. Wall and
CPU seconds are both reported, since the machine may be doing other things.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dreamlab import ops
from dreamlab.evaluate.field_fidelity import fidelity
from dreamlab.mesh.geometry.shape import creased
from dreamlab.mesh.io.export import write
from dreamlab.mesh.surface.clean import CleanConfig, denoised, repair_surface, simplify
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture.bake import BakeConfig, bake
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.views.render import choose_renderer
from dreamlab.views.turntable import write_turntable


class Clock:
    """Wall and CPU seconds of every phase, over repeats."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[tuple[float, float]]] = {}

    def time(self, phase: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.seconds.setdefault(phase, []).append((time.perf_counter() - wall, time.process_time() - cpu))
        return result

    def medians(self) -> dict[str, dict[str, float]]:
        return {
            phase: {
                "wall": round(statistics.median(w for w, _ in runs), 3),
                "cpu": round(statistics.median(c for _, c in runs), 3),
            }
            for phase, runs in self.seconds.items()
        }


def run_once(clock: Clock, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Field to files once; what came out."""
    field = HashGridFieldConfig().build(torch.Generator().manual_seed(0))
    found = clock.time("extract", lambda: extract(field, ExtractConfig(resolution=options.resolution)))
    tidy = CleanConfig(faces=options.faces)
    surface = clock.time("mend", lambda: repair_surface(found.mesh, tidy))
    fine = clock.time("denoise", lambda: denoised(surface, tidy.denoise))
    light = clock.time("lighten", lambda: creased(simplify(fine, tidy)))
    flat = clock.time("unwrap", lambda: unwrap(light, resolution=options.texture))
    baking = BakeConfig(resolution=options.texture)
    mesh = clock.time("bake", lambda: bake(flat, field, baking, surface=surface, fine=fine))
    clock.time("write", lambda: [write(mesh, folder / f"mesh.{kind}") for kind in ("glb", "obj")])
    likeness = clock.time("fidelity", lambda: fidelity(mesh, field))
    if options.frames:
        films = [folder / "turntable.mp4", folder / "turntable.webp"]
        clock.time(
            "turntable",
            lambda: write_turntable(mesh, films, frames=options.frames, renderer=options.renderer),
        )
    return {
        "silhouette_iou": round(found.report.silhouette_iou, 4),
        "psnr": round(likeness.psnr, 2),
        "faces": len(mesh.faces),
        "glb_bytes": (folder / "mesh.glb").stat().st_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--faces", type=int, default=5000)
    parser.add_argument("--texture", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--renderer", choices=("auto", "pyrender", "native"), default="auto")
    options = parser.parse_args()
    clock, result = Clock(), {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            result = run_once(clock, options, Path(folder))
    phases = clock.medians()
    to_files = sum(times["wall"] for phase, times in phases.items() if phase != "turntable")
    report = {
        "options": vars(options),
        "threads": torch.get_num_threads(),
        "ops": ops.backend(),
        "renderer": choose_renderer(options.renderer).name,
        "phases": phases,
        "field_to_files_wall": round(to_files, 3),
        "result": result,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
