"""What the parts of gpu_check share: a check, its result, and a JSON that outlives whatever dies."""

from __future__ import annotations

import gc
import json
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.files import write_atomic

FORMAT = "dreamlab gpu_check 1"
DEVICE_LOST = 75  # exit code: this process cannot use the device any more, another one can


class Skip(Exception):
    """A check that cannot be done here, and why."""


@dataclass(frozen=True)
class Setting:
    """Where to check, and whether in sizes that a CPU rehearses in seconds."""

    device: torch.device
    quick: bool

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"


@dataclass(frozen=True)
class Check:
    """`run` returns figures worth keeping. It raises Skip where it cannot be done; any other error is a
    failure."""

    name: str
    run: Callable[[], dict[str, Any]]


class Record:
    """The JSON of one machine: by part what was planned, and every check's result once it is there."""

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path = path
        self.data: dict[str, Any] = {"format": FORMAT, **facts, "parts": {}}
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            differs = [key for key in ("format", *facts) if found.get(key) != self.data[key]]
            if differs:
                raise SystemExit(f"{path} is of another {differs[0]}; name another with --out, or remove it")
            self.data = found

    def part(self, name: str) -> dict[str, Any]:
        return self.data["parts"].setdefault(name, {"planned": [], "checks": {}})

    def results(self, name: str) -> dict[str, dict[str, Any]]:
        return self.part(name)["checks"]

    def open(self, name: str) -> list[str]:
        """The checks of a part that have no result yet."""
        part = self.part(name)
        done = {check for check, result in part["checks"].items() if result["state"] != "running"}
        return [check for check in part["planned"] if check not in done]

    def complete(self, name: str) -> bool:
        return bool(self.part(name)["planned"]) and not self.open(name)

    def forget(self, name: str) -> None:
        self.data["parts"].pop(name, None)
        self.write()

    def set(self, part: str, check: str, state: str, **more: Any) -> None:
        self.results(part)[check] = {"state": state, **more}
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, (json.dumps(self.data, indent=1) + "\n").encode())


def run_part(name: str, checks: Sequence[Check], record: Record, setting: Setting) -> int:
    """Do those of a part's checks that have no result yet; 0, or DEVICE_LOST where another process must go
    on."""
    record.part(name)["planned"] = [check.name for check in checks]
    record.write()
    todo = set(record.open(name))
    for check in checks:
        if check.name not in todo:
            continue
        record.set(name, check.name, "running")
        record.set(name, check.name, **_result(check))
        if setting.cuda and not _usable():
            return DEVICE_LOST
    return 0


def _result(check: Check) -> dict[str, Any]:
    start = time.perf_counter()
    more: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            more = {"state": "ok", "figures": check.run()}
        except Skip as reason:
            more = {"state": "skipped", "reason": str(reason)}
        except Exception as error:
            line = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            more = {"state": "failed", "reason": line, "traceback": traceback.format_exc()}
    more["seconds"] = round(time.perf_counter() - start, 3)
    if told := list(dict.fromkeys(str(warning.message) for warning in said)):
        more["said"] = told
    return more


def _usable() -> bool:
    """Whether this process can still use the device: after a kernel's fault none of its calls succeeds."""
    gc.collect()
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def measured(setting: Setting, job: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of a job, and on CUDA its peak: what tensors took, and what the card lost to it, in GiB."""
    if not setting.cuda:
        start = time.perf_counter()
        job()
        return {"seconds": round(time.perf_counter() - start, 4)}
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    job()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    tensors, card = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return {
        "seconds": round(seconds, 4),
        "peak_gib": round(tensors / 2**30, 3),
        "reserved_gib": round(card / 2**30, 3),
    }
