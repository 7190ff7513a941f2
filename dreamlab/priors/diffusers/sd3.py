"""Stable Diffusion 3 and 3.5: rectified flow over latents, three text encoders of which T5 may be missing."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig


class SD3PriorConfig(PretrainedConfig):
    """Stable Diffusion 3 or 3.5. max_tokens: of T5; its CLIP encoders read 77 in any case."""

    pipelines: ClassVar = ("StableDiffusion3Pipeline",)
    single_files: ClassVar = ("sd3", "sd35_large", "sd35_medium")
    text_in_single_file: ClassVar = {
        "text_encoder": ("text_encoders.clip_l.",),
        "text_encoder_2": ("text_encoders.clip_g.",),
        "text_encoder_3": ("text_encoders.t5xxl.",),
    }
    dispensable: ClassVar = ("text_encoder_3",)
    half: ClassVar = torch.bfloat16  # 3.5 was published in it and overflows in float16
    kind: Literal["sd3"] = "sd3"
    max_tokens: int = Field(default=256, ge=8, le=512)

    def build(self, device: torch.device | str = "cpu") -> SD3Prior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return SD3Prior(self, device)


class SD3Prior(PretrainedPrior):
    """Esser et al. 2024: z = (1 - sigma) x + sigma eps, the network predicts eps - x at the time 1000 sigma,
    and sigma follows the shift of the model's scheduler.
    """

    config: SD3PriorConfig
    network_part = "transformer"
    channels_per_latent = 1
    vae_fits_half = True
    text_parts = (
        "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3",
    )  # fmt: skip
    t5_parts = ("text_encoder_3",)
    unused_parts = ("feature_extractor", "image_encoder")

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        pooled = inputs.condition.pooled
        assert pooled is not None
        return self.network(
            hidden_states=inputs.z,
            timestep=inputs.timestep,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            pooled_projections=pooled.to(self.dtype),
        ).sample

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        limit = self.config.max_tokens
        pipe.register_modules(transformer=self.network)  # asked for its width where T5 is missing
        if pipe.text_encoder_3 is None:
            warn_of_cut(pipe.tokenizer, prompts, pipe.tokenizer.model_max_length)
        else:
            warn_of_cut(pipe.tokenizer_3, prompts, limit)
        tokens, _, pooled, _ = pipe.encode_prompt(
            prompts,
            None,
            None,
            device=self.device,
            do_classifier_free_guidance=False,
            max_sequence_length=limit,
        )
        return Condition(tokens, as_mask(tokens), pooled)
