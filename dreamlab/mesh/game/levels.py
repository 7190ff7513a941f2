"""Levels of detail: one object with fewer faces and smaller textures each, and textures as GPUs like them."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.rework import rework
from dreamlab.mesh.surface.clean import SimplifyConfig

log = logging.getLogger(__name__)

FEWEST = 60  # faces of a level: below, an object is a lump
SMALLEST = 64  # pixels along a side of a level's texture
COLOR_WEIGHT = 0.01  # of colours at corners: enough to keep borders between them
LESS = 0.9  # of the faces of the level before: what is not below that is no level


def levels_of(mesh: Mesh, count: int) -> list[Mesh]:
    """The mesh and `count` - 1 lighter ones: each of half the faces of the one before, with textures of half
    the side, of the kinds that the mesh has, baked from it. All have sides of powers of two.

    There are fewer where a level would have less than FEWEST faces or could not be made lighter: it is said.
    """
    whole = with_power_of_two(mesh)
    sides = [max(image.shape[:2]) for _, image in whole.textures]
    out = [whole]
    for level in range(1, count):
        budget = len(mesh.faces) >> level
        if budget < FEWEST:
            log.warning("levels of detail end at %d: the next would have %d faces", level - 1, budget)
            break
        side = max(SMALLEST, max(sides) >> level) if sides else None
        lighter = rework(whole, SimplifyConfig(faces=budget, color_weight=COLOR_WEIGHT), side)
        if len(lighter.faces) > LESS * len(out[-1].faces):
            log.warning("levels of detail end at %d: the mesh gets no lighter", level - 1)
            break
        kinds = {name for name, _ in whole.textures}  # a normal map that only it had would cost more than it
        out.append(replace(lighter, textures=tuple(t for t in lighter.textures if t[0] in kinds)))
    return out


def with_power_of_two(mesh: Mesh) -> Mesh:
    """The mesh with every side of its textures the nearest power of two: GPUs make no good mipmaps of others,
    and block compression takes none."""
    return replace(mesh, textures=tuple((name, _power_of_two(image)) for name, image in mesh.textures))


def _power_of_two(image: torch.Tensor) -> torch.Tensor:
    height, width = (1 << max(0, round(np.log2(side))) for side in image.shape[:2])
    if (height, width) == tuple(image.shape[:2]):
        return image
    from PIL import Image

    planes = [Image.fromarray(plane).resize((width, height)) for plane in np.moveaxis(image.numpy(), -1, 0)]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes], -1))
