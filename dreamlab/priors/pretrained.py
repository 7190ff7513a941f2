"""What all priors through diffusers share: frozen parts, prompts, image space, x0_hat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.diffusion import DiscreteSchedule, FlowSchedule, x0_from_flow, x0_from_noise, x0_from_v
from dreamlab.errors import ConfigError
from dreamlab.priors.image_space import ImageSpace, LatentSpace, to_pixels
from dreamlab.priors.loading import load
from dreamlab.priors.prompt_cache import PromptCache
from dreamlab.priors.source import PretrainedConfig, Source, class_name, find
from dreamlab.types import Cameras, Condition, RenderOutput

Image = Float[Tensor, "B C h w"]
Level = Float[Tensor, " B"]
Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]
Schedule = DiscreteSchedule | FlowSchedule

_SMALLEST_ALPHA_BAR = 2.0**-24


class Told(NamedTuple):
    """What a network is told of noisy images: z in its own dtype, its timestep, text, maybe cameras."""

    z: Image
    timestep: Level
    condition: Condition
    cameras: Cameras | None


def schedule_of(scheduler: Any) -> tuple[Schedule, Prediction]:
    """The noise levels that a diffusers scheduler stands for, and what its network predicts.

    Tables of alphas end above zero even where the training rescaled them to end in pure noise (Lin et al.
    2024), so that log(alpha / sigma) stays finite.
    """
    config = scheduler.config
    flow = "FlowMatch" in type(scheduler).__name__ or config.get("use_flow_sigmas", False)
    if flow:
        shift = config.get("shift", None) or config.get("flow_shift", None) or 1.0
        return FlowSchedule(float(shift)), "flow_prediction"
    table = scheduler.alphas_cumprod.double().clamp_min(_SMALLEST_ALPHA_BAR)
    return DiscreteSchedule(table), config.get("prediction_type", "epsilon")


def to_x0(kind: Prediction, z: Image, said: Image, alpha: Level, sigma: Level) -> Image:
    """x0_hat from whatever a network predicts."""
    if kind == "epsilon":
        return x0_from_noise(z, said, alpha, sigma)
    if kind == "v_prediction":
        return x0_from_v(z, said, alpha, sigma)
    if kind == "flow_prediction":
        return x0_from_flow(z, said, alpha, sigma)
    return said


class PretrainedPrior(ABC):
    """Base of the families. A family names its pipeline and parts, and answers for network and text.

    Prompts are encoded by a pipeline of the text parts alone, which is loaded when a prompt is not known yet
    and let go of at once. Nothing in a prior is trainable.
    """

    network_part: ClassVar[str] = "unet"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    unused_parts: ClassVar[tuple[str, ...]] = ()
    views_per_group = 1

    def __init__(self, config: PretrainedConfig, device: torch.device | str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)
        self.dtype = config.torch_dtype(device)
        self.source = self._checked(find(config))
        pipe = self._load(self._skipped(self.text_parts))
        self.network = getattr(pipe, self.network_part).to(self.device).eval().requires_grad_(False)
        self.schedule, self.prediction = self._schedule(pipe)
        self.space = self._space(pipe)
        self.resolution, self.channels = self.space.side, self.space.channels
        self.prompts = PromptCache(self._identity(), self._encoded)

    # ---- the protocol ----

    def embed(self, prompts: Sequence[str]) -> Condition:
        """Encode text, or take it from the cache; the empty string is the unconditional prompt."""
        return self.prompts(prompts).to(self.device)

    def encode(self, render: RenderOutput, cameras: Cameras) -> Image:
        """Renders resized and brought to the network's space, differentiably."""
        return self.space.encode(to_pixels(render.rgb, self.space.side))

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        """Signal and noise scale at level t."""
        return self.schedule.alpha_sigma(t)

    @torch.no_grad()
    def denoise(self, z_t: Image, t: Level, condition: Condition, cameras: Cameras | None = None) -> Image:
        """x0_hat, in float32."""
        told = Told(z_t.to(self.dtype), self.timestep(t), condition, cameras)
        said = self._answer(told).float()
        return to_x0(self.prediction, z_t.float(), said, *self.alpha_sigma(t.float()))

    def timestep(self, t: Level) -> Level:
        """The network's own word for level t: a (fractional) training step, for flows 1000 sigma."""
        if isinstance(self.schedule, DiscreteSchedule):
            return self.schedule.timestep(t)
        return 1000.0 * self.schedule.alpha_sigma(t)[1]

    # ---- what a family says ----

    @abstractmethod
    def _answer(self, told: Told) -> Tensor:
        """What the network predicts."""

    @abstractmethod
    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        """Encode prompts with a pipeline of the text parts."""

    def _space(self, pipe: Any) -> ImageSpace:
        factor = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
        side = self.config.resolution or int(self.network.config.sample_size) * factor
        if side % (2 * factor):
            raise ConfigError(
                "prior.resolution does not fit the model",
                expected=f"a multiple of {2 * factor}",
                got=str(side),
            )
        return LatentSpace(pipe.vae, side, self.device, self._vae_dtype(pipe.vae))

    def _schedule(self, pipe: Any) -> tuple[Schedule, Prediction]:
        return schedule_of(pipe.scheduler)

    # ---- loading ----

    def _checked(self, source: Source) -> Source:
        found, accepted = class_name(self.config, source), self.config.pipelines
        if found and found not in accepted:
            raise ConfigError(
                f"{self.config.model} is a model of another kind",
                expected=" or ".join(accepted),
                got=found,
                mend="Choose it with --prior alone, which finds the kind itself",
            )
        return source

    def _skipped(self, parts: Sequence[str]) -> tuple[str, ...]:
        return (*parts, *self.unused_parts)

    def _load(self, skip: Sequence[str]) -> Any:
        return load(self.config, self.source, self.config.pipelines[0], skip=skip, dtype=self.dtype)

    def _vae_dtype(self, vae: Any) -> torch.dtype:
        if self.config.vae_dtype != "auto":
            return getattr(torch, self.config.vae_dtype)
        overflows = getattr(vae.config, "force_upcast", False) and self.dtype == torch.float16
        return torch.float32 if overflows else self.dtype

    @torch.no_grad()
    def _encoded(self, prompts: list[str]) -> Condition:
        pipe = self._load(self._skipped((self.network_part, "vae"))).to(self.device)
        return self._encode_text(pipe, prompts)

    def _identity(self) -> str | None:
        return None
