"""Sample sheets: what a prior samples for prompts, from eight sides, in colour and as relative depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Cameras
from dreamlab.evaluate.prompts import ring
from dreamlab.priors.embedded.model_space import from_model_space
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.embedded.sampling import sample_in_mean_color


def write_sheet(
    prior: EmbeddedPrior,
    prompts: Sequence[str],
    path: Path,
    *,
    guidance_scale: float = 2.0,
    steps: int = 30,
    seed: int = 0,
    zoom: int = 2,
) -> None:
    """One PNG: a row of colours over a row of relative depth for every prompt; columns are azimuths 0, 90,
    180, 270, 45, …

    The first four columns were sampled together, looking at each other, and so were the last four.
    """
    rings: list[Cameras] = [ring(4, turn) for turn in (0.0, math.pi / 4)]
    rows = []
    for prompt in prompts:
        condition, null = prior.embed([prompt])[[0] * 4], prior.embed([""])[[0] * 4]
        generator = torch.Generator().manual_seed(seed)
        views = [
            sample_in_mean_color(
                prior,
                condition,
                null,
                cameras,
                steps=steps,
                guidance_scale=guidance_scale,
                generator=generator,
            )
            for cameras in rings
        ]
        rows.append(torch.cat(views))
    save_rows(rows, path, zoom)


def save_rows(rows: Sequence[Float[Tensor, "n 5 S S"]], path: Path, zoom: int = 2) -> None:
    """One PNG of model-space pictures on grey, each row over its relative depth."""
    from PIL import Image

    bands = []
    for x in rows:
        color, opacity, relative_depth = from_model_space(x)
        on_grey = color + (1 - opacity.clamp(0, 1)) * 0.85
        bands += [
            torch.cat(list(on_grey), 1),
            torch.cat(list(relative_depth.expand(-1, -1, -1, 3) / 2 + 0.5), 1),
        ]
    pixels = (torch.cat(bands).clamp(0, 1) * 255).round().byte().numpy()
    image = Image.fromarray(pixels)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
