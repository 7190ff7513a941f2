"""How much several jobs at once gain over one after another, in one sitting, as JSON.

usage: python scripts/bench_batch.py [--jobs 2] [--prompts 4] [--rounds 1] [--preset fast] [--set KEY=VALUE]

Every measurement is a `dreamlab batch` of its own, from the process's start to its end, in a folder that is
thrown away; serial and side by side take turns. `free` is the part of their time for which as many busy
threads as the machine has cores got one: well below 1 other work runs beside, and the ratio says little,
since two processes then get more of the machine than one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_tools import free_share

from dreamlab.evaluate.prompt_list import prompt_list
from dreamlab.ops.threads import available_cores


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    prompts = prompt_list("toys").prompts[: args.prompts]
    rows = []
    for _ in range(args.rounds):
        row = {"free": free_share(available_cores())}
        for name, jobs in (("serial", 1), ("side_by_side", args.jobs)):
            row[f"{name}_s"] = round(timed_batch(prompts, jobs, args.preset, args.set), 1)
        row["gain"] = round(row["serial_s"] / row["side_by_side_s"], 3)
        rows.append(row)
    report = {
        "cores": available_cores(),
        "jobs": args.jobs,
        "prompts": len(prompts),
        "preset": args.preset,
        "settings": args.set,
        "median": {key: statistics.median(row[key] for row in rows) for key in rows[0]},
        "all": rows,
    }
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)


def timed_batch(prompts: tuple[str, ...], jobs: int, preset: str, settings: list[str]) -> float:
    """Seconds of a batch from nothing to its page. Ends the script where a job fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.txt"
        file.write_text("".join(f"{prompt}\n" for prompt in prompts), "utf-8")
        words = [sys.executable, "-m", "dreamlab", "batch", str(file), "--out", f"{folder}/toys", "--quiet"]
        words += ["--jobs", str(jobs), "--preset", preset, *(w for s in settings for w in ("--set", s))]
        alone = os.environ | {"DREAMLAB_CONFIG": ""}  # whatever the user's defaults are
        began = time.perf_counter()
        subprocess.run(words, env=alone, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
