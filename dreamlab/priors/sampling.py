"""Images from a prior alone: what it would draw for a prompt, seen from given cameras."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.diffusion import cfg_combine, denoising_walk
from dreamlab.types import Cameras, Condition, Prior


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
) -> Float[Tensor, "B C h w"]:
    """Ancestral sampling from pure noise, guided away from the answer without text and camera.

    condition and null hold B rows each. Returns B images in the prior's own space.
    """
    batch, side = len(condition), prior.resolution
    device = condition.tokens.device

    def noise(_: object = None) -> Tensor:
        return torch.randn(batch, prior.channels, side, side, generator=generator).to(device)

    def answer(z: Tensor, t: Tensor) -> Tensor:
        uncond = prior.denoise(z, t, null, None)
        return cfg_combine(uncond, prior.denoise(z, t, condition, cameras), guidance_scale)

    levels = [torch.full((batch,), 0.99 * (1 - i / steps), device=device) for i in range(steps)]
    return denoising_walk(noise(), levels, answer, prior.alpha_sigma, noise)
