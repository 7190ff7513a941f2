"""Images from a prior alone: what it would draw for a prompt, seen from given cameras."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.diffusion import add_noise, cfg_combine, denoising_walk
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
        return cfg_combine(uncond, prior.denoise(z, t, condition, cameras), guidance_scale)

    levels = [torch.full((batch,), level * (1 - i / steps), device=device) for i in range(steps)]
    z = noise()
    if start is not None:
        z = add_noise(start, z, *prior.alpha_sigma(levels[0]))
    return denoising_walk(z, levels, answer, prior.alpha_sigma, noise)
