"""The object of a picture without what stands behind it: by its alpha, cut out of a plain background, or as a
network sees it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from dreamlab.core.errors import InputError
from dreamlab.mesh.texture.palette import lab_of, rgb_of
from dreamlab.pictures.saliency import salient_opacity, why_not

CLEAR = 250  # alpha below which a pixel says that the picture has an alpha of its own
PLAIN = 0.6  # share of the border that must be of the background's colour
NEAR, FAR = 6.0, 14.0  # distances in Lab from the background: what lies farther is no border, no background
BAND = 2  # pixels on both sides of an outline that may show both
LEAST = 0.001  # share of the picture that an object has at least; less is dust
_SPECK = 0.02  # share of the largest part below which another is dust
SOLID = 0.95  # opacity from which a pixel shows nothing but the object, by a network
_MEND = "Give a picture with an alpha channel, such as a PNG whose background was removed"


class CutOut(NamedTuple):
    """Premultiplied sRGB and opacity, 0..1; and what told the background: "alpha", "plain" or "network"."""

    premultiplied: Float[np.ndarray, "H W 3"]
    opacity: Float[np.ndarray, "H W"]
    by: str


def cut_out(rgba: UInt8[np.ndarray, "H W 4"], name: str) -> CutOut:
    """The object of a picture, by its alpha if it has one, else off a plain background, else `by_network`.

    name: what errors call the picture. Raises InputError where nothing is seen, or nothing but background,
    and where the background is not plain and no network is there.
    """
    color, alpha = rgba[..., :3].astype(np.float32) / 255, rgba[..., 3].astype(np.float32) / 255
    if int(rgba[..., 3].min()) < CLEAR:
        opacity, by = alpha * _large_parts(alpha > 0.5), "alpha"
        premultiplied = color * opacity[..., None]
        empty = "it is transparent everywhere"
    else:
        lab = lab_of(color).astype(np.float32)
        plain, behind = _plane_of_border(lab)
        if plain >= PLAIN:
            premultiplied, opacity = off_plain_background(color, lab, behind)
            by, empty = "plain", "it is of one colour everywhere"
        else:
            premultiplied, opacity = by_network(color, name, plain)
            by, empty = "network", "the network sees none"
    if (opacity > 0.5).mean() < LEAST or (opacity > 0.5).sum() < 4:
        raise InputError(f"the picture {name} shows no object", got=empty, mend="Give another picture")
    return CutOut(premultiplied, opacity, by)


def off_plain_background(
    color: Float[np.ndarray, "H W 3"], lab: Float[np.ndarray, "H W 3"], behind: Float[np.ndarray, "H W 3"]
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Premultiplied colour and opacity of what stands before a plain background.

    color: the picture in sRGB; lab: the same in Lab; behind: the background in Lab, one colour or one that
    changes evenly. What is joined to the border and within FAR of it is background; patches of its colour
    inside the object stay. Along the outline a pixel shows both, C = opacity F + (1 - opacity) B with the
    colour F of the nearest pixel well inside, and B's share is taken out.
    """
    from skimage.measure import label

    parts = np.asarray(label(np.linalg.norm(lab - behind, axis=-1) < FAR, connectivity=1))
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    inside = ~np.isin(parts, np.unique(edge[edge > 0]))
    back = rgb_of(behind).astype(np.float32)
    opacity = _along_outline(color, back, inside) * _large_parts(inside)
    return np.clip(color - (1 - opacity[..., None]) * back, 0, opacity[..., None]), opacity


def by_network(
    color: Float[np.ndarray, "H W 3"], name: str, plain: float
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Premultiplied colour and opacity of what a network takes for the object, see `salient_opacity`.

    Along the outline, where the background cannot be known, the colour is that of the nearest pixel that
    shows the object alone.

    plain: share of the border that is of one colour, for the error. Raises InputError where there is no
    network.
    """
    from scipy.ndimage import binary_erosion

    if missing := why_not():
        raise InputError(
            f"the picture {name} has no plain background to cut the object out of",
            expected=f"one colour along {PLAIN:.0%} of its border",
            got=f"{plain:.0%}",
            mend=f"{_MEND}; or have a network find it: {missing}",
        )
    opacity = salient_opacity(color)
    opacity = opacity * _large_parts(opacity > 0.5)
    core = np.asarray(binary_erosion(opacity >= SOLID), bool)
    if core.any():
        near, inner = _nearest_of(core, color)
        color = np.where(near[..., None], inner, color)
    return color * opacity[..., None], opacity


def _along_outline(
    color: Float[np.ndarray, "H W 3"], back: Float[np.ndarray, "H W 3"], inside: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"]:
    """The opacity of a mask's pixels, and of those that touch it: of C between B and F, the share of F."""
    from scipy.ndimage import binary_dilation, binary_erosion

    core: np.ndarray = np.asarray(binary_erosion(inside, iterations=BAND), bool)
    solid = inside.astype(np.float32)
    if not core.any():
        return solid
    near, inner = _nearest_of(core, color)  # thin parts have no inside, and stay
    band = np.asarray(binary_dilation(inside)) & ~core & near
    front = inner[band] - back[band]
    share = ((color[band] - back[band]) * front).sum(-1) / np.maximum((front**2).sum(-1), 1e-6)
    solid[band] = share.clip(0, 1)
    return solid


def _nearest_of(
    core: Bool[np.ndarray, "H W"], color: Float[np.ndarray, "H W 3"]
) -> tuple[Bool[np.ndarray, "H W"], Float[np.ndarray, "H W 3"]]:
    """Which pixels are near the core, which is not empty; and for every pixel the colour of the nearest one
    in it."""
    from scipy.ndimage import distance_transform_edt

    found: Any = distance_transform_edt(~core, return_indices=True)
    away, (rows, columns) = found
    return away <= 2 * BAND, color[rows, columns]


def _plane_of_border(lab: Float[np.ndarray, "H W 3"]) -> tuple[float, Float[np.ndarray, "H W 3"]]:
    """The share of the border whose colour lies on a plane in Lab over the picture, and that plane at every
    pixel: fitted again to those that lie near, unless they are fewer than PLAIN."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    terms = np.stack([np.ones_like(x), 2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], -1)
    border = np.zeros((height, width), bool)
    border[[0, -1]], border[:, [0, -1]] = True, True
    rows, colors = terms[border], lab[border]
    plane = np.concatenate([np.median(colors, 0)[None], np.zeros((2, 3), lab.dtype)])
    share = 1.0
    for reach in (2 * FAR, FAR, NEAR):
        near = np.linalg.norm(colors - rows @ plane, axis=-1) < reach
        share = float(near.mean())
        if share < PLAIN:
            break
        plane = np.linalg.lstsq(rows[near], colors[near], rcond=None)[0]
    return share, (terms @ plane).astype(np.float32)


def _large_parts(solid: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """1 at and around the connected parts that are no dust, 0 elsewhere."""
    from scipy.ndimage import binary_dilation
    from skimage.measure import label

    parts = np.asarray(label(solid, connectivity=2))
    sizes = np.bincount(parts.ravel())[1:]
    if not len(sizes):
        return np.zeros(solid.shape, np.float32)
    kept = np.flatnonzero(sizes >= _SPECK * sizes.max()) + 1
    return binary_dilation(np.isin(parts, kept), iterations=2).astype(np.float32)
