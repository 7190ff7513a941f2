"""Sana: a linear diffusion transformer over latents of a 32nd of the side, Gemma for text, rectified flow."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.prompt_cache import warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig


class SanaPriorConfig(PretrainedConfig):
    """Sana 1.0 and 1.5, not the few-step Sprint, which is another kind of model.

    instruct: put the pipeline's own instruction to Gemma ("generate an 'Enhanced prompt' ...") before
        prompts, as Sana was trained with. The empty prompt goes without, a negative one is read as any other.
    max_tokens: of the prompt, beside those of the instruction.
    """

    pipelines: ClassVar = ("SanaPipeline",)
    half: ClassVar = torch.bfloat16
    kind: Literal["sana"] = "sana"
    instruct: bool = True
    max_tokens: int = Field(default=300, ge=8, le=512)

    def build(self, device: torch.device | str = "cpu") -> SanaPrior:
        """Load network and autoencoder. Raises DreamlabError where that fails."""
        return SanaPrior(self, device)


class SanaPrior(PretrainedPrior):
    """Xie et al. 2024: z = (1 - sigma) x + sigma eps, the network predicts eps - x at the time 1000 sigma.

    Gemma overflows in float16 and so encodes in bfloat16 beside a float16 network.
    """

    config: SanaPriorConfig
    network_part = "transformer"
    channels_per_latent = 1
    t5_parts = ("text_encoder",)
    patch = 1

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        return self.network(
            inputs.z,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            encoder_attention_mask=inputs.condition.mask.to(self.dtype),
            timestep=inputs.timestep * self.network.config.timestep_scale,
        ).sample

    def _factor(self, pipe: Any) -> int:
        return int(pipe.vae.spatial_compression_ratio)

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        if self.dtype == torch.float16 and not self.memory.encoder_8bit:
            pipe.text_encoder.to(torch.bfloat16)
        limit = self.config.max_tokens
        instruction = _instruction(pipe) if self.config.instruct else None
        # the instruction takes the place of one more token, and Gemma's tokeniser closes with none
        warn_of_cut(pipe.tokenizer, prompts, limit - 1 if instruction else limit, closing=0)
        rows = []
        for prompt in prompts:
            tokens, mask, _, _ = pipe.encode_prompt(
                [prompt],
                do_classifier_free_guidance=False,
                device=self.device,
                max_sequence_length=limit,
                complex_human_instruction=instruction if prompt else None,
            )
            rows.append(Condition(tokens, mask.bool()))
        return Condition.cat(rows)


def _instruction(pipe: Any) -> list[str]:
    """What the pipeline puts before prompts by default."""
    return inspect.signature(type(pipe).__call__).parameters["complex_human_instruction"].default
