"""Images from a prior alone: what it would draw for a prompt, seen from given cameras."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.diffusion import cfg_combine, ddim_step
from dreamlab.types import Cameras, Condition, Prior


@torch.no_grad()
def sample(
    prior: Prior,
    condition: Condition,
    null: Condition,
    cameras: Cameras | None,
    *,
    steps: int = 25,
    guidance_scale: float = 4.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B C h w"]:
    """Deterministic DDIM from pure noise (Song et al. 2021), guided away from the answer without text and
    camera.

    condition and null hold B rows each. Returns B images in the prior's own space.
    """
    batch, side = len(condition), prior.resolution
    device = condition.tokens.device
    z = torch.randn(batch, prior.channels, side, side, generator=generator).to(device)
    levels = torch.linspace(0.995, 0.005, steps + 1, device=device)
    x0 = z
    for now, then in pairwise(levels.expand(batch, -1).T):
        cond = prior.denoise(z, now, condition, cameras)
        uncond = prior.denoise(z, now, null, None)
        x0 = cfg_combine(uncond, cond, guidance_scale).clamp(-1.3, 1.6)
        z = ddim_step(z, x0, prior.alpha_sigma(now), prior.alpha_sigma(then))
    return x0
