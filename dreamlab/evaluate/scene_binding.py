"""Does each of two things wear its own colour? "a red mug on a blue table", seen from all sides."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Cameras
from dreamlab.evaluate.asked import Asked
from dreamlab.evaluate.measure import half_colors
from dreamlab.evaluate.prompts import HELD_OUT, render_shape
from dreamlab.studio import shapes

SCENES = 4  # real ones, each also with its colours swapped
_SPLIT = ("on", "under")  # relations in which one thing is above the other


def can_be_bound(asked: Asked) -> bool:
    """Whether a prompt asks for two coloured things one above the other, which generators can draw."""
    if len(asked.things) != 2 or asked.relation not in _SPLIT or len({t.color for t in asked.things}) < 2:
        return False
    return all(t.color for t in asked.things) and real_scene(asked, 0, swapped=False) is not None


def scene_binding(x: Float[Tensor, "views 5 S S"], cameras: Cameras, asked: Asked) -> float:
    """1 where the upper and lower halves are coloured as in real scenes of the prompt, -1 where they are as
    in scenes whose two colours are swapped, 0 half way: the mean, over SCENES, of (far - near) / (far +
    near), near and far the distances of the halves' mean colours from either.

    x: model-space views from the cameras. Only for what `can_be_bound`.
    """
    mine, margins = half_colors(x), []
    for number in range(SCENES):
        right, swapped = (real_scene(asked, number, swap) for swap in (False, True))
        assert right is not None and swapped is not None
        near, far = ((mine - half_colors(render_shape(s, cameras))).norm() for s in (right, swapped))
        margins.append((far - near) / (far + near).clamp_min(1e-9))
    return float(torch.stack(margins).mean())


def real_scene(asked: Asked, number: int, swapped: bool) -> shapes.Shape | None:
    """A procedural scene of the prompt, or of its colours the other way round; None where there is none."""
    words = {color.word: color for color in shapes.COLORS}
    first, second = asked.things
    colors = (
        (words[second.color], words[first.color]) if swapped else (words[first.color], words[second.color])
    )
    rng = np.random.default_rng((HELD_OUT, 23, number))
    try:
        return shapes.scene(rng, asked.relation, (first.noun, second.noun), colors)
    except ValueError:  # these two cannot stand so
        return None
