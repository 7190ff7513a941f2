"""Pictures as the embedded prior's network sees them, and their mean colours."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

RELATIVE_DEPTH_SCALE = 1.5
_HARDLY = 0.05  # opacity near a pixel below which the whole object says more of its colour


def to_model_space(
    premultiplied: Float[Tensor, "B H W 3"],
    opacity: Float[Tensor, "B H W 1"],
    relative_depth: Float[Tensor, "B H W 1"],
) -> Float[Tensor, "B 5 H W"]:
    """Colour and opacity to -1..1, relative depth (-1..1 inside the unit sphere, 0 outside the object)
    stretched likewise.
    """
    return torch.cat(
        [2 * premultiplied - 1, 2 * opacity - 1, RELATIVE_DEPTH_SCALE * relative_depth], dim=-1
    ).movedim(-1, 1)


def from_model_space(
    x: Float[Tensor, "B 5 H W"],
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"], Float[Tensor, "B H W 1"]]:
    """The inverse of `to_model_space`: premultiplied colour, opacity, relative depth."""
    x = x.movedim(1, -1)
    return (x[..., :3] + 1) / 2, (x[..., 3:4] + 1) / 2, x[..., 4:] / RELATIVE_DEPTH_SCALE


def mean_color(
    x: Float[Tensor, "B 5 H W"], views: int
) -> tuple[Float[Tensor, "B 3 1 1"], Float[Tensor, "B 1 H W"]]:
    """The mean colour of each group of `views` images' object, 0..1, for every image; and the opacity."""
    shown, opacity = _shown(x)
    light, matter = (part.unflatten(0, (-1, views)).sum((1, 3, 4)) for part in (shown, opacity))
    return (light / matter.clamp_min(1e-3)).repeat_interleave(views, 0)[..., None, None], opacity


def with_mean_color_of(
    x0: Float[Tensor, "B 5 H W"], like: Float[Tensor, "B 5 H W"], views: int, blur: float | None = None
) -> Float[Tensor, "B 5 H W"]:
    """x0 with the mean colour of `like`, each over its object in a group of `views`; the pattern is kept.

    The mean is the sum of premultiplied colour over the sum of opacity, both as far as they can be shown.
    blur: the mean is taken near each pixel instead, with Gaussian weights of this deviation as a share of the
    image's side. Where there is hardly anything near it, that of the whole object takes over.
    """
    (wanted, _), (has, opacity) = mean_color(like, views), mean_color(x0, views)
    if blur is not None:
        wanted, has = _color_nearby(like, blur, wanted), _color_nearby(x0, blur, has)
    return torch.cat([x0[:, :3] + 2 * opacity * (wanted - has), x0[:, 3:]], dim=1)


def _color_nearby(
    x: Float[Tensor, "B 5 H W"], blur: float, of_all: Float[Tensor, "B 3 1 1"]
) -> Float[Tensor, "B 3 H W"]:
    from kornia.filters import gaussian_blur2d

    deviation = blur * x.shape[-1]
    side = 2 * math.ceil(3 * deviation) + 1
    near = gaussian_blur2d(
        torch.cat(_shown(x), 1), (side, side), (deviation, deviation), border_type="constant"
    )
    return (near[:, :3] + _HARDLY * of_all) / (near[:, 3:] + _HARDLY)


def _shown(x: Float[Tensor, "B 5 H W"]) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """Premultiplied colour and opacity as far as they can be shown."""
    premultiplied, opacity, _ = (part.movedim(-1, 1) for part in from_model_space(x))
    opacity = opacity.clamp(0, 1)
    return torch.minimum(premultiplied.clamp_min(0), opacity), opacity
