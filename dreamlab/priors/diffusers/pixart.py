"""PixArt-alpha and PixArt-sigma: a diffusion transformer over latents with T5, noise prediction."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.prompt_cache import warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig


class PixArtPriorConfig(PretrainedConfig):
    """PixArt-sigma or -alpha. max_tokens: 300 for sigma; alpha was trained with 120."""

    pipelines: ClassVar = ("PixArtSigmaPipeline", "PixArtAlphaPipeline")
    kind: Literal["pixart"] = "pixart"
    max_tokens: int = Field(default=300, ge=8, le=512)

    def build(self, device: torch.device | str = "cpu") -> PixArtPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return PixArtPrior(self, device)


class PixArtPrior(PretrainedPrior):
    """Chen et al. 2023, 2024. Padding of the prompt is masked."""

    config: PixArtPriorConfig
    network_part = "transformer"
    channels_per_latent = 1
    t5_parts = ("text_encoder",)

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        sizes: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if self.network.use_additional_conditions:
            sizes["resolution"] = inputs.z.new_full((len(inputs.z), 2), self.space.side)
            sizes["aspect_ratio"] = inputs.z.new_ones(len(inputs.z), 1)
        return self.network(
            inputs.z,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            encoder_attention_mask=inputs.condition.mask.to(self.dtype),
            timestep=inputs.timestep,
            added_cond_kwargs=sizes,
        ).sample

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        limit = self.config.max_tokens
        warn_of_cut(pipe.tokenizer, prompts, limit)
        tokens, mask, _, _ = pipe.encode_prompt(
            prompts, do_classifier_free_guidance=False, device=self.device, max_sequence_length=limit
        )
        return Condition(tokens, mask.bool())
