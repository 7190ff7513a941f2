"""What pretrained models cost on this machine, without a hub: real shapes with random weights, which are as
slow and as large as real ones. One JSON, and a table.

    python scripts/bench_real_models.py                          # all of MODELS below
    python scripts/bench_real_models.py --models mvdream --views 4 --threads 1 2 --precision bfloat16 float32
    python scripts/bench_real_models.py --models sdxl --latent 32
    python scripts/bench_real_models.py --models mvdream --preset multiview  # all of it, from prompt to files

A row is a process of its own. Times are medians: of a denoising of all views under prompt and reference (two
images a view), of a step of score distillation (both, and through the VAE and back), of decoding a view.
`processor` is the time of all threads together, which a busy machine changes less: divided by the threads it
is about what a free machine takes. Memory is the process's peak. What does not fit is counted on torch's meta
device and not run, but forecast from its operations. Where one and two threads were timed, eight cores are
forecast from both processor times (Amdahl's law), which the memory's bandwidth may spoil.

A preset is timed with the true pictures of a toy in the place of what random weights would paint: every pass
is made, and only its answer exchanged, so that fitting and meshing have something to work on.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests")]

MODELS = ("sd15", "sd21-base", "mvdream", "imagedream", "sdxl", "sd3-medium")
_BYTES = {"float32": 4, "bfloat16": 2}
_BESIDE = 2.0  # GiB beside the network's weights: the VAE, activations, Python and torch
_ROUNDS = 3
_PROMPT = "a corgi riding a skateboard"


def main() -> None:
    options = _parser().parse_args()
    if options.inside:
        found = _preset_run(options) if options.preset else _row(options)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    report: dict[str, Any] = {"processor": _processor(), "free_share_of_cores": _free(max(options.threads))}
    if options.preset:
        report["preset"] = _inside(options, options.models[0], options.precision[0], max(options.threads))
    else:
        report["rows"] = [
            _inside(options, model, precision, threads)
            for model in options.models
            for precision in options.precision
            for threads in options.threads
        ]
        report["eight cores, forecast"] = _forecasts(report["rows"])
        report["not run, forecast"] = _by_arithmetic(report["rows"])
    report["free_share_of_cores"] = min(report["free_share_of_cores"], _free(max(options.threads)))
    text = json.dumps(report, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    sys.stdout.write(text + (_table(report["rows"]) if "rows" in report else ""))
    if report["free_share_of_cores"] < 0.95:
        sys.stderr.write("the machine was not free: trust ratios and processor time, not seconds\n")


# ---- one row, in a process of its own ----


def _inside(options: argparse.Namespace, model: str, precision: str, threads: int) -> dict[str, Any]:
    """The row of a process that is told to make it; what it would need, where that is not there."""
    from gpu_check_random import SHAPES, parameters_of, teraflop_of

    named = {"model": model, "precision": precision, "threads": threads}
    count = parameters_of(model)
    need, have = count * _BYTES[precision] / 2**30 + _BESIDE, options.memory or _available()
    side = {} if options.latent is None else {"resolution": 8 * options.latent}
    facts = named | {"parameters": count, "weights_gib": round(count * _BYTES[precision] / 2**30, 2)}
    facts["denoise teraflop"] = round(teraflop_of(model, options.views, **side), 2)
    if need > have:
        return facts | {"not run": f"it wants about {need:.1f} GiB, and {have:.1f} may be used"}
    command = [sys.executable, __file__, "--inside", "--models", model, "--precision", precision]
    command += ["--threads", str(threads), "--rounds", str(options.rounds)]
    for name in ("views", "latent", "preset"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    sys.stderr.write(f"{model} in {precision} by {threads} threads, {SHAPES[model].pipeline}\n")
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return facts | {"not run": f"its process ended with exit code {done.returncode}"}
    return facts | json.loads(done.stdout.splitlines()[-1])


def _row(options: argparse.Namespace) -> dict[str, Any]:
    """What one model costs in one precision by so many threads."""
    import torch
    from gpu_check_random import random_prior
    from gpu_check_real import asked_of
    from gpu_check_record import Setting

    from dreamlab.run.offer import products_a_second

    torch.set_num_threads(options.threads[0])
    began = time.perf_counter()
    prior = random_prior(options.models[0], Setting(torch.device("cpu"), False), **_settings(options))
    made = time.perf_counter() - began
    asked = asked_of(prior, max(options.views or prior.views_per_group, prior.views_per_group))
    found: dict[str, Any] = {"pixels": prior.resolution, "views": asked.views, "made": round(made, 1)}
    asked.denoise()  # warms up
    found |= _timed("denoise", asked.denoise, options.rounds)
    found |= _timed("step", asked.step, options.rounds)
    found |= _timed("decode", lambda: prior.decode(asked.z[:1]), options.rounds)
    rate = products_a_second(prior.dtype, clock=time.process_time) * options.threads[0]
    return found | {"matrix products, gflop/s": round(rate / 1e9, 1), "peak_gib": _peak()}


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    side = {} if options.latent is None else {"resolution": 8 * options.latent}
    return {"dtype": options.precision[0]} | side


def _timed(name: str, job: Callable[[], object], rounds: int) -> dict[str, float]:
    """Median seconds of a job, by the wall's clock and by the processor's."""
    walls, busy = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - cpu)
    return {
        f"{name} seconds": round(statistics.median(walls), 3),
        f"{name} processor": round(statistics.median(busy), 3),
    }


# ---- a whole preset ----


def _preset_run(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every phase of a preset, with the toy's pictures for what the network paints."""
    import torch
    from gpu_check_random import random_prior
    from gpu_check_record import Setting
    from real_models_toy import showing_a_toy

    from dreamlab.priors.diffusers.source import PretrainedConfig
    from dreamlab.run.machine import environment
    from dreamlab.run.pipeline import generate
    from dreamlab.run.resolve import resolve
    from dreamlab.run.run_dir import RunDir

    threads = options.threads[0]
    torch.set_num_threads(threads)
    began = time.perf_counter()
    config = resolve(_PROMPT, preset=options.preset, settings={"device": "cpu", "threads": threads})
    settings = _settings(options)
    if isinstance(config.prior, PretrainedConfig) and config.prior.resolution is not None:
        settings.setdefault("resolution", config.prior.resolution)
    prior = random_prior(options.models[0], Setting(torch.device("cpu"), False), **settings)
    asked = showing_a_toy(prior)
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir.create(Path(folder), config, environment())
        list(generate(config, run, prior))
        seconds = json.loads((run.path / "summary.json").read_text())["seconds"]
    total = time.perf_counter() - began
    return {
        "preset": options.preset,
        "pixels": prior.resolution,
        "images denoised": asked.images,
        "prior seconds": round(asked.seconds, 1),
        "toy seconds": round(asked.toy, 1),
        "share of the prior": round(asked.seconds / total, 3),
        "seconds": seconds,
        "total": round(total, 1),
        "processor total": round(time.process_time(), 1),
        "peak_gib": _peak(),
    }


