"""Stable Diffusion 1.x and 2.x: latents at an eighth of the size, one CLIP encoder, noise or v prediction."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.lora_score import LoraScore
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig


class StableDiffusionPriorConfig(PretrainedConfig):
    """Stable Diffusion 1.x, 2.x and what was tuned from them; the scheduler's config says what is
    predicted.
    """

    pipelines: ClassVar = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
    single_files: ClassVar = ("v1", "v2")
    text_in_single_file: ClassVar = {"text_encoder": ("cond_stage_model.",)}
    kind: Literal["stable-diffusion"] = "stable-diffusion"

    def build(self, device: torch.device | str = "cpu") -> StableDiffusionPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return StableDiffusionPrior(self, device)


class StableDiffusionPrior(PretrainedPrior):
    """Latent diffusion (Rombach et al. 2022). The safety checker is not loaded: it looks at finished
    images.
    """

    unused_parts = ("safety_checker", "feature_extractor", "image_encoder")
    channels_per_latent = 1
    vae_fits_half = True

    def trainable_copy(self) -> nn.Module:
        """The score model of variational distillation, see LoraScore."""
        return LoraScore(self)

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        tokens = inputs.condition.tokens.to(self.dtype)
        return self.network(inputs.z, inputs.timestep, encoder_hidden_states=tokens).sample

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        warn_of_cut(pipe.tokenizer, prompts, pipe.tokenizer.model_max_length)
        tokens, _ = pipe.encode_prompt(prompts, self.device, 1, False)
        return Condition(tokens, as_mask(tokens))
