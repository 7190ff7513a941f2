"""Triangles to pixels and back: what nvdiffrast does on a GPU (Laine et al. 2020), in torch and in C++ for
the CPU.

Three differentiable steps of the paper's four: `rasterise` decides visibility, `interpolate` carries vertex
attributes to pixels, `sample_texture` looks them up. What makes coverage, and so positions, differentiable is
`dreamlab.render.silhouettes`. Clip space is OpenGL's: x/w right, y/w up, z/w from -1 (near) to 1 (far); image
row 0 is the top.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Wrap
from dreamlab.ops import interface
from dreamlab.ops.raster import native as rasterise_native
from dreamlab.ops.raster import reference as rasterise_reference


class Fragments(NamedTuple):
    """What each pixel sees. face_index [B,H,W] int64, -1 for nothing; barycentric [B,H,W,3]
    perspective-correct weights of the face's corners, zeros for nothing; depth [B,H,W] = clip z/w in -1..1, 1
    for nothing."""

    face_index: Int[Tensor, "B H W"]
    barycentric: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W"]


def rasterise(
    clip_positions: Float[Tensor, "B V 4"], faces: Int[Tensor, "F 3"], size: tuple[int, int]
) -> Fragments:
    """The nearest face at every pixel centre, by a z-buffer in homogeneous coordinates (Olano & Greer 1997).

    clip_positions [B,V,4]; faces [F,3] int64, either winding is drawn; size (H, W). Parts behind the camera
    or outside
    -1 <= z/w <= 1 are cut away per pixel; degenerate faces and faces with NaN are not drawn; of equally near
    faces the first wins; a pixel centre on a shared edge belongs to exactly one face. Barycentric and depth
    are differentiable once with respect to positions. The native back end takes float32.

    Raises:
        InputError: shapes or dtypes that do not fit, an index outside 0..V-1, a size below one pixel.
    """
    interface.check("clip_positions", clip_positions, (None, None, 4))
    _check_indices("faces", faces, clip_positions.shape[1], clip_positions, lowest=0, width=3)
    height, width = size
    if not (1 <= height <= 32768 and 1 <= width <= 32768):
        raise InputError(
            "rasterise: no such image size", expected="1..32768 pixels a side", got=f"{height} x {width}"
        )
    if _is_native(clip_positions):
        return Fragments(*rasterise_native.Rasterise.apply(clip_positions, faces, (height, width)))
    return Fragments(*rasterise_reference.rasterise(clip_positions, faces, (height, width)))


def interpolate(
    attributes: Float[Tensor, "... V A"], faces: Int[Tensor, "F 3"], fragments: Fragments
) -> Float[Tensor, "B H W A"]:
    """Vertex attributes [V,A] (shared by the views) or [B,V,A] at every pixel, zeros where nothing is seen.

    Differentiable once with respect to the attributes and, through the barycentrics, the positions.
    """
    shape = (None, None) if attributes.dim() == 2 else (fragments.face_index.shape[0], None, None)
    interface.check("attributes", attributes, shape, like=fragments.barycentric)
    _check_indices("faces", faces, attributes.shape[-2], attributes, lowest=0, width=3)
    _check_indices(
        "fragments.face_index", fragments.face_index, len(faces), attributes, lowest=-1, width=None
    )
    arguments = (attributes, faces, fragments.face_index, fragments.barycentric)
    if _is_native(attributes):
        return rasterise_native.Interpolate.apply(*arguments)
    return rasterise_reference.interpolate(*arguments)


def sample_texture(
    texture: Float[Tensor, "H W C"], uv: Float[Tensor, "B h w 2"], wrap: Wrap | tuple[Wrap, Wrap] = "repeat"
) -> Float[Tensor, "B h w C"]:
    """Bilinear lookup. Row 0 of the texture is its top, v points up, texel centres lie at (i + 0.5) / n.

    Outside 0..1 the texture repeats, is mirrored, or its border goes on; two words say so for u and for v. A
    uv that is not finite (or beyond 1e9) reads as 0. Differentiable once with respect to texture and uv.
    """
    interface.check("texture", texture, (None, None, None))
    interface.check("uv", uv, (None, None, None, 2), like=texture)
    if 0 in texture.shape[:2]:
        raise InputError("a texture needs texels", got=str(list(texture.shape)))
    ways = (wrap, wrap) if isinstance(wrap, str) else wrap
    if not set(ways) <= {"repeat", "mirror", "clamp"}:
        raise InputError("no such way to wrap a texture", expected="repeat, mirror or clamp", got=repr(wrap))
    if ways[0] != ways[1] or "mirror" in ways:  # the kernels know one way for both, and no mirror
        sizes = (texture.shape[1], texture.shape[0])
        uv = torch.stack([_inside(uv[..., k], sizes[k], ways[k]) for k in (0, 1)], -1)
    repeat = ways != ("clamp", "clamp")
    if _is_native(texture):
        return rasterise_native.SampleTexture.apply(texture, uv, repeat)
    return rasterise_reference.sample_texture(texture, uv, repeat)


def _inside(x: Tensor, n: int, wrap: Wrap) -> Tensor:
    """One coordinate, so that a texture of n texels that repeats reads there as one wrapped in this way."""
    if wrap == "repeat":
        return x
    if wrap == "mirror":
        x = 1 - (x.remainder(2) - 1).abs()
    return x.clamp(0.5 / n, 1 - 0.5 / n)


def _is_native(tensor: Tensor) -> bool:
    """Whether the C++ kernels do the work; InputError where they were chosen and cannot."""
    from dreamlab.ops import backend

    name = backend(tensor.device)
    if name in ("cuda", "triton"):
        _say_reference_on_cuda()
    if name != "native":
        return False
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        got = f"{tensor.dtype} on {tensor.device}"
        mend = 'Convert, or use dreamlab.ops.use_backend("reference")'
        raise InputError(
            "the native rasteriser cannot take this", expected="float32 on cpu", got=got, mend=mend
        )
    return True


@cache
def _say_reference_on_cuda() -> None:
    warnings.warn(
        "there is no CUDA rasteriser: the torch reference runs on the GPU", RuntimeWarning, stacklevel=4
    )


def _check_indices(
    name: str, index: Tensor, count: int, like: Tensor, *, lowest: int, width: int | None
) -> None:
    """int64 indices in lowest..count-1, [N, width] or of any shape."""
    fits = isinstance(index, Tensor) and index.dtype == torch.int64 and index.device == like.device
    if not fits or (width is not None and (index.dim() != 2 or index.shape[1] != width)):
        shape = "indices" if width is None else f"[N, {width}]"
        got = (
            f"{list(index.shape)} {index.dtype} on {index.device}"
            if isinstance(index, Tensor)
            else str(type(index))
        )
        raise InputError(f"{name} does not fit", expected=f"{shape} int64 on {like.device}", got=got)
    if index.numel():
        low, high = (int(v) for v in index.aminmax())
        if low < lowest or high >= count:
            raise InputError(f"{name} out of range", expected=f"{lowest}..{count - 1}", got=f"{low}..{high}")
