"""bench_real_models: a prior whose passes are all made, and whose pictures are those of a toy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import trimesh
from torch import Tensor

from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.true_pictures import TruePicturesConfig, TruePicturesPrior
from dreamlab.priors.diffusers.base import PretrainedPrior
from dreamlab.priors.embedded.model_space import from_model_space

_GREY = 0.5  # of the background, as multi-view models paint it
# Radius, squash, centre and colour of balls: a mushroom with a pebble beside it.
_BALLS = (
    (0.5, (1, 0.6, 1), (0, 0.25, 0), (0.8, 0.1, 0.1)),
    (0.4, (0.4, 1, 0.4), (0, -0.3, 0), (0.9, 0.85, 0.7)),
    (0.15, (1, 1, 1), (0, 0.3, 0.45), (1, 1, 1)),
    (0.2, (1, 1, 1), (0.5, -0.5, 0), (0.1, 0.3, 0.8)),
)


@dataclass
class Asked:
    """What the prior was asked so far: images denoised, and seconds of denoising, encoding and
    decoding; and seconds of drawing the toy, which no model would take."""

    images: int = 0
    seconds: float = 0.0
    toy: float = 0.0


def showing_a_toy(prior: PretrainedPrior) -> Asked:
    """Have the prior decode to true pictures of the toy, seen from where it was last asked. It works no
    less."""
    toy = TruePicturesPrior(_toy(), TruePicturesConfig(resolution=min(prior.resolution, 256)))
    asked, seen = Asked(), list[Cameras]()
    inner = {name: getattr(prior, name) for name in ("denoise", "encode", "decode")}

    def timed(name: str, *args: Any) -> Any:
        began = time.perf_counter()
        answer = inner[name](*args)
        asked.seconds += time.perf_counter() - began
        return answer

    def denoise(z: Tensor, t: Tensor, condition: Any, views: Any = None) -> Tensor:
        asked.images += len(z)
        if views is not None:
            seen[:] = [views.cameras]
        return timed("denoise", z, t, condition, views)

    def decode(x: Tensor) -> Tensor:
        timed("decode", x)
        began = time.perf_counter()
        color, opacity = from_model_space(toy.pictures(seen[0][: len(x)]))[:2]
        asked.toy += time.perf_counter() - began
        return color + _GREY * (1 - opacity)

    prior.denoise, prior.decode = denoise, decode  # pyright: ignore[reportAttributeAccessIssue]
    prior.encode = lambda *args: timed("encode", *args)  # pyright: ignore[reportAttributeAccessIssue]
    return asked


def _toy() -> Mesh:
    corners, faces, colors, count = [], [], [], 0
    for radius, squash, centre, color in _BALLS:
        ball = trimesh.creation.icosphere(subdivisions=3, radius=radius)
        corners.append(ball.vertices * np.array(squash) + np.array(centre))
        faces.append(ball.faces + count)
        colors.append(np.tile(color, (len(ball.vertices), 1)))
        count += len(ball.vertices)
    made = (torch.tensor(np.concatenate(part)) for part in (corners, faces, colors))
    vertices, triangles, rgb = made
    return Mesh(vertices.float(), triangles.long(), colors=rgb.float())
