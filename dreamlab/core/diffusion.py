"""The mathematics of diffusion that priors and guidance share: levels, conversions, scales, one loss.

Notation everywhere: z = alpha * x + sigma * eps, the noise level t in (0, 1) with 1 the noisiest. Whatever a
network predicts, it is turned into x0_hat, its idea of the clean image; for given z and t the predictions
eps, v and flow are affine functions of x0_hat, so that combinations with weights that sum to one (guidance,
Perp-Neg) may be made on x0_hat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

Level = Float[Tensor, " B"]
Image = Float[Tensor, "B C h w"]
Weighting = Literal["uniform", "noise", "sigma2", "velocity", "min_snr"]


def per_image(values: Level, like: Tensor) -> Tensor:
    """Numbers [B] shaped so that they multiply images [B, ...]."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


# ---- what networks predict, and x0_hat ----


def add_noise(x: Image, noise: Image, alpha: Level, sigma: Level) -> Image:
    """z = alpha * x + sigma * noise."""
    return per_image(alpha, x) * x + per_image(sigma, x) * noise


def x0_from_noise(z: Image, noise: Image, alpha: Level, sigma: Level) -> Image:
    """x0_hat of a network that predicts noise: (z - sigma * eps) / alpha."""
    return (z - per_image(sigma, z) * noise) / per_image(alpha, z)


def noise_from_x0(z: Image, x0: Image, alpha: Level, sigma: Level) -> Image:
    """The noise that x0_hat implies: (z - alpha * x0) / sigma."""
    return (z - per_image(alpha, z) * x0) / per_image(sigma, z)


def x0_from_v(z: Image, v: Image, alpha: Level, sigma: Level) -> Image:
    """x0_hat of a v-network, v = alpha * eps - sigma * x (Salimans & Ho 2022, appendix D), alpha^2 + sigma^2
    = 1.
    """
    return per_image(alpha, z) * z - per_image(sigma, z) * v


def v_from_x0(z: Image, x0: Image, alpha: Level, sigma: Level) -> Image:
    """The v that x0_hat implies."""
    return (per_image(alpha, z) * z - x0) / per_image(sigma, z)


def x0_from_flow(z: Image, flow: Image, alpha: Level, sigma: Level) -> Image:
    """x0_hat of a flow network, flow = eps - x (Liu et al. 2023): (z - sigma * flow) / (alpha + sigma)."""
    return (z - per_image(sigma, z) * flow) / per_image(alpha + sigma, z)


def flow_from_x0(z: Image, x0: Image, alpha: Level, sigma: Level) -> Image:
    """The flow that x0_hat implies: eps_hat - x0_hat."""
    return noise_from_x0(z, x0, alpha, sigma) - x0


def ddim_step(z: Image, x0: Image, now: tuple[Level, Level], then: tuple[Level, Level]) -> Image:
    """One deterministic step between two (alpha, sigma), either way (DDIM: Song et al. 2021, eq. 12 with eta
    0).
    """
    return add_noise(x0, noise_from_x0(z, x0, *now), *then)


def ancestral_step(
    z: Image, x0: Image, now: tuple[Level, Level], then: tuple[Level, Level], fresh: Image, eta: float = 1.0
) -> Image:
    """One step towards less noise of which a share is sampled anew (DDIM: Song et al. 2021, eq. 12 and 16).

    eta 0 is `ddim_step`; 1 is DDPM's ancestral sampling, which forgets the errors of earlier steps. fresh:
    standard normal noise like z.
    """
    ratio = (then[1] / now[1]) * (1 - (now[0] / then[0]).square()).clamp_min(0).sqrt()
    new = per_image(eta * ratio, z)
    kept = (per_image(then[1], z).square() - new.square()).clamp_min(0).sqrt()
    return per_image(then[0], z) * x0 + kept * noise_from_x0(z, x0, *now) + new * fresh


