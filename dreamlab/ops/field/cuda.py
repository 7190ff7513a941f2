"""The GPU back end, op by op: tiny-cuda-nn for the hash encoding, nerfacc for marching and packed
compositing.

The only importer of tinycudann and of nerfacc's CUDA calls, which `packages` loads and tries. Tables are
portable: HashGridSpec is tiny-cuda-nn's own layout, and a table whose size disagrees with the installed
version is refused. The MLP is torch's float32 matrix product, because tiny-cuda-nn's fused network computes
in half precision and would not agree with the other back ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import packages, reference
from dreamlab.ops.interface import Composite, HashGridSpec

mlp = reference.mlp
sample_points = reference.sample_points

PACKAGE_OF = {
    "hash_encode": "tinycudann",
    "encode_mlp": "tinycudann",
    "march": "nerfacc",
    "composite": "nerfacc",
}
"""What an operation needs; those that are not named here need nothing but torch."""


def why_not(operation: str | None = None) -> str:
    """Why an operation (None: any of them) cannot be done here by this back end; empty if it can."""
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    needed = PACKAGE_OF.values() if operation is None else [PACKAGE_OF.get(operation, "")]
    return next((reason for name in dict.fromkeys(needed) if name and (reason := packages.why_not(name))), "")


@cache
def _encoding(spec: HashGridSpec) -> Any:
    import tinycudann  # pyright: ignore[reportMissingImports]

    config = {
        "otype": "HashGrid",
        "n_levels": spec.levels,
        "n_features_per_level": spec.features,
        "log2_hashmap_size": spec.log2_table_size,
        "base_resolution": spec.base_resolution,
        "per_level_scale": spec.per_level_scale,
    }
    encoding = tinycudann.Encoding(3, config, dtype=torch.float32)
    if encoding.params.numel() != spec.table_rows * spec.features:
        raise UnavailableError(
            "this tiny-cuda-nn lays out hash tables differently",
            expected=f"{spec.table_rows * spec.features} numbers",
            got=str(encoding.params.numel()),
            mend='Use ops.use_backend("reference") for this table',
        )
    return encoding


def hash_encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    if not x.shape[0]:  # tiny-cuda-nn leaves the gradients of an empty batch unwritten
        return reference.hash_encode(x, table, spec)
    return torch.func.functional_call(_encoding(spec), {"params": table.flatten()}, (x.clamp(0, 1),))


def encode_mlp(x: Tensor, table: Tensor, spec: HashGridSpec, weights: Sequence[Tensor]) -> Tensor:
    return mlp(hash_encode(x, table, spec), weights)


@torch.no_grad()
def march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    from nerfacc.grid import traverse_grids

    near, far = reference.ray_box(rays)
    # nerfacc's first interval begins at the near plane, ours has its middle at near + jitter * step.
    start = near + (jitter - 0.5) * step
    box = rays.origins.new_tensor([[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]])
    found: tuple[Any, Any, Any] = traverse_grids(
        rays.origins,
        rays.directions,
        occupancy[None],
        box,
        near_planes=start,
        far_planes=far,
        step_size=step,
    )
    intervals, samples, _ = found
    return Samples(samples.ray_indices, intervals.vals[intervals.is_left], intervals.vals[intervals.is_right])


def composite(sigma: Tensor, rgb: Tensor, samples: Samples, n_rays: int) -> Composite:
    from nerfacc import accumulate_along_rays, render_weight_from_density

    ray, t0, t1 = samples
    weights, _, _ = render_weight_from_density(t0, t1, sigma, ray_indices=ray, n_rays=n_rays)
    middle = ((t0 + t1) / 2)[:, None]
    return Composite(
        accumulate_along_rays(weights, rgb, ray, n_rays),
        accumulate_along_rays(weights, None, ray, n_rays)[:, 0],
        accumulate_along_rays(weights, middle, ray, n_rays)[:, 0],
        weights,
    )
