"""FLUX.1: rectified flow over packed latents, and its trap for distillation.

FLUX.1-dev is guidance-distilled: it was trained to answer in one pass what guidance would have made of two,
at a strength that is an input. With that number alone the prompt hardly shows at high noise (about 3 % of
the answer at sigma 0.9), and score distillation starves. So the number is held at `embedded_guidance`
for both passes, and text guidance comes from outside, from two passes, as for every other prior
(`cfg.text`, about 30).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from dreamlab.core.diffusion import FlowSchedule
from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.schedules import Prediction, Schedule
from dreamlab.priors.diffusers.source import PretrainedConfig


class FluxPriorConfig(PretrainedConfig):
    """FLUX.1 dev or schnell.

    embedded_guidance: the strength that guidance-distilled models are given, the same for prompt and empty
    prompt.
    max_tokens: of T5; CLIP only gives the pooled vector.
    """

    pipelines: ClassVar = ("FluxPipeline",)
    single_files: ClassVar = ("flux-dev", "flux-schnell")
    text_in_single_file: ClassVar = {
        "text_encoder": ("text_encoders.clip_l.",),
        "text_encoder_2": ("text_encoders.t5xxl.",),
    }
    half: ClassVar = torch.bfloat16
    kind: Literal["flux"] = "flux"
    embedded_guidance: float = Field(default=1.0, ge=0.0)
    max_tokens: int = Field(default=256, ge=8, le=512)

    def build(self, device: torch.device | str = "cpu") -> FluxPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return FluxPrior(self, device)


class FluxPrior(PretrainedPrior):
    """Black Forest Labs 2024. x is the unpacked latent [B,C,h,w]; the network sees 2x2 patches of it as
    tokens.
    """

    config: FluxPriorConfig
    network_part = "transformer"
    text_parts = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    t5_parts = ("text_encoder_2",)
    unused_parts = ("feature_extractor", "image_encoder")
    trained_side = 1024
    channels_per_latent = 4

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        pooled, tokens = inputs.condition.pooled, inputs.condition.tokens.to(self.dtype)
        assert pooled is not None
        height, width = inputs.z.shape[-2:]
        strength = None
        if self.network.config.guidance_embeds:
            strength = inputs.z.new_full((len(inputs.z),), self.config.embedded_guidance)
        out = self.network(
            hidden_states=pack(inputs.z),
            timestep=(inputs.timestep / 1000).to(self.dtype),
            guidance=strength,
            pooled_projections=pooled.to(self.dtype),
            encoder_hidden_states=tokens,
            txt_ids=tokens.new_zeros(tokens.shape[1], 3),
            img_ids=patch_ids(height // 2, width // 2).to(tokens),
        ).sample
        return unpack(out, height, width)

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        warn_of_cut(pipe.tokenizer_2, prompts, self.config.max_tokens)
        tokens, pooled, _ = pipe.encode_prompt(
            prompts, None, device=self.device, max_sequence_length=self.config.max_tokens
        )
        return Condition(tokens, as_mask(tokens), pooled)

    def _schedule(self, pipe: Any) -> tuple[Schedule, Prediction]:
        """With dynamic shifting the shift grows with the image: log(shift) is linear in the number of
        tokens.
        """
        config = pipe.scheduler.config
        if not config.get("use_dynamic_shifting", False):
            return super()._schedule(pipe)
        low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        base, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
        mu = base + (most - base) * (self._tokens(pipe) - low) / (high - low)
        return FlowSchedule(math.exp(mu)), "flow_prediction"

    def _tokens(self, pipe: Any) -> int:
        return (self._side(pipe) // self._factor(pipe) // 2) ** 2


def pack(z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B N 4*C"]:
    """Latents as tokens of 2x2 pixels each, row by row; h and w are even."""
    b, c, h, w = z.shape
    return z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, 4 * c)


def unpack(tokens: Float[Tensor, "B N D"], height: int, width: int) -> Float[Tensor, "B C h w"]:
    """The inverse of `pack`."""
    b, _, d = tokens.shape
    patches = tokens.view(b, height // 2, width // 2, d // 4, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(b, d // 4, height, width)


def patch_ids(rows: int, columns: int) -> Float[Tensor, "N 3"]:
    """Where each token stands: (0, row, column)."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], dim=-1).view(-1, 3).float()