def denoising_walk(
    z: Image,
    levels: Sequence[Level],
    answer: Callable[[Image, Level], Image],
    alpha_sigma: Callable[[Level], tuple[Level, Level]],
    fresh: Callable[[Image], Tensor],
    eta: float = 1.0,
) -> Image:
    """The clean image at the end of a walk from z at levels[0] down to levels[-1], in ancestral steps.

    answer(z, t) is x0_hat, the last one is returned; fresh(z) samples standard normal noise like z.
    """
    x0 = answer(z, levels[0])
    for now, then in pairwise(levels):
        z = ancestral_step(z, x0, alpha_sigma(now), alpha_sigma(then), fresh(z), eta)
        x0 = answer(z, then)
    return x0


# ---- guidance scales ----


def cfg_combine(uncond: Tensor, cond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022): uncond + scale * (cond - uncond).

    Scale 1 is the plain conditional answer. Papers that write (1 + w) * cond - w * uncond mean scale = 1 + w.
    """
    return uncond + scale * (cond - uncond)


def cfg_rescale(guided: Image, cond: Image, amount: float, views: int = 1) -> Image:
    """Give guided images back the spread of the unguided ones (Lin et al. 2024, eq. 15-16; MVDream on
    x0_hat).

    amount 0 leaves them, 1 matches the standard deviation wholly. The deviation is taken over each group of
    `views` consecutive images, as MVDream does for its four views.
    """
    if amount == 0.0:
        return guided
    spread = cond.reshape(-1, views * cond[0].numel()).std(dim=1)
    got = guided.reshape(-1, views * guided[0].numel()).std(dim=1)
    factor = (spread / got.clamp_min(1e-8)).repeat_interleave(views)
    return (amount * per_image(factor, guided) + (1.0 - amount)) * guided


def perpendicular(a: Image, b: Image) -> Image:
    """The part of a at right angles to b, image by image (Perp-Neg: Armandpour et al. 2023, eq. 8)."""
    dims = tuple(range(1, a.ndim))
    along = (a * b).sum(dims, keepdim=True) / (b * b).sum(dims, keepdim=True).clamp_min(1e-20)
    return a - along * b


# ---- the loss ----


def weight(kind: Weighting, alpha: Level, sigma: Level) -> Level:
    """W of the gradient g = W * (x - x0_hat), for the weightings that papers write in other spaces.

    With r = x - x0_hat and z built from x: eps_hat - eps = (alpha / sigma) r and flow_hat - flow = (alpha +
    sigma) / sigma * r. Hence

    - "uniform":  W = 1, g = r (x0 reconstruction, MVDream; ISM and SDI in their own words).
    - "noise":    W = alpha / sigma, g = eps_hat - eps (SDS with w = 1; SJC with its variance reduction).
    - "sigma2":   W = alpha * sigma, g = sigma^2 (eps_hat - eps) (DreamFusion, ProlificDreamer).
    - "velocity": W = (alpha + sigma) / sigma, g = flow_hat - flow (rectified-flow distillation).
    - "min_snr":  W = min((alpha / sigma)^2, 5) (Hang et al. 2023, eq. 7 for x0): bounded where "noise" runs
      away.
    """
    if kind == "uniform":
        return torch.ones_like(alpha)
    if kind == "noise":
        return alpha / sigma
    if kind == "sigma2":
        return alpha * sigma
    if kind == "velocity":
        return (alpha + sigma) / sigma
    return (alpha / sigma).square().clamp_max(5.0)


def inject(x: Image, gradient: Image) -> Float[Tensor, ""]:
    """A scalar whose gradient to x is gradient / B: 0.5 * ||x - sg(x - gradient)||^2 / B."""
    return 0.5 * (x - (x - gradient).detach()).square().sum() / x.shape[0]


def clip_gradient(gradient: Image, limit: float | None) -> Image:
    """Shorten each image's gradient to a root mean square of at most `limit`; its direction stays."""
    if limit is None:
        return gradient
    rms = gradient.flatten(1).square().mean(dim=1).sqrt()
    return gradient * per_image((limit / rms.clamp_min(1e-12)).clamp_max(1.0), gradient)


def clip_pixels(gradient: Image, limit: float | None) -> Image:
    """Shorten each pixel's gradient, over its channels, to a length of at most `limit`; its direction stays.

    Pixel-wise gradient clipping (Pan et al. 2024). For the residual x - target it is the gradient of Huber's
    loss: what pixels that are far off want counts as a vote, not by how far off they are.
    """
    if limit is None:
        return gradient
    return gradient * (limit / gradient.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1.0)


