"""Finding and loading the native library, and handing it tensors.

The library is built at install (setup.py) from csrc/*.cpp, has a plain C interface and is loaded through
ctypes at
first use: no torch headers, no Python ABI.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.errors import InputError, UnavailableError

_HERE = Path(__file__).parent
_MEND = "Run `pip install .` (or `pip install -e .`) again with a C++ compiler such as g++ in reach"


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """The library and an empty reason, or None and why it cannot be used."""
    path = Path(os.environ.get("DREAMLAB_NATIVE_LIBRARY") or _HERE / "_native.so")
    if not path.exists():
        note = _HERE / "_native_why_not.txt"
        if note.exists():
            return None, note.read_text(encoding="utf-8").strip()
        return None, f"{path.name} is missing: this source checkout was never built"
    try:
        library = ctypes.CDLL(str(path))
        library.dl_isa.restype = ctypes.c_char_p
        library.dl_conv3x3_floats.restype = ctypes.c_int64
        library.dl_march_find.restype = ctypes.c_int64
        library.dl_mlp_hidden_floats.restype = ctypes.c_int64
        library.dl_ray_starts.restype = ctypes.c_int
        library.dl_set_isa.restype = ctypes.c_int
        for name in ("dl_hash_encode", "dl_mlp", "dl_mlp_backward", "dl_composite", "dl_sample_points"):
            getattr(library, name).restype = None
    except OSError as error:
        return None, f"{path.name} cannot be loaded: {error}"
    except AttributeError as error:
        return None, f"{path.name} is older than this version of dreamlab: {error}"
    return library, ""


def why_not() -> str:
    """Why the native kernels cannot be used here; empty if they can."""
    return _load()[1]


def library() -> ctypes.CDLL:
    """The loaded library. Raises UnavailableError, with the reason, where there is none."""
    loaded, reason = _load()
    if loaded is None:
        raise UnavailableError(f"the native kernels are not available: {reason}", mend=_MEND)
    return loaded


def instruction_set() -> str:
    """The kernels that this CPU runs: "avx512", "avx2" or "base"."""
    return library().dl_isa().decode()


# ---- tensors on their way in and out ----


def ready(name: str, tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    if tensor.device.type != "cpu" or tensor.dtype != dtype:
        raise InputError(
            f"the native kernels cannot take {name}",
            expected=f"{str(dtype).removeprefix('torch.')} on cpu",
            got=f"{str(tensor.dtype).removeprefix('torch.')} on {tensor.device}",
            mend='Convert it, or use ops.use_backend("reference")',
        )
    return tensor.detach().contiguous()


def call(name: str, *arguments: Any) -> Any:
    """Call a kernel: contiguous tensors and None become pointers, integers int64; ctypes values are passed as
    such.
    """
    return getattr(library(), name)(*(_c_argument(a) for a in arguments))


def _c_argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if type(value) is int else value


def threads() -> ctypes.c_int32:
    """What every kernel takes last: the number of threads that torch uses too (dreamlab.ops.threads decides
    it).
    """
    return ctypes.c_int32(torch.get_num_threads())


def pointers(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))


def ready_in_graph(name: str, tensor: Tensor) -> Tensor:
    """Checked and contiguous like `_ready`, but still part of its graph."""
    ready(name, tensor[:0])
    return tensor.contiguous()