# ---- the machine ----


def _peak() -> float:
    """GiB."""
    return round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20), 2
    )


def _available() -> float:
    """GiB of memory that nobody uses, less a tenth."""
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    found = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 16 << 20)
    return 0.9 * found / 2**20


def _processor() -> str:
    from bench_run import processor

    from dreamlab.priors.precision import has_bfloat16_units

    return processor() + (", with units for bfloat16" if has_bfloat16_units("cpu") else "")


def _free(threads: int) -> float:
    from bench_tools import free_share

    return free_share(threads)


def _forecasts(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of a denoising by eight cores, where one thread and two were timed: by processor time, for a
    busy machine takes away the wall's."""
    found = {}
    taken = {
        (row["model"], row["precision"], row["threads"]): row["denoise processor"] / row["threads"]
        for row in rows
        if "not run" not in row
    }
    for (model, precision, threads), one in taken.items():
        two = taken.get((model, precision, 2))
        if threads == 1 and two is not None:
            alone = min(max(2 * two / one - 1, 0.0), 1.0)  # the share that more threads do not shorten
            found[f"{model} {precision}"] = round(one * (alone + (1 - alone) / 8), 2)
    return found


def _by_arithmetic(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of a denoising on a free machine of what was not run: as many operations a second as the others
    of its precision and threads reach (their median)."""
    reached: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        if "not run" not in row:
            busy = row["denoise processor"] / row["threads"]
            reached.setdefault((row["precision"], row["threads"]), []).append(row["denoise teraflop"] / busy)
    return {
        f"{row['model']} {row['precision']} {row['threads']}": round(
            row["denoise teraflop"] / statistics.median(reached[row["precision"], row["threads"]]), 1
        )
        for row in rows
        if "not run" in row and (row["precision"], row["threads"]) in reached
    }


def _table(rows: list[dict[str, Any]]) -> str:
    keys = ("model", "precision", "threads", "pixels", "views")
    costs = ("denoise seconds", "step seconds", "decode seconds", "peak_gib")
    lines = [[*keys, *costs]]
    for row in rows:
        told = [str(row[key]) for key in costs] if "not run" not in row else [row["not run"], "", "", ""]
        lines.append([*(str(row.get(key, "")) for key in keys), *told])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--views", type=int, help="(default: one, or one group)")
    parser.add_argument("--latent", type=int, help="side in latent pixels (default: as trained)")
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--precision", nargs="+", choices=_BYTES, default=["bfloat16"])
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--memory", type=float, help="GiB that may be used (default: what is free)")
    parser.add_argument("--preset", help="time a whole preset, with the first of --models")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes, too")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