# ---- noise schedules ----


class NoiseSchedule(Protocol):
    """Signal and noise scale at continuous levels t in (0, 1)."""

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]: ...


@dataclass(frozen=True)
class CosineSchedule:
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2): variance preserving (Nichol & Dhariwal 2021, without
    offset).
    """

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        angle = t * (math.pi / 2)
        return angle.cos(), angle.sin()


@dataclass(frozen=True)
class FlowSchedule:
    """Rectified flow: sigma = shift * t / (1 + (shift - 1) * t), alpha = 1 - sigma (SD3: Esser et al. 2024,
    eq. 23).
    """

    shift: float = 1.0

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        sigma = self.shift * t / (1.0 + (self.shift - 1.0) * t)
        return 1.0 - sigma, sigma


@dataclass(frozen=True)
class DiscreteSchedule:
    """A trained table of cumulative alpha products [T], as DDPM networks have, read at continuous levels.

    Level t is timestep t * T (so 0.02 and 0.98 of 1000 are the steps 20 and 980), at most T - 1. At whole
    timesteps the values are the table's; between them log(alpha / sigma) is interpolated.
    """

    alphas_cumprod: Float[Tensor, " T"]

    def timestep(self, t: Level) -> Level:
        """The (fractional) timestep to tell the network."""
        steps = len(self.alphas_cumprod)
        return (t * steps).clamp(0, steps - 1)

    def level(self, timestep: Tensor) -> Level:
        """The level of timesteps."""
        return timestep / len(self.alphas_cumprod)

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        table = torch.logit(self.alphas_cumprod.to(t.device, torch.float64))
        step = self.timestep(t.double())
        low = step.floor().long()
        high = (low + 1).clamp_max(len(table) - 1)
        logit = torch.lerp(table[low], table[high], step - low)
        return torch.sigmoid(logit).sqrt().to(t.dtype), torch.sigmoid(-logit).sqrt().to(t.dtype)


def scaled_linear_betas(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> Float[Tensor, " T"]:
    """Stable Diffusion's betas: linear in their square roots (Rombach et al. 2022)."""
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64).square()


# ---- which level at which moment ----


def dreamtime_level(progress: float, t_min: float, t_max: float, table: int = 2000) -> float:
    """The level at `progress` such that training time is spread as W(t) (DreamTime: Huang et al. 2024, eq.
    5-6).

    W rests at 1 between 0.5 and 0.8 and falls off as Gaussians of deviation 0.3 above and 0.1 below; the
    level falls monotonically from t_max to t_min, and W says how long it stays at each.
    """
    t = torch.linspace(t_min, t_max, table, dtype=torch.float64)
    above = torch.exp(-((t - 0.8) ** 2) / (2 * 0.3**2))
    below = torch.exp(-((t - 0.5) ** 2) / (2 * 0.1**2))
    density = torch.where(t > 0.8, above, torch.where(t < 0.5, below, torch.ones_like(t)))
    from_top = density.flip(0).cumsum(0)
    spent = (from_top - from_top[0]) / (from_top[-1] - from_top[0])
    return float(
        t.flip(0)[torch.searchsorted(spent, torch.tensor(progress, dtype=torch.float64)).clamp_max(table - 1)]
    )


def scheduled_level(
    kind: Literal["linear", "sqrt", "dreamtime"], progress: float, t_min: float, t_max: float
) -> float:
    """One level for one moment, falling from t_max to t_min as the progress runs 0..1.

    "linear": DreamGaussian and SDI; "sqrt": t_max - (t_max - t_min) * sqrt(progress) (HiFA: Zhu & Zhuang
    2024, eq. 11); "dreamtime": see dreamtime_level.
    """
    progress = min(max(progress, 0.0), 1.0)
    if kind == "dreamtime":
        return dreamtime_level(progress, t_min, t_max)
    fraction = progress if kind == "linear" else math.sqrt(progress)
    return t_max - (t_max - t_min) * fraction
