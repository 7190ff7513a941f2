"""Times the whole step of a run, with one view at 64 x 64 and with four: march, render, losses, the embedded
prior with guidance, backward pass and Adam; and whether the machine is free enough to time anything. Writes
JSON.

    python scripts/bench_step.py [--threads 2] [--views 1 4] [--steps 40] [--profile]

The first steps are left out: the occupancy grid is still full then.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time

import torch
from bench_tools import free_share

from dreamlab.ops.threads import available_cores
from dreamlab.run.context import RunContext
from dreamlab.run.resolve import resolve
from dreamlab.stages.optimise import optimise

_PROMPT = "a red mushroom"
_LEFT_OUT = 8


def _settings(views: int) -> dict:
    """Not a preset: presets change, and the step that is timed should not."""
    return {
        "prior": {"kind": "embedded", "views_per_group": views},
        "guidance": {"kind": "sds"},
        "cfg": {"text": 3.0},
        "stages": [{"steps": 400, "views": views, "size": 64, "cameras": {"kind": "orbit", "views": views}}],
    }


def whole_step(threads: int, views: int, steps: int = 40, profiler: cProfile.Profile | None = None) -> dict:
    """Medians in milliseconds of a step and its phases, and of the processor time of all threads together."""
    torch.set_num_threads(threads)
    config = resolve(_PROMPT, settings=_settings(views))
    setup, stage = RunContext(config, torch.device("cpu")), config.distillations[0]
    events = optimise(
        stage,
        setup.field(),
        config.renderer.build(),
        setup.prior,
        setup.guidance(stage),
        setup.prompts,
        config.seed,
    )
    rows: list[dict[str, float]] = []
    for count in range(steps):
        if profiler and count == _LEFT_OUT:
            profiler.enable()
        wall, cpu = time.perf_counter(), time.process_time()
        event = next(events)
        rows.append(
            {"step": time.perf_counter() - wall, "processor": time.process_time() - cpu, **event.seconds}
        )
    if profiler:
        profiler.disable()
    kept = rows[_LEFT_OUT:]
    medians = {key: round(statistics.median(row[key] for row in kept) * 1e3, 1) for key in kept[0]}
    return {"views": views, "size": 64, "threads": threads, "steps": len(kept), "milliseconds": medians}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--views", type=int, nargs="+", default=[1, 4], help="images in a step")
    parser.add_argument("--steps", type=int, default=40, help=f"of which the first {_LEFT_OUT} do not count")
    parser.add_argument("--profile", action="store_true", help="where Python's time goes, on standard error")
    options = parser.parse_args()
    profiler = cProfile.Profile() if options.profile else None
    free = [free_share(options.threads)]
    steps = max(options.steps, _LEFT_OUT + 1)
    report: dict = {"steps": [whole_step(options.threads, views, steps, profiler) for views in options.views]}
    free.append(free_share(options.threads))
    if min(free) <= 0.95:
        report["warning"] = (
            f"the machine was not free: {options.threads} busy threads got {min(free):.0%} of their time"
        )
        sys.stderr.write(f"bench_step: {report['warning']}\n")
    if profiler:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    sys.stdout.write(json.dumps(report | {"free_share_of_cores": min(free)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
