"""Does dreamlab work on this machine's GPU, and how fast: one command, no hub, one JSON.

    scripts/gpu_check                        # all parts, each below ten minutes
    scripts/gpu_check --part ops --part real # some
    scripts/gpu_check --device cpu --quick   # the rehearsal: tiny sizes, no GPU

Each part runs in a process of its own, and what is done is kept in the JSON: a check that kills its process
is recorded as failed, the next one goes on in a new process, and a later call goes on with what has no
result yet. Exit code 0 if nothing failed, else 1.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))  # has tiny models of every family

import torch
from gpu_check_record import DEVICE_LOST, Check, Record, Setting, run_part

HERE = Path(__file__).resolve().parent
PARTS = {
    "facts": "the card, the driver, the compiler, and which back end every operation takes",
    "ops": "every operation and its gradients against float64",
    "embedded": "the embedded prior in float32 and bfloat16 against the CPU",
    "fast": "the preset fast: seconds, memory, silhouettes beside the CPU's, resume",
    "tiny": "tiny models of every family by every method, in half precision",
    "real": "networks of real shapes with random weights: seconds and memory",
    "vram": "every --vram tier below its number",
    "presets": "six steps of every preset at its largest size, with random weights",
}
_MODULES = {"embedded": "gpu_check_embedded", "fast": "gpu_check_fast", "vram": "gpu_check_real"}
MINUTES = 9.8


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device; --device cpu --quick rehearses without one")
    setting = Setting(torch.device(device), args.quick)
    facts = {"device": device, "quick": args.quick}
    if args.inside is not None:
        return run_part(args.inside, checks_of(args.inside, setting), Record(args.out, facts), setting)
    for part in args.part or PARTS:
        record = Record(args.out, facts)
        if args.part:
            if record.complete(part):
                record.forget(part)
        elif record.complete(part):
            _say(f"{part}: done before, kept in {args.out} (--part {part} does it again)")
            continue
        _say(f"{part}: {PARTS[part]}")
        _follow(part, args, facts)
    record = Record(args.out, facts)
    _say(table(record, args.part or list(PARTS)))
    _say(f"all of it: {args.out}")
    parts = [record.results(part).values() for part in args.part or PARTS]
    return int(any(result["state"] == "failed" for results in parts for result in results))


def checks_of(part: str, setting: Setting) -> list[Check]:
    """The checks of a part, from the module that has them."""
    module = import_module(_MODULES.get(part, f"gpu_check_{part}"))
    make: Callable[[Setting], list[Check]] = getattr(module, f"{part}_checks")
    return make(setting)


def _follow(part: str, args: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Processes, one after another, until every check of the part has a result or its time is over."""
    end = time.monotonic() + args.minutes * 60
    command = [sys.executable, str(HERE / "gpu_check.py"), "--inside", part, "--out", str(args.out)]
    command += ["--device", facts["device"], *(["--quick"] if args.quick else [])]
    while True:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            done = subprocess.run(command, stderr=subprocess.PIPE, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            break
        record = Record(args.out, facts)
        if done.returncode == DEVICE_LOST and record.open(part):
            continue
        if done.returncode in (0, DEVICE_LOST):
            return
        running = [name for name, result in record.results(part).items() if result["state"] == "running"]
        if not running:  # it died before its first check: so would the next
            record.part(part)["planned"] = ["start"]
            running = ["start"]
        text = done.stderr.decode(errors="replace")
        record.set(
            part, running[0], "failed", reason=_death(done.returncode), traceback=text[-8000:], seconds=0.0
        )
        if running == ["start"]:
            return
    record = Record(args.out, facts)
    for name in record.open(part) or ["start"]:
        begun = record.results(part).get(name, {}).get("state") == "running"
        state = "failed" if begun or name == "start" else "skipped"
        reason = f"no time was left: {args.minutes:g} minutes a part"
        record.set(part, name, state, reason=reason, traceback="", seconds=0.0)


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    return f"its process was killed by {signal.Signals(-code).name}"


def table(record: Record, parts: Sequence[str]) -> str:
    """A line a part, then one for everything that failed or was left out."""
    lines = ["", f"{'part':<10}{'ok':>5}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    details = []
    for part in parts:
        results = record.results(part)
        count = {
            state: sum(r["state"] == state for r in results.values()) for state in ("ok", "failed", "skipped")
        }
        seconds = sum(result.get("seconds", 0.0) for result in results.values())
        lines.append(f"{part:<10}{count['ok']:>5}{count['failed']:>8}{count['skipped']:>9}{seconds:>9.1f}")
        for name, result in results.items():
            if result["state"] != "ok":
                details.append(f"{result['state']:<8}{part}: {name}: {result.get('reason', '')}")
    return "\n".join([*lines, "", *sorted(details), ""])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="only this part, anew; may be given again"
    )
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"), metavar="FILE")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="(default: cuda where there is one)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: a rehearsal, whose figures mean nothing"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="a part's time (default %(default)s)")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
