"""What every distillation method shares: settings, noise levels, passes over the prior, the result.

Residuals. A method says in which direction x should move as a residual r in the units of a clean image, and
the gradient is g = W(t) * r (see dreamlab.core.diffusion.weight). For SDS r = x - x0_hat. Methods that papers
write as a difference of two noise predictions use r = (sigma / alpha) * (eps_1 - eps_2), so that one
weighting means the same thing everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.diffusion import (
    Weighting,
    add_noise,
    cfg_combine,
    cfg_rescale,
    clip_gradient,
    inject,
    per_image,
    perpendicular,
    scheduled_level,
    weight,
)
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, Condition, GuidanceOut, Prior, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.query import (
    DenoiseQuery,
    HasConditionalMean,
    Image,
    denoise_batched,
    require_conditional_mean,
    views_per_group,
)


class MethodConfig(BaseModel):
    """Settings that all methods know.

    guidance_scale: text guidance as cfg_combine means it (1 = none; DreamFusion's w = 100 is 101).
    camera_guidance_scale: for priors that know cameras, how much the camera is exaggerated; the reference is
        then the prior's answer without text and without camera. None guides by text alone. Equal to
        guidance_scale it costs no third pass.
    cfg_rescale: 0..1, how far guided images get the spread of unguided ones.
    colour_guidance_scale: for priors that know mean pictures, guidance of the object's mean colour, which is
        then the mean picture's. None guides it with the rest; but where z tells the whole colour already,
        guidance adds nothing to it but bias, and red drifts to pink. Ours.
    perp_neg: repel the prompt's other views (four passes); for single-view priors with view-dependent
    prompts.
    t_min, t_max: the noise levels drawn from, as they move over the stage.
    levels: "random" draws between t_min and t_max; "linear", "sqrt" and "dreamtime" walk from t_max to t_min.
    shared_t: one level for all views of a step; else one for each view (each group of a multi-view prior).
    weighting: W(t), see dreamlab.core.diffusion.weight.
    grad_clip: longest gradient of an image, as a root mean square, or None.
    max_batch: most images in one pass over the prior, or None for all at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    guidance_scale: float = Field(default=7.5, ge=0.0)
    camera_guidance_scale: float | None = Field(default=None, ge=0.0)
    cfg_rescale: float = Field(default=0.0, ge=0.0, le=1.0)
    colour_guidance_scale: float | None = Field(default=None, ge=0.0)
    perp_neg: bool = False
    t_min: Ramp = Ramp.constant(0.02)
    t_max: Ramp = Ramp.constant(0.98)
    levels: Literal["random", "linear", "sqrt", "dreamtime"] = "random"
    shared_t: bool = False
    weighting: Weighting = "uniform"
    grad_clip: float | None = Field(default=None, gt=0.0)
    max_batch: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        ends = [(self.t_min(p), self.t_max(p)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
        if any(not 0.0 < low <= high < 1.0 for low, high in ends):
            raise ValueError("noise levels must keep 0 < t_min <= t_max < 1 all the time")
        if self.perp_neg and self.camera_guidance_scale is not None:
            raise ValueError(
                "perp_neg is for priors that are not told the camera, camera_guidance_scale for others"
            )
        return self


@dataclass(frozen=True)
class Step:
    """One moment of distillation: clean images x (with their graph), levels t, noise, and z = alpha x + sigma
    noise.
    """

    x: Image
    z: Image
    noise: Image
    t: Float[Tensor, " B"]
    alpha: Float[Tensor, " B"]
    sigma: Float[Tensor, " B"]

    @property
    def clean(self) -> Image:
        return self.x.detach()


@dataclass(frozen=True)
class Predictions:
    """What the prior said of z: under the prompt, under the reference prompt, and whatever else was asked.

    direction is where text guidance leads: cond - base, and with Perp-Neg the sum of its perpendicular parts.
    uncond_no_camera is the answer without text and camera. others answers the further conditions asked for.
    colour is a picture whose mean colour the guided answer shall have, where that is guided apart.
    """

    cond: Image
    base: Image | None
    direction: Image | None
    uncond_no_camera: Image | None
    others: tuple[Image, ...]
    colour: Image | None

    @property
    def unconditional(self) -> Image:
        """Where guidance starts: without text, and without camera where the camera is guided."""
        origin = self.uncond_no_camera if self.uncond_no_camera is not None else self.base
        if origin is None:
            raise ValueError("the prior was not asked for a reference answer")
        return origin


class Distillation(ABC):
    """Base of the methods: draws the step, asks the prior, and turns a residual into a loss.

    A method implements __call__ with `diffuse`, `predict`, `apply_cfg` and `to_loss`, and nothing else.
    """

    def __init__(self, config: MethodConfig, prior: Prior) -> None:
        self.config, self.prior = config, prior
        self._knows: HasConditionalMean | None = None
        if config.colour_guidance_scale is not None:
            self._knows = require_conditional_mean(prior, "Set guidance.colour_guidance_scale=null")

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """Where to look in this step: the drawn cameras, unless the method has views of its own in mind."""
        return cameras

    @abstractmethod
    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        """See dreamlab.core.types.Guidance."""

    def diffuse(
        self, render: RenderOutput, cameras: Cameras, progress: float, generator: torch.Generator
    ) -> Step:
        """Encode the views and add noise at the levels of this moment."""
        x = self.prior.encode(render, cameras)
        group = views_per_group(self.prior)
        if len(x) % group:
            raise ConfigError(
                "the prior looks at views in groups",
                expected=f"a multiple of {group} views a step",
                got=str(len(x)),
                mend=f"Set the batch size to {group}",
            )
        t = self.levels(len(x), progress, generator).to(x)
        return self.noised(x, t, draw_noise(x, generator))

    def levels(self, n: int, progress: float, generator: torch.Generator) -> Float[Tensor, " B"]:
        """Noise levels for n views at this moment."""
        low, high = self.config.t_min(progress), self.config.t_max(progress)
        if self.config.levels != "random":
            return torch.full((n,), scheduled_level(self.config.levels, progress, low, high))
        each = n if self.config.shared_t else views_per_group(self.prior)
        drawn = torch.rand(n // each, generator=generator, device=generator.device)
        return (low + (high - low) * drawn).repeat_interleave(each)

    def noised(self, x: Image, t: Float[Tensor, " B"], noise: Image) -> Step:
        """The step at given levels and noise."""
        alpha, sigma = (v.to(x) for v in self.prior.alpha_sigma(t))
        return Step(x, add_noise(x.detach(), noise, alpha, sigma), noise, t, alpha, sigma)

    def predict(
        self,
        z: Image,
        t: Float[Tensor, " B"],
        prompts: ViewPrompts,
        cameras: Cameras,
        *,
        reference: bool | None = None,
        others: Sequence[DenoiseQuery] = (),
    ) -> Predictions:
        """Ask the prior about z under prompt and reference, and the other passes along with them in the same
        call.

        reference asks for the answers that guidance starts from; by default only where the settings guide at
        all.
        """
        n, config = len(z), self.config
        if reference is None:
            reference = (
                config.guidance_scale != 1.0 or config.camera_guidance_scale is not None or config.perp_neg
            )
        perp = prompts.perp_neg(cameras) if config.perp_neg and reference else None
        positive = prompts.positive(cameras) if perp is None else perp.positive
        passes = {"cond": DenoiseQuery(z, t, positive, cameras)}
        scales = (config.guidance_scale, config.camera_guidance_scale)
        if reference and scales[0] != scales[1]:
            passes["base"] = DenoiseQuery(z, t, prompts.negative(n), cameras)
        if reference and scales[1] is not None:
            passes["uncond_no_camera"] = DenoiseQuery(z, t, prompts.negative(n), None)
        if perp is not None:
            passes |= {f"perp{i}": DenoiseQuery(z, t, c, cameras) for i, c in enumerate(perp.negatives)}
        pred = denoise_batched(self.prior, [*passes.values(), *others], config.max_batch)
        got = dict(zip(passes, pred, strict=False))
        base, uncond_no_camera = got.get("base"), got.get("uncond_no_camera")
        origin = base if base is not None else uncond_no_camera
        direction = None if origin is None else got["cond"] - origin
        if perp is not None and base is not None and direction is not None:
            towards = direction
            for i in (0, 1):
                away = perpendicular(got[f"perp{i}"] - base, towards)
                direction = direction + per_image(perp.weights[:, i].to(z), z) * away
        colour = self._expected(prompts, positive, cameras) if reference else None
        return Predictions(got["cond"], base, direction, uncond_no_camera, tuple(pred[len(passes) :]), colour)

    def _expected(self, prompts: ViewPrompts, positive: Condition, cameras: Cameras) -> Image | None:
        if self._knows is None or self.config.colour_guidance_scale is None:
            return None
        cond = self._knows.mean(positive, cameras)
        uncond = self._knows.mean(prompts.negative(len(cameras)), cameras)
        return cfg_combine(uncond, cond, self.config.colour_guidance_scale)

    def null_query(self, step: Step, prompts: ViewPrompts, cameras: Cameras) -> DenoiseQuery:
        """The question under the empty prompt, for methods that tell it from the negative prompt."""
        blind = self.config.camera_guidance_scale is not None
        return DenoiseQuery(step.z, step.t, prompts.null(len(step.z)), None if blind else cameras)

    def apply_cfg(self, pred: Predictions, scale: float | None = None) -> Image:
        """x0_hat with guidance: text (and Perp-Neg), then camera, colour, rescale.

        Text: base + s * direction. Camera (two scales, as InstructPix2Pix eq. 3): uncond_no_camera + s_c
        (base - uncond_no_camera) + s (cond - base); base drops out where both scales are one.
        """
        scale = self.config.guidance_scale if scale is None else scale
        origin = pred.base if pred.base is not None else pred.uncond_no_camera
        if origin is None or pred.direction is None:
            return pred.cond
        x0 = cfg_combine(origin, origin + pred.direction, scale)
        if (
            pred.base is not None
            and pred.uncond_no_camera is not None
            and self.config.camera_guidance_scale is not None
        ):
            x0 = (
                x0
                + cfg_combine(pred.uncond_no_camera, pred.base, self.config.camera_guidance_scale)
                - pred.base
            )
        if self._knows is not None and pred.colour is not None:
            x0 = self._knows.with_mean_color_of(x0, pred.colour)
        return cfg_rescale(x0, pred.cond, self.config.cfg_rescale, views_per_group(self.prior))

    def to_loss(self, step: Step, residual: Image, x0_hat: Image) -> GuidanceOut:
        """The loss whose gradient to x is W * residual / B, and the figures worth showing.

        metrics: "residual", the root mean square of x - x0_hat and the one measure of progress (a loss of
        score distillation does not fall); "t", the mean level; "grad_norm", the length of the gradient to x.
        """
        gradient = per_image(weight(self.config.weighting, step.alpha, step.sigma), residual) * residual
        gradient = clip_gradient(gradient, self.config.grad_clip)
        metrics = {
            "residual": float((step.clean - x0_hat).square().mean().sqrt()),
            "t": float(step.t.mean()),
            "grad_norm": float(gradient.norm() / len(step.x)),
        }
        return GuidanceOut(inject(step.x, gradient), metrics)

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing, for methods that do not learn."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state:
            raise DamagedError(
                "the checkpoint holds a state that this method does not have",
                got=", ".join(sorted(state)[:3]),
            )


def draw_noise(x: Image, generator: torch.Generator) -> Image:
    """Standard normal noise like x, drawn where the generator lives."""
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)


def draw_uniform(t: Float[Tensor, " B"], generator: torch.Generator) -> Float[Tensor, " B"]:
    """U(0, 1) for each image; neighbours at one level share the draw, so groups stay together."""
    _, shared = torch.unique_consecutive(t, return_inverse=True)
    drawn = torch.rand(int(shared[-1]) + 1, generator=generator, device=generator.device)
    return drawn.to(t)[shared]
