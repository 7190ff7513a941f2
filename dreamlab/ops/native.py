"""C++ kernels through a plain C interface: float32 on the CPU, the same bytes for any number of threads.

The library is built at install (setup.py) from csrc/*.cpp and loaded at first use. Each function here mirrors one of
`reference`; gradients are first order.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.errors import InputError, UnavailableError
from dreamlab.ops.interface import (
    MAX_STEPS,
    MAX_WIDTH,
    Composite,
    HashGridSpec,
    too_many_steps,
    unsorted_samples,
)
from dreamlab.types import Rays, Samples

_HERE = Path(__file__).parent
_MAX_LAYERS = 8
_STEP_GROUP = 16
_DIAGONAL = 3.4642  # of the scene box, a little generous
_MEND = "Run `pip install .` (or `pip install -e .`) again with a C++ compiler such as g++ in reach"


# ---- the library ----


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """The library and an empty reason, or None and why it cannot be used."""
    path = Path(os.environ.get("DREAMLAB_NATIVE_LIBRARY") or _HERE / "_native.so")
    if not path.exists():
        told = _HERE / "_native_why_not.txt"
        if told.exists():
            return None, told.read_text(encoding="utf-8").strip()
        return None, f"{path.name} is missing: this source checkout was never built"
    try:
        library = ctypes.CDLL(str(path))
        library.dl_isa.restype = ctypes.c_char_p
        library.dl_march_find.restype = ctypes.c_int64
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


class _Level(ctypes.Structure):
    _fields_ = [
        ("scale", ctypes.c_float),
        ("resolution", ctypes.c_uint32),
        ("rows", ctypes.c_uint32),
        ("dense", ctypes.c_uint32),
        ("offset", ctypes.c_int64),
    ]


class _Grid(ctypes.Structure):
    _fields_ = [("levels", ctypes.c_int), ("features", ctypes.c_int), ("level", _Level * 16)]


@cache
def _grid(spec: HashGridSpec) -> Any:
    grid = _Grid(spec.levels, spec.features)
    for i in range(spec.levels):
        grid.level[i] = _Level(
            spec.scales[i], spec.resolutions[i], spec.rows[i], spec.dense[i], spec.offsets[i]
        )
    return ctypes.byref(grid)


# ---- tensors on their way in and out ----


def _ready(name: str, tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    if tensor.device.type != "cpu" or tensor.dtype != dtype:
        raise InputError(
            f"the native kernels cannot take {name}",
            expected=f"{str(dtype).removeprefix('torch.')} on cpu",
            got=f"{str(tensor.dtype).removeprefix('torch.')} on {tensor.device}",
            mend='Convert it, or use ops.use_backend("reference")',
        )
    return tensor.detach().contiguous()


def _p(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr() if tensor is not None else None)


def _n(count: int) -> ctypes.c_int64:
    return ctypes.c_int64(count)


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


class _Scratch:
    """Large buffers that are lent out and come back: fresh pages cost more than the arithmetic done on them."""

    KEPT_BYTES = 512 << 20

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._lock = threading.RLock()  # a finaliser may run in the middle of `take`

    def take(self, floats: int) -> Tensor:
        """A flat float32 tensor of at least `floats` entries; it returns here when it is garbage collected."""
        with self._lock:
            fitting = [t for t in self._free if floats <= t.numel() <= 4 * floats + 4096]
            if fitting:
                owner = min(fitting, key=Tensor.numel)
                self._free = [t for t in self._free if t is not owner]
            else:
                owner = torch.empty(floats + floats // 8)
        lent = owner.view(-1)
        weakref.finalize(lent, self._give_back, owner).atexit = False
        return lent

    def _give_back(self, owner: Tensor) -> None:
        with self._lock:
            self._free.append(owner)
            while sum(t.numel() for t in self._free) * 4 > self.KEPT_BYTES:
                self._free.pop(0)


_scratch = _Scratch()


# ---- hash encoding and MLP ----


class _HashEncode(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
        ctx.spec = spec
        ctx.save_for_backward(x, table)
        out = torch.empty(x.shape[0], spec.width)
        library().dl_hash_encode(_grid(spec), _p(table), _p(x), _n(x.shape[0]), _p(out), torch.get_num_threads())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, table = ctx.saved_tensors
        wants_x, wants_table = ctx.needs_input_grad[:2]
        spec = ctx.spec
        g_x, g_table = _encode_backward(
            x, table, spec, gradient.contiguous(), spec.width, spec.features, wants_x, wants_table
        )
        return g_x, g_table, None


def _encode_backward(
    x: Tensor, table: Tensor, spec: HashGridSpec, gradient: Tensor, row: int, level: int, wants_x: bool, wants_table: bool
) -> tuple[Tensor | None, Tensor | None]:
    g_table = torch.zeros_like(table) if wants_table else None
    g_x = torch.empty_like(x) if wants_x else None
    library().dl_hash_encode_backward(
        _grid(spec), _p(table), _p(x), _n(x.shape[0]), _p(gradient), _n(row), _n(level), _p(g_table), _p(g_x),
        torch.get_num_threads(),
    )  # fmt: skip
    return g_x, g_table


def hash_encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    return _HashEncode.apply(_keep_graph("x", x), _keep_graph("table", table), spec)


def _keep_graph(name: str, tensor: Tensor) -> Tensor:
    """Checked and contiguous like `_ready`, but still part of its graph."""
    _ready(name, tensor[:0])
    return tensor.contiguous()


def _widths(weights: Sequence[Tensor]) -> Any:
    return (ctypes.c_int * (len(weights) + 1))(weights[0].shape[1], *(w.shape[0] for w in weights))


def _forward(
    x: Tensor, table: Tensor | None, spec: HashGridSpec | None, features: Tensor | None, weights: Sequence[Tensor]
) -> Tensor:
    out = torch.empty(x.shape[0], weights[-1].shape[0])
    library().dl_mlp(
        _grid(spec) if spec else None, _p(table), len(weights), _widths(weights), _pointers(weights), _p(x),
        _n(x.shape[0]), _p(features), _p(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def _backward(
    x: Tensor, spec: HashGridSpec | None, weights: Sequence[Tensor], gradient: Tensor, g_input: Tensor | None
) -> list[Tensor]:
    g_weights = [torch.empty_like(w) for w in weights]
    library().dl_mlp_backward(
        _grid(spec) if spec else None, len(weights), _widths(weights), _pointers(weights), _p(x),
        _p(gradient.contiguous()), _n(gradient.shape[0]), _pointers(g_weights), _p(g_input), torch.get_num_threads(),
    )  # fmt: skip
    return g_weights


class _Mlp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, *weights)
        return _forward(x, None, None, None, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        g_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        return g_x, *_backward(x, None, weights, gradient, g_x)


class _EncodeMlp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, spec: HashGridSpec, *weights: Tensor) -> Tensor:
        ctx.spec = spec
        ctx.features = _scratch.take(x.shape[0] * spec.width)
        ctx.save_for_backward(x, table, *weights)
        return _forward(x, table, spec, ctx.features, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, table, *weights = ctx.saved_tensors
        spec, n = ctx.spec, x.shape[0]
        wants_x, wants_table = ctx.needs_input_grad[:2]
        g_features = _scratch.take(n * spec.width) if wants_x or wants_table else None
        g_weights = _backward(ctx.features, spec, weights, gradient, g_features)
        if g_features is None:
            return None, None, None, *g_weights
        # Level by level: [levels, n, features]
        g_x, g_table = _encode_backward(
            x, table, spec, g_features, spec.features, n * spec.features, wants_x, wants_table
        )
        return g_x, g_table, None, *g_weights


def _check_widths(weights: Sequence[Tensor]) -> list[Tensor]:
    widest = max(weights[0].shape[1], *(w.shape[0] for w in weights))
    narrowest = min(weights[0].shape[1], *(w.shape[0] for w in weights))
    if widest > MAX_WIDTH or narrowest < 1 or len(weights) > _MAX_LAYERS:
        raise InputError(
            "the native MLP cannot take these weights",
            expected=f"widths 1..{MAX_WIDTH}, at most {_MAX_LAYERS} layers",
            got=", ".join(str(list(w.shape)) for w in weights),
            mend='Use ops.use_backend("reference")',
        )
    return [_keep_graph(f"weights[{i}]", w) for i, w in enumerate(weights)]


def mlp(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return _Mlp.apply(_keep_graph("x", x), *_check_widths(weights))


def encode_mlp(x: Tensor, table: Tensor, spec: HashGridSpec, weights: Sequence[Tensor]) -> Tensor:
    x, table, weights = _keep_graph("x", x), _keep_graph("table", table), _check_widths(weights)
    if _wants_gradient(x, table, *weights):
        return _EncodeMlp.apply(x, table, spec, *weights)
    return _forward(x, table, spec, None, weights)


# ---- rays ----


def march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    origins, directions = _ready("ray origins", rays.origins), _ready("ray directions", rays.directions)
    jitter, occupancy = _ready("jitter", jitter), _ready("occupancy", occupancy, torch.bool)
    most = min(_DIAGONAL / step + 2, MAX_STEPS)
    # Directions are unit vectors, so no ray is longer in the box than its diagonal; if one is not, ask again.
    for steps in (int(most), MAX_STEPS):
        found = _march(origins, directions, occupancy, step, jitter, steps // _STEP_GROUP + 1)
        if found is not None:
            return found
    raise too_many_steps(step)


def _march(
    origins: Tensor, directions: Tensor, occupancy: Tensor, step: float, jitter: Tensor, groups: int
) -> Samples | None:
    n = origins.shape[0]
    near, counts = torch.empty(n), torch.empty(n, dtype=torch.int32)
    masks = torch.empty(n, groups, dtype=torch.int16)
    threads = torch.get_num_threads()
    c_step = ctypes.c_float(step)
    total = library().dl_march_find(
        _p(origins), _p(directions), _p(jitter), _n(n), _p(occupancy), occupancy.shape[0], c_step, _n(groups),
        _p(near), _p(masks), _p(counts), threads,
    )  # fmt: skip
    if total < 0:
        return None
    index, t0, t1 = torch.empty(total, dtype=torch.int64), torch.empty(total), torch.empty(total)
    library().dl_march_fill(
        _p(near), _p(jitter), _p(masks), _p(counts), _n(n), _n(groups), c_step, _p(index), _p(t0), _p(t1), threads
    )
    return Samples(index, t0, t1)


def sample_points(rays: Rays, samples: Samples) -> Tensor:
    origins, directions = _ready("ray origins", rays.origins), _ready("ray directions", rays.directions)
    index = _ready("ray_index", samples.ray_index, torch.int64)
    _ray_starts(index, origins.shape[0])
    out = torch.empty(index.shape[0], 3)
    library().dl_sample_points(
        _p(origins), _p(directions), _p(index), _p(_ready("t0", samples.t0)), _p(_ready("t1", samples.t1)),
        _n(index.shape[0]), _p(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def _ray_starts(ray_index: Tensor, n_rays: int) -> Tensor:
    start = torch.empty(n_rays + 1, dtype=torch.int64)
    if library().dl_ray_starts(_p(ray_index), _n(ray_index.shape[0]), _n(n_rays), _p(start)):
        raise unsorted_samples(n_rays)
    return start


class _Composite(Function):
    @staticmethod
    def forward(
        ctx: Any, sigma: Tensor, rgb: Tensor, t0: Tensor, t1: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_rays = start.shape[0] - 1
        ctx.save_for_backward(sigma, rgb, t0, t1, start)
        out = torch.empty(n_rays, 3), torch.empty(n_rays), torch.empty(n_rays), torch.empty_like(sigma)
        library().dl_composite(
            _p(sigma), _p(rgb), _p(t0), _p(t1), _p(start), _n(n_rays), *(_p(o) for o in out), torch.get_num_threads()
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        sigma, rgb, t0, t1, start = ctx.saved_tensors
        dense = [g.contiguous() for g in gradients]
        g_sigma, g_rgb = torch.empty_like(sigma), torch.empty_like(rgb)
        library().dl_composite_backward(
            _p(sigma), _p(rgb), _p(t0), _p(t1), _p(start), _n(start.shape[0] - 1), *(_p(g) for g in dense),
            _p(g_sigma), _p(g_rgb), torch.get_num_threads(),
        )  # fmt: skip
        return g_sigma, g_rgb, None, None, None


def composite(sigma: Tensor, rgb: Tensor, samples: Samples, n_rays: int) -> Composite:
    start = _ray_starts(_ready("samples.ray_index", samples.ray_index, torch.int64), n_rays)
    t0, t1 = _ready("samples.t0", samples.t0), _ready("samples.t1", samples.t1)
    return Composite(*_Composite.apply(_keep_graph("sigma", sigma), _keep_graph("rgb", rgb), t0, t1, start))


def occupancy_update(ema: Tensor, cells: Tensor, density: Tensor, decay: float) -> Tensor:
    updated = _ready("ema", ema).clone()
    cells, density = _ready("cells", cells, torch.int64), _ready("density", density)
    library().dl_occupancy_update(
        _p(updated), _n(updated.numel()), _p(cells), _p(density), _n(cells.shape[0]), ctypes.c_float(decay)
    )
    return updated
