"""Classifier-free guidance: what a prior is asked, and how its predictions become one x0_hat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.diffusion import Image, cfg_combine, cfg_rescale, per_image, perpendicular
from dreamlab.core.types import Cameras, Condition, Views
from dreamlab.guidance.prompts import PerpNeg, ViewPrompts
from dreamlab.guidance.query import DenoiseQuery, denoise_batched, require_conditional_mean
from dreamlab.priors.protocols import HasConditionalMean, Prior


class CFGConfig(BaseModel):
    """Guidance scales as uncond + scale * (cond - uncond): 1 is none, DreamFusion's w = 100 is 101.

    They are the prior's calibration, with `NoiseConfig`, and outlast a change of method.

    text: scale of the prompt.
    camera: for priors that know cameras, how much the camera is exaggerated; the reference is then the
        prior's answer without text and without camera. None guides by text alone. Equal to text it costs no
        third pass.
    mean_color: for priors that know mean pictures, scale of the object's mean colour, which is then the mean
        picture's. None guides it with the rest; but where z tells the whole colour already, guidance adds
        nothing to it but bias, and red drifts to pink. Ours.
    mean_color_blur: take that mean near each pixel, within this share of the picture's side, instead of over
        the whole object, whose parts of another colour else pass theirs on to the rest. Ours.
    rescale: 0..1, how far guided images get the spread of unguided ones.
    perp_neg: repel the prompt's other views (four passes); for single-view priors with view-dependent
        prompts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: float = Field(default=7.5, ge=0.0)
    camera: float | None = Field(default=None, ge=0.0)
    mean_color: float | None = Field(default=None, ge=0.0)
    mean_color_blur: float | None = Field(default=None, gt=0.0, le=0.5)
    rescale: float = Field(default=0.0, ge=0.0, le=1.0)
    perp_neg: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.perp_neg and self.camera is not None:
            raise ValueError("perp_neg is for priors that are not given the camera, cfg.camera for others")
        return self


@dataclass(frozen=True)
class Predictions:
    """The prior's predictions: under the prompt, under the reference prompt, and whatever else was asked.

    direction is where text guidance leads: cond - base, and with Perp-Neg the sum of its perpendicular parts.
    uncond_no_camera is the answer without text and camera. others answers the further conditions asked for.
    mean is a picture whose mean colour the guided answer shall have, where that is guided apart.
    """

    cond: Image
    base: Image | None
    direction: Image | None
    uncond_no_camera: Image | None
    others: tuple[Image, ...]
    mean: Image | None

    @property
    def unconditional(self) -> Image:
        """Where guidance starts: without text, and without camera where the camera is guided."""
        origin = self.uncond_no_camera if self.uncond_no_camera is not None else self.base
        if origin is None:
            raise ValueError("the prior was not asked for a reference answer")
        return origin


class CFG:
    """A prior asked with classifier-free guidance.

    max_batch: most images in one pass over the prior, or None for all at once.
    Raises ConfigError where cfg.mean_color is set and the prior knows no mean pictures.
    """

    def __init__(self, config: CFGConfig, prior: Prior, max_batch: int | None = None) -> None:
        self.config, self.prior, self.max_batch = config, prior, max_batch
        self._with_mean: HasConditionalMean | None = None
        if config.mean_color is not None:
            self._with_mean = require_conditional_mean(prior, "Set cfg.mean_color=null")

    def predict(
        self,
        z: Image,
        t: Float[Tensor, " B"],
        prompts: ViewPrompts,
        views: Views,
        *,
        reference: bool | None = None,
        others: Sequence[DenoiseQuery] = (),
    ) -> Predictions:
        """Ask the prior about z under prompt and reference, and the other passes along with them in the same
        call.

        reference asks for the answers that guidance starts from; by default only where the settings guide at
        all.
        """
        n, config, cameras = len(z), self.config, views.cameras
        if reference is None:
            reference = config.text != 1.0 or config.camera is not None or config.perp_neg
        perp = prompts.perp_neg(cameras) if config.perp_neg and reference else None
        positive = prompts.positive(cameras) if perp is None else perp.positive
        passes = {"cond": DenoiseQuery(z, t, positive, views)}
        if reference and config.text != config.camera:
            passes["base"] = DenoiseQuery(z, t, prompts.negative(n), views)
        if reference and config.camera is not None:
            passes["uncond_no_camera"] = DenoiseQuery(z, t, prompts.negative(n), None)
        if perp is not None:
            passes |= {f"perp{i}": DenoiseQuery(z, t, c, views) for i, c in enumerate(perp.negatives)}
        pred = denoise_batched(self.prior, [*passes.values(), *others], self.max_batch)
        got = dict(zip(passes, pred, strict=False))
        base, uncond_no_camera = got.get("base"), got.get("uncond_no_camera")
        origin = base if base is not None else uncond_no_camera
        direction = None if origin is None else got["cond"] - origin
        if perp is not None and base is not None and direction is not None:
            direction = _away_from_other_views(direction, perp, (got["perp0"] - base, got["perp1"] - base))
        mean = self._mean(prompts, positive, cameras) if reference else None
        return Predictions(got["cond"], base, direction, uncond_no_camera, tuple(pred[len(passes) :]), mean)

    def null_query(
        self, z: Image, t: Float[Tensor, " B"], prompts: ViewPrompts, views: Views
    ) -> DenoiseQuery:
        """The pass under the empty prompt, for methods that tell it from the negative prompt."""
        return DenoiseQuery(z, t, prompts.null(len(z)), views if self.config.camera is None else None)

    def apply(self, pred: Predictions, text: float | None = None) -> Image:
        """x0_hat with guidance: text (and Perp-Neg), then camera, mean colour, rescale.

        Text: base + s * direction. Camera (two scales, as InstructPix2Pix eq. 3): uncond_no_camera + s_c
        (base - uncond_no_camera) + s (cond - base); base drops out where both scales are one.

        text: a scale in the place of the configured one, without guidance of the mean colour: inversions
            divide what it adds by noise that is almost none.
        """
        mean = pred.mean if text is None else None
        text = self.config.text if text is None else text
        origin = pred.base if pred.base is not None else pred.uncond_no_camera
        if origin is None or pred.direction is None:
            return pred.cond
        x0 = cfg_combine(origin, origin + pred.direction, text)
        if pred.base is not None and pred.uncond_no_camera is not None and self.config.camera is not None:
            x0 = x0 + cfg_combine(pred.uncond_no_camera, pred.base, self.config.camera) - pred.base
        if self._with_mean is not None and mean is not None:
            x0 = self._with_mean.with_mean_color_of(x0, mean, self.config.mean_color_blur)
        return cfg_rescale(x0, pred.cond, self.config.rescale, self.prior.views_per_group)

    def _mean(self, prompts: ViewPrompts, positive: Condition, cameras: Cameras) -> Image | None:
        """The guided mean picture, if the mean colour is guided apart."""
        if self._with_mean is None or self.config.mean_color is None:
            return None
        cond = self._with_mean.mean(positive, cameras)
        uncond = self._with_mean.mean(prompts.negative(len(cameras)), cameras)
        return cfg_combine(uncond, cond, self.config.mean_color)


def _away_from_other_views(towards: Image, perp: PerpNeg, others: tuple[Image, Image]) -> Image:
    """The direction with the other views' perpendicular parts, each with its weight."""
    direction = towards
    for i, other in enumerate(others):
        direction = direction + per_image(perp.weights[:, i].to(towards), towards) * perpendicular(
            other, towards
        )
    return direction
