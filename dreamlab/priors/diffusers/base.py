"""What all priors through diffusers share: frozen parts, prompts, image space, x0_hat."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import Image, Level
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.image_space import ImageSpace, LatentSpace, to_pixels
from dreamlab.priors.diffusers.loading import layout_source, load
from dreamlab.priors.diffusers.lora import merge_loras
from dreamlab.priors.diffusers.memory import eight_bits, place, plan, thrifty_vae, weight_bytes
from dreamlab.priors.diffusers.parts import given_parts, require_parts
from dreamlab.priors.diffusers.prompt_cache import PromptCache
from dreamlab.priors.diffusers.schedules import (
    Prediction,
    Schedule,
    network_input,
    schedule_of,
    timestep_of,
    to_x0,
)
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, class_name, find, fingerprint
from dreamlab.priors.diffusers.tokenisers import check_encoding, check_tokenisers, require_vocabularies
from dreamlab.priors.diffusers.unusable import check_network
from dreamlab.priors.diffusers.words import learn_words
from dreamlab.priors.protocols import Prior


class NetworkInputs(NamedTuple):
    """What a network is given: noisy images in its own dtype, its timestep, text, maybe the views."""

    z: Image
    timestep: Level
    condition: Condition
    views: Views | None

    @property
    def cameras(self) -> Cameras | None:
        return None if self.views is None else self.views.cameras

    def aux(self, name: str) -> Tensor:
        """What `encode` kept of the render under this name, in z's dtype. Raises ConfigError without it."""
        if self.views is None or name not in self.views.aux:
            raise ConfigError(
                f"this prior looks at the render ({name}) and cannot answer without it",
                mend="Leave cfg.camera out",
            )
        return self.views.aux[name].to(self.z)


