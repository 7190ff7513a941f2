"""How fast the hot loops are, against the reference, torch.compile and the machine's own limits. Prints JSON.

The work unit W: one view of rays through a ball-shaped occupancy grid (about 130,000 samples at 64 x 64), a
hash grid, an MLP to 64 to 64 to 4, softplus and sigmoid, compositing, the backward pass and Adam. All
contestants, and the limits (sgemm, copying memory), take turns within each round, so that a busy machine
slows them alike; ratios are of medians.

    taskset -c 0 python scripts/bench_ops.py --threads 1 --clock cpu
    python scripts/bench_ops.py --threads 2 --sizes 64 128 256 --compile --rasterise
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.cameras import camera_rays, orbit_cameras
from dreamlab.ops import native, reference
from dreamlab.types import Rays

HIDDEN, OUT = 64, 4
STEP = 2 * 3**0.5 / 190


@dataclass
class Scene:
    rays: Rays
    occupancy: torch.Tensor
    jitter: torch.Tensor
    spec: ops.HashGridSpec
    table: torch.Tensor
    weights: list[torch.Tensor]
    adam: torch.optim.Optimizer


def scene(size: int, levels: int, log2_table_size: int) -> Scene:
    generator = torch.Generator().manual_seed(0)
    one = torch.ones(1)
    rays = camera_rays(orbit_cameras(0.7 * one, 0.3 * one, 3.0 * one, 0.7 * one, (size, size)))
    middle = (torch.arange(64) + 0.5) / 32 - 1
    occupancy = torch.stack(torch.meshgrid(middle, middle, middle, indexing="ij"), dim=-1).norm(dim=-1) < 0.85
    finest = 256 if levels <= 8 else 2048
    spec = ops.HashGridSpec(levels, 2, log2_table_size, 16, finest)
    table = (torch.randn(spec.table_rows, 2, generator=generator) * 0.1).requires_grad_()
    widths = (spec.width, HIDDEN, HIDDEN, OUT)
    weights = [
        (torch.randn(o, i, generator=generator) * (2 / i) ** 0.5).requires_grad_()
        for i, o in zip(widths[:-1], widths[1:], strict=True)  # noqa: RUF007  itertools.pairwise reads no better
    ]
    jitter = torch.rand(size * size, generator=generator)
    return Scene(
        rays, occupancy, jitter, spec, table, weights, torch.optim.Adam([table, *weights], fused=True)
    )


class Work:
    """W in one back end, in three timed parts."""

    def __init__(
        self, what: Scene, backend: ops.BackendName, field: Callable[..., torch.Tensor] = ops.encode_mlp
    ) -> None:
        self.scene, self.field = what, field
        self.backend: ops.BackendName = backend
        self.samples = 0
        self.loss = torch.zeros(())

    def forward(self) -> None:
        s = self.scene
        with ops.use_backend(self.backend):
            samples = ops.march(s.rays, s.occupancy, STEP, s.jitter)
            raw = self.field((ops.sample_points(s.rays, samples) + 1) / 2, s.table, s.spec, s.weights)
            # Contiguous first: torch's activations are several times slower on strided slices.
            sigma, rgb = F.softplus(raw[:, 0].contiguous()), torch.sigmoid(raw[:, 1:].contiguous())
            seen = ops.composite(sigma, rgb, samples, s.jitter.shape[0])
        self.samples = samples.t0.shape[0]
        self.loss = seen.rgb.square().sum() + seen.opacity.sum()

    def backward(self) -> None:
        self.loss.backward()

    def adam(self) -> None:
        self.scene.adam.step()
        self.scene.adam.zero_grad(set_to_none=True)


def flops(spec: ops.HashGridSpec, samples: int) -> float:
    """Multiply-adds of the MLP, counted twice each, forward and both products of the backward pass."""
    return 3 * 2.0 * samples * (spec.width * HIDDEN + HIDDEN * HIDDEN + HIDDEN * OUT)


def traffic(spec: ops.HashGridSpec, samples: int) -> float:
    """Bytes of the table that the encoding must touch: 8 corners a level read forward, read and written
    backward.
    """
    return 3.0 * samples * spec.levels * 8 * spec.features * 4


def limits() -> dict[str, tuple[Callable[[], object], float]]:
    """Name -> (what to time, floating point operations or bytes moved)."""
    a, b, c = torch.randn(1024, 1024), torch.randn(1024, 1024), torch.empty(1024, 1024)
    source, target = torch.randn(16 << 20), torch.empty(16 << 20)
    return {
        "sgemm": (lambda: torch.mm(a, b, out=c), 2.0 * 1024**3),
        "copy": (lambda: target.copy_(source), 2.0 * source.numel() * 4),
    }


def interleaved(
    jobs: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Median milliseconds of each job; each round runs every job once, after one round that does not
    count.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            if turn:
                times[name].append((clock() - start) * 1e3)
    return {name: statistics.median(t) for name, t in times.items()}


def compare(
    size: int, levels: int, log2: int, options: argparse.Namespace, clock: Callable[[], float]
) -> dict:
    """One configuration of W: medians, ratios and the share of the floor that native reaches."""
    contestants = {"native": Work(scene(size, levels, log2), "native")}
    if size <= 64:
        contestants["eager"] = Work(scene(size, levels, log2), "reference")
    if options.compile and size <= 64:
        # The field only: marching and compositing have shapes that depend on data. fullgraph: a graph break
        # is an error, or eager code would run under compiled's name; the spec's lazy figures would break it,
        # hence first.
        what = scene(size, levels, log2)
        _ = what.spec.offsets, what.spec.dense
        compiled = torch.compile(reference.encode_mlp, dynamic=False, fullgraph=True)
        contestants["compile"] = Work(what, "reference", compiled)
    jobs: dict[str, Callable[[], object]] = {}
    for name, work in contestants.items():
        for part in ("forward", "backward", "adam"):
            jobs[f"{name} {part}"] = getattr(work, part)
    limit = limits()
    jobs |= {name: job for name, (job, _) in limit.items()}
    medians = interleaved(jobs, options.rounds, clock)
    totals = {name: sum(v for k, v in medians.items() if k.split()[0] == name) for name in contestants}
    work = contestants["native"]
    gflops = limit["sgemm"][1] / medians["sgemm"] / 1e6
    gbytes = limit["copy"][1] / medians["copy"] / 1e6
    arithmetic = flops(work.scene.spec, work.samples) / gflops / 1e6
    memory = traffic(work.scene.spec, work.samples) / gbytes / 1e6
    return {
        "size": size,
        "levels": levels,
        "log2_table_size": log2,
        "samples": work.samples,
        "milliseconds": {k: round(v, 3) for k, v in medians.items()},
        "total_milliseconds": {k: round(v, 2) for k, v in totals.items()},
        "native_microseconds_per_1000_samples": round(totals["native"] * 1e6 / work.samples, 1),
        "faster_than": {k: round(v / totals["native"], 2) for k, v in totals.items() if k != "native"},
        "floor": {
            "sgemm_gflops": round(gflops, 1),
            "copy_gbytes": round(gbytes, 1),
            "arithmetic_milliseconds": round(arithmetic, 2),
            "table_traffic_milliseconds": round(memory, 2),
            "share_of_arithmetic_floor": round(arithmetic / totals["native"], 3),
            "share_of_arithmetic_and_traffic_floor": round((arithmetic + memory) / totals["native"], 3),
        },
    }


def rasteriser(options: argparse.Namespace, clock: Callable[[], float]) -> dict:
    """512 x 512, about 50,000 faces, one view and four, forward, in milliseconds."""
    n = 158
    u, v = torch.meshgrid(
        torch.linspace(0, 6.2832, n + 1), torch.linspace(0.01, 3.1316, n + 1), indexing="ij"
    )
    sphere = torch.stack([v.sin() * u.cos(), v.cos(), v.sin() * u.sin()], dim=-1).reshape(-1, 3) * 0.9
    corner = (torch.arange(n)[:, None] * (n + 1) + torch.arange(n)).flatten()
    a, b, c, d = corner, corner + 1, corner + n + 2, corner + n + 1
    faces = torch.cat([torch.stack([a, b, c], dim=1), torch.stack([a, c, d], dim=1)])
    clip = torch.cat([sphere, torch.ones(len(sphere), 1)], dim=1)
    jobs: dict[str, Callable[[], object]] = {
        f"{views} views": (
            lambda k=views: ops.rasterise(clip.expand(k, -1, -1).contiguous(), faces, (512, 512))
        )
        for views in (1, 4)
    }
    return {"faces": len(faces), "milliseconds": interleaved(jobs, options.rounds, clock)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64], help="image sides for L=8, 2^15")
    parser.add_argument("--large", action="store_true", help="also L=16 at 2^15 and 2^19")
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes to compile)")
    parser.add_argument("--rasterise", action="store_true", help="also the rasteriser")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: for one thread on a busy machine"
    )
    parser.add_argument("--out", help="file for the JSON; standard output if not given")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    works = []
    if options.sizes:  # memory first, while nothing else has run
        work = Work(scene(max(options.sizes), 8, 15), "native")
        for part in (work.forward, work.backward, work.adam):
            part()
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        memory = {
            "size": max(options.sizes),
            "samples": work.samples,
            "native_peak_megabytes": round(peak, 1),
        }
    else:
        memory = {}
    works += [compare(size, 8, 15, options, clock) for size in options.sizes]
    if options.large:
        works += [compare(64, 16, 15, options, clock), compare(64, 16, 19, options, clock)]
    report = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "kernels": native.instruction_set(),
        },
        "torch": torch.__version__,
        "threads": options.threads,
        "clock": options.clock,
        "rounds": options.rounds,
        "work": works,
        "memory": memory,
    }
    if options.rasterise:
        report["rasterise"] = rasteriser(options, clock)
    text = json.dumps(report, indent=2) + "\n"
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
