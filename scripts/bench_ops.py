"""How fast the hot loops are, against the reference, torch.compile and the machine's own limits. Writes JSON.

The work unit W: one view of rays through a ball-shaped occupancy grid (about 130,000 samples at 64 x 64), a
hash grid, an MLP to 64 to 64 to 4, softplus and sigmoid, compositing, the backward pass and Adam. All
contestants, and the limits (sgemm, copying memory), take turns within each round, so that a busy machine
slows them alike; ratios are of medians. Then the whole step of a run, by phases (bench_step.py). A machine
that is not free is reported on standard error and in the JSON.

    python scripts/bench_ops.py --quick                    a minute: W on one thread and on all
    python scripts/bench_ops.py --compile --large --out bench.json
    taskset -c 0 python scripts/bench_ops.py --threads 1 --clock cpu --no-step    on a busy machine
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from bench_rasterise import steps as raster_steps
from bench_step import whole_step
from bench_tools import free_share, interleaved, limits, on
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.cameras import camera_rays, orbit_cameras
from dreamlab.core.types import Rays
from dreamlab.ops.field import native, reference
from dreamlab.ops.threads import available_cores

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


def contestants(size: int, levels: int, log2: int, options: argparse.Namespace) -> dict[str, Work]:
    found = {"native": Work(scene(size, levels, log2), "native")}
    if size <= 64:
        found["eager"] = Work(scene(size, levels, log2), "reference")
    if options.compile and size <= 64:
        # The field only: marching and compositing have shapes that depend on data. fullgraph: a graph break
        # is an error, or eager code would run under compiled's name; the spec's lazy figures would break it,
        # hence first.
        what = scene(size, levels, log2)
        _ = what.spec.offsets, what.spec.dense
        compiled = torch.compile(reference.encode_mlp, dynamic=False, fullgraph=True)
        found["compile"] = Work(what, "reference", compiled)
    return found


def compare(
    size: int, levels: int, log2: int, options: argparse.Namespace, clock: Callable[[], float]
) -> dict:
    """One configuration of W: medians, ratios and the share of the floor that native reaches."""
    many = options.threads
    found, limit = contestants(size, levels, log2, options), limits()
    jobs = {
        f"{name} {part}": on(many, getattr(work, part))
        for name, work in found.items()
        for part in ("forward", "backward", "adam")
    }
    if many > 1:
        one = Work(scene(size, levels, log2), "native")
        jobs |= {f"native-1 {part}": on(1, getattr(one, part)) for part in ("forward", "backward", "adam")}
        jobs["sgemm-1"] = on(1, limit["sgemm"][0])
    jobs |= {name: on(many, job) for name, (job, _) in limit.items()}
    rounds = options.rounds if size <= 64 else max(3, options.rounds // 3)
    medians = interleaved(jobs, rounds, clock)
    totals: dict[str, float] = {}
    for job, spent in medians.items():
        if " " in job:
            totals[job.split()[0]] = totals.get(job.split()[0], 0.0) + spent
    work = found["native"]
    gflops = limit["sgemm"][1] / medians["sgemm"] / 1e6
    gbytes = limit["copy"][1] / medians["copy"] / 1e6
    arithmetic = flops(work.scene.spec, work.samples) / gflops / 1e6
    memory = traffic(work.scene.spec, work.samples) / gbytes / 1e6
    report = {
        "size": size,
        "levels": levels,
        "log2_table_size": log2,
        "samples": work.samples,
        "milliseconds": {k: round(v, 3) for k, v in medians.items()},
        "total_milliseconds": {k: round(v, 2) for k, v in totals.items()},
        "native_microseconds_per_1000_samples": round(totals["native"] * 1e6 / work.samples, 1),
        "faster_than": {
            k: round(totals[k] / totals["native"], 2) for k in ("eager", "compile") if k in totals
        },
        "floor": {
            "sgemm_gflops": round(gflops, 1),
            "copy_gbytes": round(gbytes, 1),
            "arithmetic_milliseconds": round(arithmetic, 2),
            "table_traffic_milliseconds": round(memory, 2),
            "share_of_arithmetic_floor": round(arithmetic / totals["native"], 3),
            "share_of_arithmetic_and_traffic_floor": round((arithmetic + memory) / totals["native"], 3),
        },
    }
    if many > 1:
        ours, sgemm = totals["native-1"] / totals["native"], medians["sgemm-1"] / medians["sgemm"]
        report["threads_against_one"] = {"threads": many, "native": round(ours, 2), "sgemm": round(sgemm, 2)}
    return report


def growth(works: list[dict]) -> list[dict]:
    """How much dearer a sample is in larger images than in the first: 1 is what is hoped for."""
    first = works[0]["native_microseconds_per_1000_samples"]
    return [
        {
            "size": work["size"],
            "samples": work["samples"],
            "dearer_per_sample": round(work["native_microseconds_per_1000_samples"] / first, 3),
        }
        for work in works
    ]


def rasteriser(options: argparse.Namespace, clock: Callable[[], float]) -> dict:
    """512 x 512, about 50,000 faces, one view and four, forward, in milliseconds."""
    jobs = {f"{views} views": raster_steps(50_000, views, 512)["rasterise"] for views in (1, 4)}
    return {"faces": 50_000, "size": 512, "milliseconds": interleaved(jobs, options.rounds, clock)}


def peak_memory(size: int, options: argparse.Namespace) -> dict:
    """What one W adds to the process's largest resident set; to be asked while nothing else has run."""
    torch.set_num_threads(options.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = Work(scene(size, 8, 15), "native")
    for part in (work.forward, work.backward, work.adam):
        part()
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"size": size, "samples": work.samples, "native_peak_megabytes": round(peak, 1)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="sides for L=8, 2^15")
    parser.add_argument("--large", action="store_true", help="also L=16 at 2^15 and 2^19")
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes to compile)")
    parser.add_argument(
        "--quick", action="store_true", help="64 x 64 only, few rounds, no rasteriser, no step"
    )
    parser.add_argument("--no-step", action="store_true", help="leave out the whole step of a run")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: for one thread on a busy machine"
    )
    parser.add_argument("--out", help="file for the JSON; standard output if not given")
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu counts all threads together: it goes with --threads 1")
    if options.quick:
        options.sizes, options.rounds, options.no_step = [64], 5, True
    return options