class PretrainedPrior(ABC):
    """Base of the families. A family names its pipeline and parts, and answers for network and text.

    Prompts are encoded by a pipeline of the text parts alone, which is loaded when a prompt is not known yet
    and let go of at once. Nothing in a prior is trainable.
    """

    network_part: ClassVar[str] = "unet"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    t5_parts: ClassVar[tuple[str, ...]] = ()
    unused_parts: ClassVar[tuple[str, ...]] = ()
    without: tuple[str, ...] = ()  # parts that a single file does not hold
    channels_per_latent: ClassVar[int | None] = None  # of the network's input; None is not checked
    patch: ClassVar[int] = 2  # a side in latent pixels must be a multiple of it
    # Whether its VAEs do well in float16 whatever their config says: it did not say anything before SDXL,
    # and what # is not said is read as "force_upcast".
    vae_fits_half: ClassVar[bool] = False
    trained_side: ClassVar[int | None] = None  # where the network's config does not tell
    views_per_group = 1
    prediction: Prediction
    copies: Sequence[Prior] = ()

    def __init__(self, config: PretrainedConfig, device: torch.device | str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)
        self.dtype, self.text_dtype = config.torch_dtype(device), config.text_dtype(device)
        if config.emulates(device):
            said = f"{device} only emulates bfloat16: {config.model} computes in float32"
            warnings.warn(f"{said}. prior.dtype=bfloat16 takes half the memory, and longer", stacklevel=3)
        self.source = self._checked(find(config))
        pipe = self._load(self.text_parts)
        network = getattr(pipe, self.network_part)
        self.memory = plan(config.vram, weight_bytes(network), bool(self.t5_parts))
        self.network = place(network, self.memory, self.device)
        self.schedule, self.prediction = self._schedule(pipe)
        self.space = self._space(pipe)
        self.resolution, self.channels = self.space.side, self.space.channels
        self.prompts = PromptCache(self._identity(), self._encoded)

    # ---- the protocol ----

    def embed(self, prompts: Sequence[str]) -> Condition:
        """Encode text, or take it from the cache; the empty string is the unconditional prompt."""
        return self.prompts(prompts).to(self.device)

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Renders resized and brought to the network's space, differentiably."""
        return Views(self.space.encode(to_pixels(render.rgb, self.space.side)), cameras)

    def decode(self, x: Image) -> Float[Tensor, "B H W 3"]:
        """Colours 0..1 of clean images in the network's space, without gradient; one image at a time, for a
        VAE's decoder keeps much."""
        images = torch.cat([self.space.decode(one) for one in x.split(1)])
        return ((images + 1) / 2).clamp(0, 1).movedim(1, -1)

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        """Signal and noise scale at level t."""
        return self.schedule.alpha_sigma(t)

    @torch.no_grad()
    def denoise(self, z_t: Image, t: Level, condition: Condition, views: Views | None = None) -> Image:
        """x0_hat, in float32."""
        return self.x0_hat(z_t, t, condition, views)

    def x0_hat(self, z_t: Image, t: Level, condition: Condition, views: Views | None = None) -> Image:
        """What `denoise` answers, with the graph to whatever of the network is trainable."""
        z = self.network_input(z_t, t)
        out = self._predict(NetworkInputs(z, self.timestep(t), condition, views))
        return self.to_x0(z_t, out[:, : z_t.shape[1]], t)  # some networks append a learnt variance

    def network_input(self, z_t: Image, t: Level) -> Image:
        """Noisy images scaled as the network was trained to see them, in its dtype."""
        return network_input(self.schedule, z_t, t).to(self.dtype)

    def to_x0(self, z_t: Image, out: Tensor, t: Level) -> Image:
        """x0_hat from what the network predicts, in float32."""
        return to_x0(self.schedule, self.prediction, z_t.float(), out.float(), t.float())

    def timestep(self, t: Level) -> Level:
        """The network's own word for level t: a (fractional) training step, for flows 1000 sigma."""
        return timestep_of(self.schedule, t)

    def begin_anew(self) -> bool:
        """Forget the prompts of earlier runs; False if the VAE had to leave its own precision meanwhile."""
        self.prompts.forget()
        return not (isinstance(self.space, LatentSpace) and self.space.widened)

    # ---- what a family says ----

    @abstractmethod
    def _predict(self, inputs: NetworkInputs) -> Tensor:
        """What the network predicts."""

    @abstractmethod
    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        """Encode prompts with a pipeline of the text parts."""

    def _factor(self, pipe: Any) -> int:
        """Image pixels to a side of one latent pixel."""
        return 2 ** (len(pipe.vae.config.block_out_channels) - 1)

    def _side(self, pipe: Any) -> int:
        """The image side. Raises ConfigError if `resolution` does not fit the network."""
        unit = self.patch * self._factor(pipe)
        side = self.config.resolution or self.trained_side or self._sample_size() * self._factor(pipe)
        if side % unit:
            raise ConfigError(
                "prior.resolution does not fit the model", expected=f"a multiple of {unit}", got=str(side)
            )
        return side

    def _sample_size(self) -> int:
        return int(self.network.config.sample_size)

    def _space(self, pipe: Any) -> ImageSpace:
        return self._latents(pipe)

    def _latents(self, pipe: Any) -> LatentSpace:
        vae = thrifty_vae(pipe.vae, self.memory)
        given = self.config.vae is not None
        channels = int(vae.config.latent_channels)
        check_network(self.config.model, self.network, channels, self.channels_per_latent, given)
        return LatentSpace(vae, self._side(pipe), self.device, self._vae_dtype(vae))

    def _schedule(self, pipe: Any) -> tuple[Schedule, Prediction]:
        return schedule_of(pipe.scheduler, self.config.model)

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
        if source.path is not None and source.path.is_file():
            missing = require_parts(self.config, source.path)
            self.without = (*missing, *(part.replace("text_encoder", "tokenizer") for part in missing))
            if missing:
                said = f"{source.path} holds no {' and no '.join(missing)}, and is read without"
                warnings.warn(f"{said}; prior.text_encoder=PLACE would give it one", stacklevel=3)
        return source

    def _load(self, skip: Sequence[str], **parts: Any) -> Any:
        """The pipeline without `skip`; whole where adaptations may touch every part of it."""
        dtype = self.text_dtype if self.network_part in skip else self.dtype
        skip = self.unused_parts if self.config.lora else (*skip, *self.unused_parts)
        wanted = [part for part in (*self.text_parts, "vae") if part not in skip]
        parts |= dict.fromkeys(self.without)
        parts |= given_parts(self.config, self.source, wanted, dtype)
        pipe = load(self.config, self.source, self.config.pipelines[0], skip=skip, dtype=dtype, **parts)
        return merge_loras(pipe, self.config.lora, self.config.model)

    def _vae_dtype(self, vae: Any) -> torch.dtype:
        if self.config.vae_dtype != "auto":
            return getattr(torch, self.config.vae_dtype)
        doubtful = getattr(vae.config, "force_upcast", False) and not self.vae_fits_half
        overflows = doubtful and self.dtype == torch.float16
        return torch.float32 if overflows else self.dtype

    @torch.no_grad()
    def _encoded(self, prompts: list[str]) -> Condition:
        """Load the text parts, encode, and let go of them."""
        bits = {"quantization_config": eight_bits(self.t5_parts)} if self.memory.encoder_8bit else {}
        if bits and self.config.text_encoder is not None:
            raise ConfigError("prior.text_encoder is not read in 8 bits", mend="Choose a higher memory tier")
        layout = layout_source(self.config, self.source)
        if layout.path is not None:  # of the hub nothing may be here yet
            require_vocabularies(self.config, layout, self.text_parts)
        pipe = self._load((self.network_part, "vae"), **bits)
        require_vocabularies(self.config, layout, self.text_parts)
        learn_words(pipe, self.config.textual_inversion, self.config.model)
        for part in self.text_parts:
            module = getattr(pipe, part, None)
            if isinstance(module, torch.nn.Module) and not (bits and part in self.t5_parts):
                module.to(self.device)
        with listening():
            check_tokenisers(pipe, self.text_parts, layout.place)
            condition = self._encode_text(pipe, prompts)
            check_encoding(pipe, self.text_parts, prompts, condition)
        return condition

    def _identity(self) -> str | None:
        if not self.config.cache_prompts:
            return None
        return f"checked {self.text_dtype} {fingerprint(self.config, self.source, self.text_parts)}"
