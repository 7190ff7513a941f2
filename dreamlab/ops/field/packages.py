"""The GPU packages of others, loaded and tried once before anything relies on them.

Installed is not usable: kernels may have to be compiled, for this card, with a compiler that is not there. So
each package is loaded and asked for one small result; whatever goes wrong is a reason, in a line, and no
error.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

_LONGEST = 300


@cache
def why_not(name: str) -> str:
    """Why a package ("tinycudann", "nerfacc") cannot be used on the CUDA device; empty if it can.

    The first call may compile for some minutes, which a warning says; the result is kept on disk.
    """
    return tried(name, *_PACKAGES[name])


def tried(name: str, *attempts: Callable[[], None]) -> str:
    """Why a package cannot be used after these attempts, one after another; empty if they all succeed."""
    try:
        if find_spec(name) is None:
            return f"{name} is not installed"
        for attempt in attempts:
            attempt()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    except Exception as error:  # builds and drivers fail in ways of their own
        return f"{name} cannot be used: {line(error)}"
    return ""


def line(error: Exception) -> str:
    """The line of an error's text that says most: of a compiler's output its first error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line.lower()), lines[0] if lines else "")
    return f"{type(error).__name__}: {telling}"[:_LONGEST].rstrip(": ")


# ---- nerfacc ----


def _load_nerfacc() -> None:
    """nerfacc's kernels, put where nerfacc looks for compiled ones.

    nerfacc 0.5.3 would compile them itself at the first call, as the C++20 that torch asks of extensions
    from 2.13 on, in which its own `lerp` and the standard's are ambiguous; as C++17 they compile.
    """
    if find_spec("nerfacc.csrc") is not None:  # a wheel that holds them
        return
    compiled = _compiled_nerfacc(Path(importlib.import_module("nerfacc").__file__ or "").parent)
    sys.modules["nerfacc.csrc"] = compiled
    importlib.import_module("nerfacc").csrc = compiled  # pyright: ignore[reportAttributeAccessIssue]


def _compiled_nerfacc(package: Path) -> ModuleType:
    from torch.utils import cpp_extension

    if shutil.which("nvcc") is None and cpp_extension.CUDA_HOME is None:
        raise RuntimeError(
            f"its kernels must be compiled, and there is no nvcc: "
            f"install the CUDA toolkit {torch.version.cuda} and set CUDA_HOME"
        )
    sources = sorted(
        str(path) for kind in ("*.cu", "*.cpp") for path in (package / "cuda" / "csrc").glob(kind)
    )
    name = "dreamlab_nerfacc"
    folder = Path(cpp_extension._get_build_directory(name, verbose=False))
    if not any(folder.glob(f"{name}*")):
        warnings.warn(f"nerfacc's kernels are compiled, once, for some minutes, in {folder}", stacklevel=2)
    with _this_card_alone():
        compiled = cpp_extension.load(
            name,
            sources,
            extra_cflags=["-O3", "-std=c++17"],
            extra_cuda_cflags=["-O3", "-std=c++17"],
            build_directory=str(folder),
        )
    assert isinstance(compiled, ModuleType)  # what `load` makes of a Python module
    return compiled


class _this_card_alone:
    """TORCH_CUDA_ARCH_LIST as this card's alone, where the user has not set it: one architecture to
    compile."""

    def __enter__(self) -> None:
        self.ours = "TORCH_CUDA_ARCH_LIST" not in os.environ
        if self.ours:
            os.environ["TORCH_CUDA_ARCH_LIST"] = ".".join(map(str, torch.cuda.get_device_capability()))

    def __exit__(self, *_: object) -> None:
        if self.ours:
            del os.environ["TORCH_CUDA_ARCH_LIST"]


def _try_nerfacc() -> None:
    """One ray of two samples: what is left of light behind them is known."""
    from nerfacc import render_weight_from_density

    t = torch.tensor([0.0, 1.0], device="cuda")
    ray = torch.zeros(2, dtype=torch.long, device="cuda")
    weights, _, _ = render_weight_from_density(t, t + 1, torch.ones_like(t), ray_indices=ray, n_rays=1)
    left = 1 - float(weights.sum())
    if abs(left - 0.1353353) > 1e-4:  # exp(-2)
        raise RuntimeError(f"it computes {left:.4f} where 0.1353 is right")


# ---- tiny-cuda-nn ----


def _load_tinycudann() -> None:
    importlib.import_module("tinycudann")


def _try_tinycudann() -> None:
    """A constant table is encoded as the same constant everywhere."""
    tinycudann = importlib.import_module("tinycudann")
    config = {"otype": "HashGrid", "n_levels": 2, "n_features_per_level": 2, "log2_hashmap_size": 8}
    encoding = tinycudann.Encoding(
        3, config | {"base_resolution": 4, "per_level_scale": 2.0}, dtype=torch.float32
    )
    ones = {"params": torch.ones_like(encoding.params)}
    out = torch.func.functional_call(encoding, ones, (torch.full((1, 3), 0.4, device="cuda"),))
    if not torch.allclose(out.float(), torch.ones_like(out.float()), atol=1e-3):
        raise RuntimeError(f"it encodes ones as {out.float().flatten().tolist()}")


_PACKAGES: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
    "nerfacc": (_load_nerfacc, _try_nerfacc),
    "tinycudann": (_load_tinycudann, _try_tinycudann),
}
