"""What an object is made of, as colours that depend on the place in it: solid textures (Peachey 1985, Perlin
1985), cut open by the surface, so that grain and veins run on over every edge and seam."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.material_words import Finish

SolidName = Literal["clay", "gold", "silver", "bronze", "wood", "stone", "marble", "glass"]
Paint = Callable[[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]], Float[np.ndarray, "N 3"]]

DARKEST, LIGHTEST = 0.55, 1.05  # times a material's linear colour, where the object's own is black or white


class Solid(NamedTuple):
    """sRGB [N,3] at places [N,3] in a box whose longest side is 2, of an object with its own colours [N,3];
    metal and roughness; and the share of light that goes through."""

    paint: Paint
    finish: Finish
    transmission: float = 0.0


def in_solid(name: SolidName, box: Float[np.ndarray, "V 3"], x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The colours, sRGB in 0..1, of an object with corners `box` at places x [N,3], where it had its `own`.

    What was light stays lighter than what was dark, so that parts can be told apart. The same everywhere
    and every time.
    """
    low, high = box.min(0), box.max(0)
    place = (x - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-30)
    return SOLIDS[name].paint(place, own).clip(0, 1)


def _plain(*color: float) -> Paint:
    return lambda x, own: _shaded(np.broadcast_to(color, x.shape), own)


def _shaded(color: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A colour, darker and lighter as the object's own are."""
    light = linear_to_srgb(srgb_to_linear(own.clip(0, 1)) @ [0.2126, 0.7152, 0.0722])
    return linear_to_srgb(
        srgb_to_linear(color.clip(0, 1)) * (DARKEST + (LIGHTEST - DARKEST) * light)[:, None]
    )


def _mixed(share: np.ndarray, first: tuple[float, ...], second: tuple[float, ...]) -> np.ndarray:
    """From the first colour, at 0, to the second, at 1."""
    return np.asarray(first) + share.clip(0, 1)[:, None] * (np.asarray(second) - np.asarray(first))


def _wood(x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A trunk that stands a little beside the object: rings that darken slowly and end at once, and fibres
    along it."""
    off = x + 0.07 * np.stack([turbulence(x * [1.3, 0.5, 1.3] + k, 2) for k in (0, 7, 13)], -1)
    rings = np.hypot(off[:, 0] - 0.35, off[:, 2] + 0.5) * 8
    late = (rings % 1) ** 3 * (1 - _step(rings % 1, 0.93, 1.0))
    fibre = noise(x * [70, 3, 70])
    return _shaded(_mixed(0.15 + 0.7 * late + 0.12 * fibre, (0.83, 0.62, 0.39), (0.48, 0.28, 0.14)), own)


def _stone(x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Granite: cloudy grey with dark and light grains."""
    grains = noise(x * 34) + 0.5 * noise(x * 61 + 5)
    dark, light = _step(-grains, 0.45, 0.8), _step(grains, 0.45, 0.8)
    share = 0.5 + 0.45 * turbulence(x * 3, 4) + 0.3 * (light - dark)
    return _shaded(_mixed(share, (0.36, 0.35, 0.34), (0.80, 0.78, 0.75)), own)


def _marble(x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """White with grey veins where a bent wave passes through 0 (Perlin 1985)."""
    bent = turbulence(x * 1.8, 5)
    wave = np.abs(np.sin(np.pi * (x @ [0.9, 1.3, 0.6] + 1.6 * bent)))
    fine = np.abs(np.sin(np.pi * (x @ [-1.7, 1.1, 2.0] + 2.2 * bent)))
    veins = np.maximum(0.9 * (1 - wave) ** 5, 0.45 * (1 - fine) ** 9)
    return _shaded(_mixed(veins + 0.08 * (1 + bent), (0.96, 0.95, 0.93), (0.36, 0.37, 0.42)), own)


def _glass(x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The object's own colours, half as strong."""
    return linear_to_srgb(0.5 + 0.5 * srgb_to_linear(own.clip(0, 1)))


SOLIDS: dict[SolidName, Solid] = {
    "clay": Solid(_plain(0.80, 0.68, 0.59), Finish(0.0, 0.9)),
    "gold": Solid(_plain(1.0, 0.80, 0.40), Finish(1.0, 0.25)),
    "silver": Solid(_plain(0.93, 0.93, 0.92), Finish(1.0, 0.25)),
    "bronze": Solid(_plain(0.76, 0.52, 0.30), Finish(1.0, 0.4)),
    "wood": Solid(_wood, Finish(0.0, 0.7)),
    "stone": Solid(_stone, Finish(0.0, 0.9)),
    "marble": Solid(_marble, Finish(0.0, 0.25)),
    "glass": Solid(_glass, Finish(0.0, 0.05), 0.9),
}


def noise(x: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Smooth values in -1..1 of which neighbours differ from a distance of 1 on: those of a lattice of
    hashed numbers, blended with a slope of 0 at its corners."""
    cell = np.floor(x)
    way = x - cell
    way = way * way * way * (way * (way * 6 - 15) + 10)
    corners, total = cell.astype(np.int64), np.zeros(len(x))
    for offset in product((0, 1), repeat=3):
        weight = np.where(offset, way, 1 - way).prod(1)
        total += weight * _hashed(corners + offset)
    return total


def _hashed(cells: np.ndarray) -> np.ndarray:
    """A number in -1..1 for each whole place, that looks like chance: multiplied and folded in 32 bits."""
    word = (cells.astype(np.uint64) * np.array([0x8DA6B343, 0xD8163841, 0xCB1AB31F], np.uint64)).sum(1)
    word &= np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = ((word ^ (word >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (word ^ (word >> np.uint64(16))) / 2.0**31 - 1


def turbulence(x: Float[np.ndarray, "N 3"], octaves: int) -> Float[np.ndarray, " N"]:
    """Noise and finer noise, each octave half as strong; in -1..1, mostly in the middle."""
    layers = [noise(x * 2.0**k + 17 * k) / 2.0**k for k in range(octaves)]
    return np.sum(layers, 0) / (2 - 0.5 ** (octaves - 1))


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """From 0 below `low` to 1 above `high`, without corners."""
    share = ((x - low) / (high - low)).clip(0, 1)
    return share * share * (3 - 2 * share)
