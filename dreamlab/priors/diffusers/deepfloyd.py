"""DeepFloyd IF: pixel diffusion with a frozen T5, the open counterpart of the Imagen that DreamFusion
distilled.

Stage I knows images of 64 pixels. Stage II enlarges to 256: as a prior it is shown the render itself,
shrunk, as the small image, and says what the large one should look like. That sharpens a shape that is there
already; it does not make one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.image_space import ImageSpace, PixelSpace, to_pixels
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig, Source

_TOKENS = 77  # that T5 was trained with here; diffusers' pipelines use the same


class DeepFloydPriorConfig(PretrainedConfig):
    """IF stage I (IF-I-M, -L, -XL)."""

    pipelines: ClassVar = ("IFPipeline",)
    kind: Literal["deepfloyd"] = "deepfloyd"

    def build(self, device: torch.device | str = "cpu") -> DeepFloydPrior:
        """Load the network. Raises DreamlabError where that fails."""
        return DeepFloydPrior(self, device)


class DeepFloydUpscalerPriorConfig(PretrainedConfig):
    """IF stage II (IF-II-M, -L) as a prior for detail.

    noise_level: training step of the noise that the small image gets, 0..999; the more, the freer the answer.
    small_side: pixels of the small image.
    """

    pipelines: ClassVar = ("IFSuperResolutionPipeline",)
    kind: Literal["deepfloyd-upscaler"] = "deepfloyd-upscaler"
    noise_level: int = Field(default=250, ge=0, le=999)
    small_side: int = Field(default=64, ge=8)

    def build(self, device: torch.device | str = "cpu") -> DeepFloydUpscalerPrior:
        """Load the network. Raises DreamlabError where that fails."""
        return DeepFloydUpscalerPrior(self, device)


class DeepFloydPrior(PretrainedPrior):
    """Imagen's recipe (Saharia et al. 2022). The network's second half of channels is a learnt variance,
    which x0_hat does not need.
    """

    t5_parts = ("text_encoder",)
    unused_parts = ("safety_checker", "feature_extractor", "watermarker")

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        return self.network(
            inputs.z, inputs.timestep, encoder_hidden_states=inputs.condition.tokens.to(self.dtype)
        ).sample

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        warn_of_cut(pipe.tokenizer, prompts, _TOKENS)
        tokens, _ = pipe.encode_prompt(prompts, do_classifier_free_guidance=False, device=self.device)
        return Condition(tokens, as_mask(tokens))

    def _checked(self, source: Source) -> Source:
        if self.config.vae is not None:
            raise ConfigError("DeepFloyd works on pixels", got="prior.vae", mend="Leave prior.vae out")
        return super()._checked(source)

    def _factor(self, pipe: Any) -> int:
        return 1

    def _space(self, pipe: Any) -> ImageSpace:
        return PixelSpace(self._side(pipe))


class DeepFloydUpscalerPrior(DeepFloydPrior):
    """The render, shrunk, is the small image; its noise is the same in every step, so that runs repeat
    exactly.
    """

    config: DeepFloydUpscalerPriorConfig

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Renders at the large size, and as `aux` "small": the small image enlarged and noised."""
        small = to_pixels(render.rgb.detach(), self.config.small_side)
        return replace(super().encode(render, cameras), aux={"small": self._enlarged(small)})

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        level = torch.full((len(inputs.z),), self.config.noise_level, device=inputs.z.device)
        return self.network(
            torch.cat([inputs.z, inputs.aux("small")], dim=1),
            inputs.timestep,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            class_labels=level,
        ).sample

    def _enlarged(self, small: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B 3 S S"]:
        side = self.space.side
        large = interpolate(small, (side, side), mode="bilinear", align_corners=True)
        noise = torch.randn(large.shape[1:], generator=torch.Generator().manual_seed(0)).to(large)
        alpha_bar = self.noising[self.config.noise_level]
        return float(alpha_bar.sqrt()) * large + float((1 - alpha_bar).sqrt()) * noise

    def _space(self, pipe: Any) -> ImageSpace:
        self.noising = pipe.image_noising_scheduler.alphas_cumprod.double()
        return super()._space(pipe)
