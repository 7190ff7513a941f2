"""Priors whose data is known, so that x0_hat is exact at every noise level: the ground that methods are
tested on.

If the clean images are a mixture of isotropic Gaussians N(mu_k, s_k^2 I) with weights w_k, then at z = alpha
x + sigma eps

    r_k ~ w_k N(z; alpha mu_k, (alpha^2 s_k^2 + sigma^2) I)
    x0_hat = sum_k r_k [mu_k + alpha s_k^2 / (alpha^2 s_k^2 + sigma^2) (z - alpha mu_k)]

Text and camera choose among the components; nothing is learned and nothing approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import CosineSchedule, NoiseSchedule, per_image
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views


@dataclass(frozen=True)
class Component:
    """One Gaussian N(mean, std^2 I) of the data, mean [C,h,w], and what tells it from the others.

    text: prompts must contain it ("" means any prompt). view: "front", "side", ... for prompts that end in ",
    front view" ("" means any). azimuth: the camera angle it is seen from, radians, or None for every camera.
    """

    mean: Float[Tensor, "C h w"]
    std: float
    weight: float = 1.0
    text: str = ""
    view: str = ""
    azimuth: float | None = None

    def matches(self, prompt: str) -> bool:
        words = prompt.lower()
        names_view = any(f"{view} view" in words for view in ("front", "side", "back", "overhead"))
        return self.text.lower() in words and (
            not self.view or not names_view or f"{self.view} view" in words
        )


class GaussianMixturePrior:
    """Clean images sampled from a Gaussian mixture whose components are tagged with text and camera.

    Images are the first C channels of the render as they are, so a point in the plane is an image [2,1,1].
    The unconditional prompt knows all components; without cameras, azimuths are not looked at.

    Args:
        components: at least one, all of one shape.
        schedule: the noise schedule.
        camera_sharpness: weight of a tagged component is multiplied by exp(sharpness * (cos(difference) -
            1)).
    """

    views_per_group = 1

    def __init__(
        self,
        components: Sequence[Component],
        schedule: NoiseSchedule | None = None,
        camera_sharpness: float = 8.0,
    ) -> None:
        self.components, self.camera_sharpness = tuple(components), camera_sharpness
        self.schedule = schedule or CosineSchedule()
        self.means = torch.stack([c.mean for c in components])
        self.channels, self.resolution = self.means.shape[1], self.means.shape[-1]
        self._std = torch.tensor([c.std for c in components], dtype=torch.float64)
        self._log_weight = torch.tensor([c.weight for c in components], dtype=torch.float64).log()

    def embed(self, prompts: Sequence[str]) -> Condition:
        """Tokens [B,1,K]: 1 for the components that a prompt allows, 0 for the others."""
        flags = torch.tensor([[float(c.matches(p) or not p) for c in self.components] for p in prompts])
        for prompt, row in zip(prompts, flags, strict=True):
            if not row.any():
                known = ", ".join(sorted({repr(c.text) for c in self.components}))
                raise InputError(f"no component answers to the prompt {prompt!r}", expected=known)
        return Condition(flags[:, None], torch.ones(len(prompts), 1, dtype=torch.bool))

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        return Views(render.rgb[..., : self.channels].permute(0, 3, 1, 2), cameras)

    def alpha_sigma(self, t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        return self.schedule.alpha_sigma(t)

    def denoise(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """The exact mean of the clean image given z_t."""
        alpha, sigma = self.alpha_sigma(t)
        log_weight = self._log_weights(condition, None if views is None else views.cameras)
        return mixture_mean(z_t, alpha, sigma, self.means.to(z_t), self._std.to(z_t), log_weight.to(z_t))

    def denoise_with_image(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        image: Float[Tensor, "B C h w"],
        views: Views | None = None,
        image_noise: float = 0.5,
    ) -> Float[Tensor, "B C h w"]:
        """The mean given z_t and a picture of the same thing, image = x + image_noise * eps'.

        Two Gaussian measurements of x with precisions alpha^2 / sigma^2 and 1 / image_noise^2 are one with
        their sum.
        """
        alpha, sigma = self.alpha_sigma(t)
        snr, other = (alpha / sigma).square(), 1.0 / image_noise**2
        total = snr + other
        joined = (per_image(snr / alpha, z_t) * z_t + other * image) / per_image(total, z_t)
        log_weight = self._log_weights(condition, None if views is None else views.cameras)
        one, noise = torch.ones_like(alpha), total.rsqrt()
        return mixture_mean(joined, one, noise, self.means.to(z_t), self._std.to(z_t), log_weight.to(z_t))

    def log_density(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        cameras: Cameras | None = None,
    ) -> Float[Tensor, " B"]:
        """log p_t(z_t); its gradient is the score, (alpha x0_hat - z_t) / sigma^2."""
        alpha, sigma = self.alpha_sigma(t)
        log_weight = torch.log_softmax(self._log_weights(condition, cameras).to(z_t), dim=1)
        return _log_likelihood(
            z_t, alpha, sigma, self.means.to(z_t), self._std.to(z_t), log_weight
        ).logsumexp(dim=1)

    def sample(
        self, condition: Condition, generator: torch.Generator, cameras: Cameras | None = None
    ) -> Float[Tensor, "B C h w"]:
        """One clean image for each condition."""
        chance = torch.softmax(self._log_weights(condition, cameras), dim=1)
        index = torch.multinomial(chance, 1, generator=generator)[:, 0]
        mean = self.means[index]
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        return mean + per_image(self._std[index], mean) * noise

    def _log_weights(self, condition: Condition, cameras: Cameras | None) -> Float[Tensor, "B K"]:
        weights = self._log_weight.cpu() + condition.tokens[:, 0].double().cpu().log()
        if cameras is not None:
            tagged = torch.tensor([c.azimuth is not None for c in self.components])
            azimuth = torch.tensor([c.azimuth or 0.0 for c in self.components], dtype=torch.float64)
            apart = cameras.azimuth.double().cpu()[:, None] - azimuth
            weights = weights + torch.where(tagged, self.camera_sharpness * (apart.cos() - 1.0), 0.0)
        return weights


class TargetImagesPrior:
    """A prior that knows one object from N known views, and nothing else: distilling it must bring that
    object back.

    Given cameras, the views near them (by direction from the origin) are the likely ones; without, all are
    alike. The prompt is not looked at. Three channels compare what is seen over its background, four the
    object's premultiplied colour and its opacity; the model's space is 2 * value - 1.

    Args:
        images: [N,C,h,h] in 0..1, C = 3 or 4.
        cameras: the N cameras that saw them.
        sharpness: log weight per unit of cosine between directions; high means the nearest view alone.
    """

    views_per_group = 1

    def __init__(
        self,
        images: Float[Tensor, "N C h w"],
        cameras: Cameras,
        schedule: NoiseSchedule | None = None,
        sharpness: float = 500.0,
    ) -> None:
        if images.shape[1] not in (3, 4):
            raise InputError(
                "target images have a wrong number of channels", expected="3 or 4", got=str(images.shape[1])
            )
        if len(images) != len(cameras):
            raise InputError(
                "every target image needs its camera",
                expected=f"{len(images)} cameras",
                got=str(len(cameras)),
            )
        self.images, self.schedule, self.sharpness = images * 2 - 1, schedule or CosineSchedule(), sharpness
        self.directions = F.normalize(cameras.c2w[:, :3, 3], dim=-1)
        self.channels, self.resolution = images.shape[1], images.shape[-1]

    def embed(self, prompts: Sequence[str]) -> Condition:
        return Condition(torch.zeros(len(prompts), 1, 1), torch.ones(len(prompts), 1, dtype=torch.bool))

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        picture = render.rgb
        if self.channels == 4:
            picture = torch.cat([render.premultiplied, render.opacity], dim=-1)
        x = picture.permute(0, 3, 1, 2)
        if x.shape[-1] != self.resolution:
            x = F.interpolate(x, size=(self.resolution, self.resolution), mode="bilinear", antialias=True)
        return Views(x * 2 - 1, cameras)

    def alpha_sigma(self, t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        return self.schedule.alpha_sigma(t)

    def denoise(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """The exact mean of the clean view given z_t: a weighted mean of the known views."""
        alpha, sigma = self.alpha_sigma(t)
        images = self.images.to(z_t)
        log_weight = z_t.new_zeros(len(z_t), len(images))
        if views is not None:
            towards = F.normalize(views.cameras.c2w[:, :3, 3].to(z_t), dim=-1)
            log_weight = self.sharpness * (towards @ self.directions.to(z_t).T - 1.0)
        return mixture_mean(z_t, alpha, sigma, images, images.new_zeros(len(images)), log_weight)


def _log_likelihood(
    z: Float[Tensor, "B C h w"],
    alpha: Float[Tensor, " B"],
    sigma: Float[Tensor, " B"],
    means: Float[Tensor, "K C h w"],
    std: Float[Tensor, " K"],
    log_weight: Float[Tensor, "B K"],
) -> Float[Tensor, "B K"]:
    """log of w_k N(z; alpha mu_k, (alpha^2 s_k^2 + sigma^2) I), up to (2 pi)^(-D/2)."""
    flat, centres = z.flatten(1), means.flatten(1)
    variance = (alpha[:, None] * std).square() + sigma[:, None].square()
    # Expanded square: B x K x D is never held.
    a = alpha[:, None]
    cross = flat @ centres.T
    square = (flat * flat).sum(1)[:, None] - 2 * a * cross + a * a * (centres * centres).sum(1)
    return log_weight - 0.5 * square / variance - 0.5 * flat.shape[1] * variance.log()


def mixture_mean(
    z: Float[Tensor, "B C h w"],
    alpha: Float[Tensor, " B"],
    sigma: Float[Tensor, " B"],
    means: Float[Tensor, "K C h w"],
    std: Float[Tensor, " K"],
    log_weight: Float[Tensor, "B K"],
) -> Float[Tensor, "B C h w"]:
    """E[x | z] for a mixture of isotropic Gaussians; log_weight need not be normalised (see the module's
    head).
    """
    alpha, sigma = alpha.to(z), sigma.to(z)
    share = torch.softmax(_log_likelihood(z, alpha, sigma, means, std, log_weight), dim=1)
    gain = alpha[:, None] * std.square() / ((alpha[:, None] * std).square() + sigma[:, None].square())
    kept = share * (1.0 - gain * alpha[:, None])
    mean = (kept @ means.flatten(1)).reshape(z.shape)
    return mean + per_image((share * gain).sum(1), z) * z
