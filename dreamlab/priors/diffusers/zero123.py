"""Zero123: Stable Diffusion with an image of the object and the camera's move in the place of text.

diffusers lacks the pipeline; its parts are a UNet2DConditionModel with 8 input channels (the noisy latent
beside the image's), a CLIP image encoder, and one linear layer that joins the image's embedding with the
camera's four numbers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Cameras, Condition
from dreamlab.priors.diffusers.base import NetworkInputs, PretrainedPrior
from dreamlab.priors.diffusers.hub_errors import listening, translated
from dreamlab.priors.diffusers.image_space import LatentSpace, clip_pixels, to_pixels
from dreamlab.priors.diffusers.loading import load_component
from dreamlab.priors.diffusers.parts import given_parts
from dreamlab.priors.diffusers.picture import ShownPictureConfig, read_image
from dreamlab.priors.diffusers.source import PretrainedConfig, fetched
from dreamlab.priors.diffusers.weights import read_weights

_CLIP_SIDE = 224
_PROJECTIONS = ("cc_projection", "clip_camera_projection")


class Zero123PriorConfig(ShownPictureConfig):
    """Zero123, Zero123-XL or Stable Zero123 in diffusers' layout.

    image_elevation: from how far above it was taken, degrees.
    camera: the meaning of the fourth number: "zero123" is given the change of distance (always 0 here, where
    cameras fit
        the object), "stable-zero123" the polar angle of the image.
    """

    pipelines: ClassVar = ("Zero123Pipeline", "Zero1to3StableDiffusionPipeline")
    title: ClassVar = "Zero123"
    kind: Literal["zero123"] = "zero123"
    image_elevation: float = Field(default=0.0, ge=-90.0, le=90.0)
    camera: Literal["zero123", "stable-zero123"] = "zero123"

    def build(self, device: torch.device | str = "cpu") -> Zero123Prior:
        """Load network, VAE and image encoder. Raises DreamlabError where that fails."""
        self.require_picture()
        return Zero123Prior(self, device)

    def showing(self, image: Path, elevation: float, negative_prompt: str) -> Self:
        """As the family's, with the picture's elevation."""
        return self.model_copy(update={"image": image, "image_elevation": elevation})


class Zero123Prior(PretrainedPrior):
    """Liu et al. 2023. Every prompt but the empty one means "the image"; the empty one is the network's
    unconditional answer, with zeros for image and embedding. Words are not read, so leave the negative prompt
    empty.
    """

    config: Zero123PriorConfig
    space: LatentSpace
    text_parts = ("image_encoder",)
    trained_side = 256
    channels_per_latent = 2
    vae_fits_half = True

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        image = dict(inputs.condition.extras)["image"].to(inputs.z)
        tokens = inputs.condition.tokens.to(self.dtype)
        known = inputs.condition.mask.to(self.dtype)[..., None]
        joined = torch.cat([tokens, self._moved(inputs)[:, None]], dim=-1)
        return self.network(
            torch.cat([inputs.z, image], dim=1),
            inputs.timestep,
            encoder_hidden_states=self.projection(joined) * known,
        ).sample

    def _moved(self, inputs: NetworkInputs) -> Float[Tensor, "B 4"]:
        if inputs.cameras is None:
            if bool(inputs.condition.mask.any()):
                raise ConfigError("Zero123 cannot answer without cameras where it is shown the image")
            return inputs.z.new_zeros(len(inputs.z), 4)
        elevation = math.radians(self.config.image_elevation)
        return camera_numbers(inputs.cameras, elevation, self.config.camera).to(inputs.z)

    def _load(self, skip: Any, **parts: Any) -> Any:
        """The parts one by one."""
        config = self.config
        if config.lora or config.textual_inversion or config.text_encoder:
            raise ConfigError("Zero123 takes neither LoRA nor textual inversion nor a text encoder")
        wanted = {"vae": "AutoencoderKL", "unet": "UNet2DConditionModel", "scheduler": "DDIMScheduler"}
        pipe = _Parts()
        vars(pipe).update(given_parts(config, self.source, wanted.keys() - set(skip), self.dtype))
        for name, kind in wanted.items():
            if name not in (*skip, *vars(pipe)):
                setattr(pipe, name, load_component(self.config, self.source, kind, name, self.dtype))
        if "image_encoder" not in skip:
            kind = "CLIPVisionModelWithProjection"
            encoder = load_component(self.config, self.source, kind, "image_encoder", self.dtype)
            pipe.image_encoder = encoder
        return pipe

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        assert self.config.image is not None  # build saw to it
        image = read_image(self.config.image).to(self.device)
        clip = clip_pixels(image, _CLIP_SIDE)
        embedding = pipe.image_encoder(clip.to(self.dtype)).image_embeds.float()
        latent = self.space.raw(to_pixels((image.movedim(1, -1) + 1) / 2, self.space.side))
        shown = torch.tensor([bool(prompt) for prompt in prompts], device=self.device)
        tokens = embedding[:, None] * shown[:, None, None]
        return Condition(tokens, shown[:, None], extras=(("image", latent * shown[:, None, None, None]),))

    def _identity(self) -> str | None:
        kept = super()._identity()
        if kept is None:
            return None
        return f"{kept} {self.config.state_of_picture()} {self.space.side} {self.config.vae}"

    def _space(self, pipe: Any) -> LatentSpace:
        self.projection = _projection(self.config, self.source).to(self.device, self.dtype)
        if type(pipe.vae).__name__ == "AutoencoderTiny":
            raise ConfigError(
                "Zero123 is shown unscaled latents, which TAESD does not make", mend="Leave prior.vae out"
            )
        return self._latents(pipe)


class _Parts:
    """Stands in for a pipeline."""

    vae: Any
    unet: Any
    scheduler: Any
    image_encoder: Any


def camera_numbers(
    cameras: Cameras, image_elevation: float, meaning: Literal["zero123", "stable-zero123"]
) -> Float[Tensor, "B 4"]:
    """How the cameras differ from the image's, at azimuth 0 and the given elevation: the polar angle's
    change, sine and cosine of the azimuth's, and the fourth number. Radians; azimuth counter-clockwise seen
    from above.
    """
    fourth = math.pi / 2 - image_elevation if meaning == "stable-zero123" else 0.0
    azimuth = cameras.azimuth
    lower = image_elevation - cameras.elevation
    return torch.stack([lower, azimuth.sin(), azimuth.cos(), torch.full_like(azimuth, fourth)], dim=1)


def _projection(config: PretrainedConfig, source: Any) -> nn.Linear:
    """The layer that joins image and camera, from whichever folder the conversion keeps it in."""
    folder = next(name for name in (*_PROJECTIONS, "") if not name or _has(config, source, name))
    if not folder:
        raise DamagedError(f"{source.place} has no camera projection", expected=" or ".join(_PROJECTIONS))
    with translated(source.place), listening():
        state = read_weights(config, source, folder)
        layer = nn.Linear(state["proj.weight"].shape[1], state["proj.weight"].shape[0])
        layer.load_state_dict({name.removeprefix("proj."): value for name, value in state.items()})
    return layer.requires_grad_(False)


def _has(config: PretrainedConfig, source: Any, folder: str) -> bool:
    index = fetched(config, source, "model_index.json").read_text(encoding="utf-8")
    return f'"{folder}"' in index
