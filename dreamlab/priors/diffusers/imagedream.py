"""ImageDream: MVDream that is also shown a picture of the object.

What it has beside MVDream's parts is an IP-Adapter of 16 tokens on all attention to text (its "local"
controller), and the picture itself, clean, as a fifth view of every group (its "pixel" controller).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.base import NetworkInputs
from dreamlab.priors.diffusers.hub_errors import FETCH_AGAIN
from dreamlab.priors.diffusers.image_space import LatentSpace, clip_pixels, to_pixels
from dreamlab.priors.diffusers.ip_adapter import put_on
from dreamlab.priors.diffusers.mvdream import MVDreamPrior, attend_across_views, camera_numbers
from dreamlab.priors.diffusers.mvdream_names import renamed
from dreamlab.priors.diffusers.picture import ShownPictureConfig, read_image

_RESAMPLER = "image_embed."
_ADAPTED = ("to_k_ip.weight", "to_v_ip.weight")


class ImageDreamPriorConfig(ShownPictureConfig):
    """ImageDream's four views from one picture and words, on Stable Diffusion 2.1; weights with the pixel
    controller ("ipmv"). Wants what MVDream wants, and a picture from the front.

    negative_prompt: words that are answered without the picture, as the empty prompt is. null: the run's.
    """

    pipelines: ClassVar = ("MVDreamPipeline",)
    with_parts: ClassVar = ("image_encoder",)
    title: ClassVar = "ImageDream"
    kind: Literal["imagedream"] = "imagedream"
    negative_prompt: str | None = None

    def build(self, device: torch.device | str = "cpu") -> ImageDreamPrior:
        """Load network, VAE and encoders. Raises DreamlabError where that fails."""
        self.require_picture()
        return ImageDreamPrior(self, device)

    def showing(self, image: Path, elevation: float, negative_prompt: str) -> Self:
        """As the family's, with the run's negative prompt."""
        return self.model_copy(update={"image": image, "negative_prompt": negative_prompt})


class ImageDreamPrior(MVDreamPrior):
    """Wang and Shi 2023, section 3. Every prompt but the empty and the negative one is answered with the
    picture beside it; these two with zeros in its place, as published.
    """

    config: ImageDreamPriorConfig
    space: LatentSpace
    parts: ClassVar[Mapping[str, str]] = {**MVDreamPrior.parts, "image_encoder": "CLIPVisionModel"}
    text_parts = ("text_encoder", "tokenizer", "image_encoder")

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        if inputs.cameras is None:
            raise ConfigError("ImageDream cannot answer without cameras", mend="Leave cfg.camera out")
        self._require_groups(len(inputs.z))
        seen = {name: value.to(self.dtype) for name, value in inputs.condition.extras}
        cameras = camera_numbers(inputs.cameras).to(inputs.z)
        self.attention.views = self.views_per_group + 1
        out = self.network(
            self._with_fifth(inputs.z, seen["image"]),
            self._with_fifth(inputs.timestep),
            encoder_hidden_states=self._with_fifth(inputs.condition.tokens.to(self.dtype)),
            class_labels=self._with_fifth(cameras, torch.zeros_like(cameras)),
            added_cond_kwargs={"image_embeds": [self._with_fifth(seen["embedding"])[:, None]]},
        ).sample
        return out.unflatten(0, (-1, self.views_per_group + 1))[:, :-1].flatten(0, 1)

    def _with_fifth(self, rows: Tensor, other: Tensor | None = None) -> Tensor:
        """After the four rows of each group one more: the first of these, or of `other` there."""
        groups = rows.unflatten(0, (-1, self.views_per_group))
        more = groups if other is None else other.unflatten(0, (-1, self.views_per_group))
        return torch.cat([groups, more[:, :1]], dim=1).flatten(0, 1)

    def _encode_text(self, pipe: Any, prompts: list[str]) -> Condition:
        assert self.config.image is not None  # build saw to it
        image = read_image(self.config.image).to(self.device)
        clip = clip_pixels(image, int(pipe.image_encoder.config.image_size)).to(self.dtype)
        embedding = pipe.image_encoder(clip, output_hidden_states=True).hidden_states[-2].float()
        latent = self.space.encode(to_pixels((image.movedim(1, -1) + 1) / 2, self.space.side))
        blind = ("", self.config.negative_prompt)
        shown = torch.tensor([prompt not in blind for prompt in prompts], device=self.device)
        extras = (
            ("embedding", embedding * shown[:, None, None]),
            ("image", latent * shown[:, None, None, None]),
        )
        return replace(super()._encode_text(pipe, prompts), extras=extras)

    def _identity(self) -> str | None:
        kept = super()._identity()
        if kept is None:
            return None
        return f"{kept} {self.config.state_of_picture()} {self.space.side} {self.config.vae}"

    def _load_network(self) -> Any:
        adapter: dict[str, Tensor] = {}

        def apart(state: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
            adapter.update({name: value for name, value in state.items() if name.startswith(_RESAMPLER)})
            named = renamed({name: value for name, value in state.items() if name not in adapter}, settings)
            adapter.update({name: value for name, value in named.items() if name.endswith(_ADAPTED)})
            return {name: value for name, value in named.items() if name not in adapter}

        network = self._read_network(apart)
        put_on(network, adapter_parts(network, adapter, self.source.place))
        self.attention = attend_across_views(network)
        return network


def adapter_parts(network: Any, state: Mapping[str, Tensor], place: str) -> dict[str, dict[str, Tensor]]:
    """ImageDream's adapter as diffusers reads one: its resampler, and keys and values by the number of their
    layer. Raises DamagedError where the weights have none.
    """
    layers = [name.removesuffix(".processor") for name in network.attn_processors]
    numbered = {
        f"{number}.{end}": f"{layer}.{end}"
        for number, layer in enumerate(layers)
        if layer.endswith("attn2")
        for end in _ADAPTED
    }
    resampler = {k.removeprefix(_RESAMPLER): v for k, v in state.items() if k.startswith(_RESAMPLER)}
    missing = [name for name in numbered.values() if name not in state]
    if not resampler or missing:
        raise DamagedError(
            f"{place} has no weights for a picture",
            expected=f"{_RESAMPLER}* and {missing[0] if missing else '*.to_k_ip.weight'}",
            mend=FETCH_AGAIN,
        )
    return {"image_proj": resampler, "ip_adapter": {name: state[full] for name, full in numbered.items()}}
