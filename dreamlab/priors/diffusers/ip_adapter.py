"""Stable Diffusion that can also be shown a picture, through an IP-Adapter: the prior that AnchorDS wants."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Condition, Views
from dreamlab.priors.diffusers.base import Image, Level
from dreamlab.priors.diffusers.hub_errors import listening, translated
from dreamlab.priors.diffusers.image_space import LatentSpace, clip_pixels
from dreamlab.priors.diffusers.loading import load_component
from dreamlab.priors.diffusers.shared_weights import shared_weights_copy
from dreamlab.priors.diffusers.single_file import SAFETENSORS
from dreamlab.priors.diffusers.source import PretrainedConfig, fetched, find
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPrior

_PARTS = ("image_proj", "ip_adapter")


class IPAdapterPriorConfig(PretrainedConfig):
    """model: Stable Diffusion 1.x, or another that the adapter was made for.

    adapter: hub id or folder of the adapter; adapter_file and adapter_encoder: its weights and its CLIP image
    encoder in there. Adapters that see one vector of the picture ("ip-adapter_sd15"), not "plus" or "face".
    strength: how much the picture weighs, 1 as trained.
    """

    pipelines: ClassVar = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
    kind: Literal["ip-adapter"] = "ip-adapter"
    adapter: str = "h94/IP-Adapter"
    adapter_file: str = "models/ip-adapter_sd15.safetensors"
    adapter_encoder: str = "models/image_encoder"
    strength: float = Field(default=1.0, ge=0.0, le=2.0)

    def build(self, device: torch.device | str = "cpu") -> IPAdapterPrior:
        """Load network, VAE, adapter and image encoder. Raises DreamlabError where that fails."""
        return IPAdapterPrior(self, device)


class IPAdapterPrior(StableDiffusionPrior):
    """Ye et al. 2023. `denoise` answers as the model without the adapter; `denoise_with_image` asks a twin of
    the same weights on which the adapter sits.
    """

    config: IPAdapterPriorConfig
    space: LatentSpace

    def __init__(self, config: IPAdapterPriorConfig, device: torch.device | str = "cpu") -> None:
        super().__init__(config, device)
        wanted = config.model_copy(update={"model": config.adapter, "revision": None, "variant": None})
        source = find(wanted)
        if Path(config.adapter_file).suffix not in SAFETENSORS:
            raise InputError(
                f"the adapter {config.adapter_file} cannot be read",
                expected="a .safetensors file",
                mend="Set prior.adapter_file to the one of that name: pickled weights can run code",
            )
        with translated(config.adapter):
            from safetensors.torch import load_file

            state = load_file(fetched(wanted, source, config.adapter_file))
        kind = "CLIPVisionModelWithProjection"
        encoder = load_component(wanted, source, kind, config.adapter_encoder, self.dtype)
        self.encoder = encoder.to(self.device).eval().requires_grad_(False)
        self.shown = self._with_adapter(state)

    def denoise_with_image(
        self, z_t: Image, t: Level, condition: Condition, image: Image, views: Views | None = None
    ) -> Image:
        """x0_hat given text and a picture (latents, which are decoded for CLIP), in float32."""
        with torch.no_grad():
            out = self.shown(
                self.network_input(z_t, t),
                self.timestep(t),
                encoder_hidden_states=condition.tokens.to(self.dtype),
                added_cond_kwargs={"image_embeds": [self.embed_image(image)[:, None]]},
            ).sample
        return self.to_x0(z_t, out, t)

    @torch.no_grad()
    def embed_image(self, image: Image) -> Float[Tensor, "B D"]:
        """CLIP's vector of a picture that is given as latents."""
        pixels = clip_pixels(self.space.decode(image), self.encoder.config.image_size)
        return self.encoder(pixels.to(self.dtype)).image_embeds

    def _with_adapter(self, state: dict[str, Tensor]) -> Any:
        """The twin with the adapter. Raises InputError if it is none or was made for another model."""
        parts = {
            part: {name.removeprefix(f"{part}."): v for name, v in state.items() if name.startswith(part)}
            for part in _PARTS
        }
        self._check(parts)
        network = shared_weights_copy(self, "the adapter", "Choose a higher tier")
        put_on(network, parts, self.config.strength)
        return network.requires_grad_(False)

    def _check(self, parts: dict[str, dict[str, Tensor]]) -> None:
        projection = parts["image_proj"].get("proj.weight")
        keys = [value for name, value in parts["ip_adapter"].items() if name.endswith("to_k_ip.weight")]
        wrong = f"the adapter {self.config.adapter_file} does not fit {self.config.model}"
        if projection is None or projection.ndim != 2 or not keys:
            raise InputError(wrong, expected="an IP-Adapter that sees one vector of the picture")
        wanted = [
            layer.to_k.weight.shape for name, layer in self.network.named_modules() if name.endswith("attn2")
        ]
        if sorted(key.shape for key in keys) != sorted(wanted):
            width = self.network.config.cross_attention_dim
            raise InputError(
                wrong,
                expected=f"{len(wanted)} layers on text of width {width}",
                got=f"{len(keys)} on {keys[0].shape[1]}",
            )
        if projection.shape[1] != self.encoder.config.projection_dim:
            raise InputError(
                f"the image encoder {self.config.adapter_encoder} does not fit the adapter",
                expected=f"vectors of {projection.shape[1]} numbers",
                got=str(self.encoder.config.projection_dim),
            )


def put_on(network: Any, parts: dict[str, dict[str, Tensor]], strength: float = 1.0) -> None:
    """Give the attention of a UNet an adapter's eyes. parts: "image_proj" and "ip_adapter", as diffusers
    names them."""
    with listening():
        pipe = import_module("diffusers").StableDiffusionPipeline(
            vae=None,
            text_encoder=None,
            tokenizer=None,
            unet=network,
            scheduler=None,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipe.load_ip_adapter(parts, subfolder="", weight_name="", image_encoder_folder=None)
        pipe.set_ip_adapter_scale(strength)
