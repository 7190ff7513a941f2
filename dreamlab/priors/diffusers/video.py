"""Text-to-video models whose frames are the views of a step: ModelScope's and what was tuned from it.

The frames of a clip are consecutive views, so cameras that go around the object in order ("orbit") make it a
turntable, and a scene that moves would make it a video.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.prompt_cache import as_mask, warn_of_cut
from dreamlab.priors.diffusers.source import PretrainedConfig


class VideoPriorConfig(PretrainedConfig):
    """A clip of `frames` views at a time; the number of views of a step must be a multiple of it.

    Renders are square, at 256 pixels unless `resolution` says otherwise.
    """

    pipelines: ClassVar = ("TextToVideoSDPipeline", "VideoToVideoSDPipeline")
    kind: Literal["video"] = "video"
    frames: int = Field(default=16, ge=2, le=64)

    def build(self, device: torch.device | str = "cpu") -> VideoPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return VideoPrior(self, device)


class VideoPrior(PretrainedPrior):
    """Wang et al. 2023: Stable Diffusion's latents, frame by frame, and a UNet that also looks along time.

    A clip has one noise level and one prompt. Cameras are no input: that the frames go around an object is
    for the prompt to say.
    """

    config: VideoPriorConfig
    trained_side = 256
    channels_per_latent = 1

    def __init__(self, config: VideoPriorConfig, device: torch.device | str = "cpu") -> None:
        super().__init__(config, device)
        self.views_per_group = config.frames

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        frames, tokens = self.config.frames, inputs.condition.tokens.to(self.dtype)
        if len(inputs.z) % frames:
            raise ConfigError(
                "a video model looks at a whole clip at a time",
                expected=f"a multiple of {frames} views",
                got=str(len(inputs.z)),
                mend="Set prior.frames and the number of views alike",
            )
        _same_in_clips(inputs.timestep, frames, "noise level", "Leave the levels to the guidance")
        _same_in_clips(tokens, frames, "prompt", "Set view_dependent=false")
        clips = inputs.z.unflatten(0, (-1, frames)).movedim(1, 2)
        out = self.network(clips, inputs.timestep[::frames], encoder_hidden_states=tokens[::frames]).sample
        return out.movedim(2, 1).flatten(0, 1)

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        warn_of_cut(pipe.tokenizer, prompts, pipe.tokenizer.model_max_length)
        tokens, _ = pipe.encode_prompt(prompts, self.device, 1, False)
        return Condition(tokens, as_mask(tokens))


def _same_in_clips(values: Tensor, frames: int, what: str, mend: str) -> None:
    """Raises ConfigError where the frames of a clip [B*frames,...] are given different inputs."""
    clips = values.unflatten(0, (-1, frames))
    if not bool((clips == clips[:, :1]).all()):
        raise ConfigError(f"the frames of a clip share one {what}, and these do not", mend=mend)
