"""Stable Diffusion XL: two text encoders, image sizes as inputs, and a VAE that overflows in float16."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.lora_score import LoraScore
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, index_of
from dreamlab.priors.diffusers.unusable import refuse_refiner


class SDXLPriorConfig(PretrainedConfig):
    """Stable Diffusion XL and what was tuned from it. With dtype float16 the VAE runs in float32 unless its
    config says that it was mended ("force_upcast": false).
    """

    pipelines: ClassVar = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline")
    single_files: ClassVar = ("xl_base", "playground-v2-5")
    text_in_single_file: ClassVar = {
        "text_encoder": ("conditioner.embedders.0.",),
        "text_encoder_2": ("conditioner.embedders.1.",),
    }
    kind: Literal["sdxl"] = "sdxl"

    def build(self, device: torch.device | str = "cpu") -> SDXLPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return SDXLPrior(self, device)


class SDXLPrior(PretrainedPrior):
    """Podell et al. 2023. By its inputs the image was never larger nor cropped: original size = target size,
    no crop.
    """

    text_parts = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    channels_per_latent = 1
    unused_parts = ("feature_extractor", "image_encoder")

    def _checked(self, source: Source) -> Source:
        refuse_refiner(self.config.model, index_of(self.config, source))
        return super()._checked(source)

    def trainable_copy(self) -> nn.Module:
        """The score model of variational distillation, see LoraScore."""
        return LoraScore(self)

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        pooled = inputs.condition.pooled
        assert pooled is not None
        side = self.space.side
        sizes = inputs.z.new_tensor([side, side, 0, 0, side, side]).expand(len(inputs.z), -1)
        return self.network(
            inputs.z,
            inputs.timestep,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            added_cond_kwargs={"text_embeds": pooled.to(self.dtype), "time_ids": sizes},
        ).sample

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        warn_of_cut(pipe.tokenizer, prompts, pipe.tokenizer.model_max_length)
        tokens, _, pooled, _ = pipe.encode_prompt(
            prompts, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        if pipe.config.get("force_zeros_for_empty_prompt", True):  # the empty prompt was trained as zeros
            given = torch.tensor([bool(prompt) for prompt in prompts], device=tokens.device)
            tokens, pooled = tokens * given[:, None, None], pooled * given[:, None]
        return Condition(tokens, as_mask(tokens), pooled)
