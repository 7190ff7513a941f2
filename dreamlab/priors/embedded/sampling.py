"""Images from a prior alone: what it samples for a prompt, seen from given cameras."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import add_noise, cfg_combine, denoising_walk
from dreamlab.core.types import Cameras, Condition, Views
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.protocols import Prior


@torch.no_grad()
def sample(
    prior: Prior,
    condition: Condition,
    null: Condition,
    cameras: Cameras | None,
    *,
    steps: int = 30,
    guidance_scale: float = 2.0,
    generator: torch.Generator | None = None,
    start: Float[Tensor, "B C h w"] | None = None,
    level: float = 0.99,
) -> Float[Tensor, "B C h w"]:
    """Ancestral sampling from level to nothing, guided away from the answer without text and camera.

    condition and null hold B rows each. It begins with pure noise, or with `start` noised to that level
    (SDEdit: Meng et al. 2022). Returns B images in the prior's own space.
    """
    batch, side = len(condition), prior.resolution
    device = condition.tokens.device

    def noise(_: object = None) -> Tensor:
        return torch.randn(batch, prior.channels, side, side, generator=generator).to(device)

    def answer(z: Tensor, t: Tensor) -> Tensor:
        uncond = prior.denoise(z, t, null, None)
        views = None if cameras is None else Views(z, cameras)
        return cfg_combine(uncond, prior.denoise(z, t, condition, views), guidance_scale)

    levels = [torch.full((batch,), level * (1 - i / steps), device=device) for i in range(steps)]
    z = noise()
    if start is not None:
        z = add_noise(start, z, *prior.alpha_sigma(levels[0]))
    return denoising_walk(z, levels, answer, prior.alpha_sigma, noise)


def sample_in_mean_color(
    prior: EmbeddedPrior,
    condition: Condition,
    null: Condition,
    cameras: Cameras,
    *,
    steps: int = 30,
    guidance_scale: float = 2.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B 5 S S"]:
    """Samples whose mean colour is taken half way to that of the mean pictures.

    Samples tend to black and white; mean pictures know the colour, but not which part of an object wears it,
    so each errs in its own way. B is a multiple of `prior.views_per_group`, as the colour is taken over all
    views of an object.
    """
    x0 = sample(
        prior, condition, null, cameras, steps=steps, guidance_scale=guidance_scale, generator=generator
    )
    return (x0 + prior.with_mean_color_of(x0, prior.mean(condition, cameras))) / 2