def main() -> None:
    options = arguments()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    free = {"before": free_share(options.threads)}
    memory = peak_memory(max(options.sizes), options)
    works = [compare(size, 8, 15, options, clock) for size in options.sizes]
    free["after_work"] = free_share(options.threads)
    large = [compare(64, 16, log2, options, clock) for log2 in (15, 19)] if options.large else []
    torch.set_num_threads(options.threads)
    report = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": available_cores(),
            "kernels": native.instruction_set(),
            "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        },
        "torch": torch.__version__,
        "threads": options.threads,
        "clock": options.clock,
        "rounds": options.rounds,
        "work": works + large,
        "growth": growth(works),
        "memory": memory,
    }
    if not options.quick:
        report["rasterise"] = rasteriser(options, clock)
    if not options.no_step:
        report["steps"] = [whole_step(options.threads, views) for views in (1, 4)]
    free["end"] = free_share(options.threads)
    report["free_share_of_cores"] = free
    report["trustworthy"] = min(free.values()) > 0.95
    if not report["trustworthy"]:
        report["warning"] = (
            f"the machine was not free: {options.threads} busy threads got {min(free.values()):.0%} of their "
            "time. Times are too long, the gain of threads means nothing, and ratios are rough"
        )
        sys.stderr.write(f"bench_ops: {report['warning']}\n")
    text = json.dumps(report, indent=2) + "\n"
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
