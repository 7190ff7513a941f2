"""gpu_check, the facts: what the machine is, what it can do by measurement, and what dreamlab makes of it."""

from __future__ import annotations

import shutil
import subprocess
import time
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from gpu_check_record import Check, Setting, Skip

from dreamlab import ops
from dreamlab.core.memory import out_of_memory
from dreamlab.ops.field import packages, triton_ops
from dreamlab.priors.precision import has_bfloat16_units
from dreamlab.run.doctor import examine
from dreamlab.run.machine import environment


def facts_checks(setting: Setting) -> list[Check]:
    return [
        Check("machine", lambda: _machine(setting)),
        Check("compiler", _compiler),
        Check("bfloat16", lambda: _bfloat16(setting)),
        Check("back ends", lambda: _back_ends(setting)),
        *(Check(name, lambda name=name: _package(name, setting)) for name in ("nerfacc", "tinycudann")),
        Check("triton", lambda: _triton(setting)),
        Check("doctor", _doctor),
        Check("out of memory", lambda: _out_of_memory(setting)),
    ]


def _machine(setting: Setting) -> dict[str, Any]:
    known = {key: value for key, value in environment().items() if key != "arguments"}
    if not setting.cuda:
        return known
    card = torch.cuda.get_device_properties(setting.device)
    free, total = torch.cuda.mem_get_info()
    return known | {
        "card": card.name,
        "capability": f"{card.major}.{card.minor}",
        "compiled for": torch.cuda.get_arch_list(),
        "multiprocessors": card.multi_processor_count,
        "memory_gib": round(total / 2**30, 2),
        "free_gib": round(free / 2**30, 2),
        "driver": _said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "cuda of torch": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _said_by(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not there"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout or done.stderr).strip()


def _compiler() -> dict[str, Any]:
    from torch.utils.cpp_extension import CUDA_HOME

    nvcc = shutil.which("nvcc") or (f"{CUDA_HOME}/bin/nvcc" if CUDA_HOME else None)
    if nvcc is None:
        raise Skip("there is no nvcc; nerfacc's kernels can only be compiled with one")
    return {
        "nvcc": nvcc,
        "version": _said_by(nvcc, "--version").splitlines()[-1],
        "ninja": find_spec("ninja") is not None,
    }


def _bfloat16(setting: Setting) -> dict[str, Any]:
    """Rates of matrix products; that of bfloat16 says whether the card computes in it or emulates it."""
    side, rounds = (256, 2) if setting.quick else (8192, 20)
    rates = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a = torch.randn(side, side, device=setting.device).to(dtype)
        torch.mm(a, a)
        _wait(setting)
        start = time.perf_counter()
        for _ in range(rounds):
            torch.mm(a, a)
        _wait(setting)
        rates[str(dtype)[6:]] = 2 * side**3 * rounds / (time.perf_counter() - start) / 1e12
    declared = has_bfloat16_units(setting.device)
    found = {f"{name} TFLOP/s": round(rate, 3) for name, rate in rates.items()} | {"declared": declared}
    if setting.cuda and not setting.quick:
        found["measured"] = real = rates["bfloat16"] > 0.6 * rates["float16"]
        assert real == declared, f"bfloat16 is declared {declared} and measured {real}: {found}"
    return found


def _wait(setting: Setting) -> None:
    if setting.cuda:
        torch.cuda.synchronize()


def _back_ends(setting: Setting) -> dict[str, Any]:
    found = ops.choices(setting.device)
    return {name: where if not why else f"{where}, because {why}" for name, (where, why) in found.items()}


def _package(name: str, setting: Setting) -> dict[str, Any]:
    """A package that is installed for the GPU must work on it."""
    if not setting.cuda:
        raise Skip("for CUDA alone")
    if find_spec(name) is None:
        raise Skip(f"{name} is not installed; docs/gpu.md says how to get it")
    reason = packages.why_not(name)
    if "nvcc" in reason:
        raise Skip(reason)
    assert not reason, reason
    return {}


def _triton(setting: Setting) -> dict[str, Any]:
    """Our kernels must compile on the GPU and compute what the reference does."""
    if find_spec("triton") is None:
        raise Skip("triton is not installed: its kernels are not there, and torch.compile has no GPU code")
    found = {"version": version("triton"), "interpreted": triton_ops.interpreted()}
    if not setting.cuda:
        return found
    start = time.perf_counter()
    reasons = {name: triton_ops.why_not(name) for name in dict.fromkeys(triton_ops.KERNELS_OF.values())}
    assert not any(reasons.values()), f"{reasons}"
    return found | {"seconds to compile and try": round(time.perf_counter() - start, 2)}


def _doctor() -> dict[str, Any]:
    found = {finding.name: f"{finding.state}: {finding.detail}" for finding in examine()}
    broken = [line for line in found.values() if line.startswith("broken")]
    assert not broken, "; ".join(broken)
    return found


def _out_of_memory(setting: Setting) -> dict[str, Any]:
    """More memory than there is: the error must be known for what it is."""
    try:
        torch.empty(1 << 50, dtype=torch.uint8, device=setting.device)
    except Exception as error:
        assert out_of_memory(error), f"not known as a lack of memory: {error!r}"
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    raise AssertionError("a pebibyte was given")
