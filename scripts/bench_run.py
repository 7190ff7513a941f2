"""Times whole runs, phase by phase, and writes the medians as JSON.

usage: python scripts/bench_run.py [--preset fast] [--prompt "a red mushroom"] [--runs 3] [--out bench.json]

Every run is a process of its own, as a user would start it. Phases are wall seconds: start-up (from the
process's start to the first phase), load, embed, and every stage by its name (optimisations with their
render, prior and backward parts). Memory is the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--prompt", default="a red mushroom")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = [timed_run(args.prompt, args.preset, args.set) for _ in range(args.runs)]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    report = {
        "preset": args.preset,
        "prompt": args.prompt,
        "settings": args.set,
        "runs": args.runs,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": processor(),
        "help_cpu_seconds": help_seconds(),
        "median": {
            key: round(statistics.median([row[key] for row in rows if key in row]), 3) for key in keys
        },
        "all": rows,
    }
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)


def timed_run(prompt: str, preset: str, settings: list[str]) -> dict[str, float]:
    """One run in a folder that is thrown away: seconds by phase, total seconds and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        options = [part for setting in settings for part in ("--set", setting)]
        line = [
            sys.executable,
            "-m",
            "dreamlab",
            "run",
            prompt,
            "--preset",
            preset,
            "--out",
            folder,
            "--json",
            *options,
        ]
        began = time.perf_counter()
        alone = os.environ | {"DREAMLAB_CONFIG": ""}  # whatever the user's defaults are
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=alone)
        assert process.stdout is not None
        startup, last = 0.0, {}
        for text in process.stdout:
            startup = startup or time.perf_counter() - began
            last = json.loads(text)
        _, status, usage = os.wait4(process.pid, 0)
        total = time.perf_counter() - began
    if status or last.get("event") != "finished":
        raise SystemExit(f"the run did not finish: {last}")
    per_mib = 2**20 if sys.platform == "darwin" else 2**10
    own: dict[str, Any] = {
        "start-up": startup,
        **last["seconds"],
        "total": total,
        "peak_mib": usage.ru_maxrss / per_mib,
    }
    return {key: round(value, 3) for key, value in own.items()}


def help_seconds(repeats: int = 5) -> float:
    """Median CPU seconds of `dreamlab --help`."""
    found = []
    for _ in range(repeats):
        before = os.times()
        subprocess.run([sys.executable, "-m", "dreamlab", "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        found.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return round(statistics.median(found), 3)


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


if __name__ == "__main__":
    main()
