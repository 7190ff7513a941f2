"""MVDream: Stable Diffusion whose self-attention spans four views of one object, given their camera matrices.

diffusers has no class for it, but its parts make one: a UNet2DConditionModel whose class embedding takes the
16 numbers of a camera ("projection"), and a processor that lets the self-attention of each group of four
images see all of them. Folders in diffusers' layout load as they are; the network of the published
conversions, which keeps the names of the original code, is renamed while it loads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras
from dreamlab.priors.diffusers.base import NetworkInputs
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.loading import load_component, load_part
from dreamlab.priors.diffusers.lora import merge_loras
from dreamlab.priors.diffusers.lora_score import LoraScore
from dreamlab.priors.diffusers.mvdream_names import network_settings, renamed
from dreamlab.priors.diffusers.parts import given_parts
from dreamlab.priors.diffusers.source import PretrainedConfig
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPrior

_PARTS = {
    "vae": "AutoencoderKL",
    "scheduler": "DDIMScheduler",
    "tokenizer": "CLIPTokenizer",
    "text_encoder": "CLIPTextModel",
}
Rename = Callable[[dict[str, Tensor], dict[str, Any]], dict[str, Tensor]]


class MVDreamPriorConfig(PretrainedConfig):
    """MVDream's four-view model on Stable Diffusion 2.1. Wants groups of four views at evenly spaced azimuths
    and one elevation (cameras of kind "orbit" with views 4), and no view words in the prompt.
    """

    pipelines: ClassVar = ("MVDreamPipeline",)
    kind: Literal["mvdream"] = "mvdream"

    def build(self, device: torch.device | str = "cpu") -> MVDreamPrior:
        """Load network and VAE. Raises DreamlabError where that fails."""
        return MVDreamPrior(self, device)


class MVDreamPrior(StableDiffusionPrior):
    """Shi et al. 2023. Asked without cameras it answers as the single-image model that it was trained to be
    along the
    way: every image for itself.
    """

    parts: ClassVar[Mapping[str, str]] = _PARTS
    views_per_group = 4
    trained_side = 256

    def trainable_copy(self) -> nn.Module:
        """The score model of variational distillation; the network is given cameras already."""
        return LoraScore(self, camera=False)

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        alone = inputs.cameras is None
        if not alone:
            self._require_groups(len(inputs.z))
        self.attention.views = 1 if alone else self.views_per_group
        cameras = (
            inputs.z.new_zeros(len(inputs.z), 16)
            if inputs.cameras is None
            else camera_numbers(inputs.cameras)
        )
        return self.network(
            inputs.z,
            inputs.timestep,
            encoder_hidden_states=inputs.condition.tokens.to(self.dtype),
            class_labels=cameras.to(inputs.z),
        ).sample

    def _require_groups(self, views: int) -> None:
        if views % self.views_per_group:
            raise ConfigError(
                f"{self.config.model} looks at four views of an object at a time",
                expected="a multiple of 4 views",
                got=str(views),
            )

    def _load(self, skip: Sequence[str], **parts: Any) -> Any:
        """The parts one by one, in a Stable Diffusion pipeline; published folders name code that is not run
        here.
        """
        skip = () if self.config.lora else skip
        made: dict[str, Any] = dict.fromkeys(self.parts)
        made |= given_parts(
            self.config, self.source, [name for name in self.parts if name not in skip], self.dtype
        )
        for name, kind in self.parts.items():
            if name not in skip and made[name] is None:
                made[name] = load_component(self.config, self.source, kind, name, self.dtype)
        if self.network_part not in skip:
            made["unet"] = self._load_network()
        with listening():
            pipe = import_module("diffusers").StableDiffusionPipeline(
                **{"unet": None} | made,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
        return merge_loras(pipe, self.config.lora, self.config.model)

    def _load_network(self) -> Any:
        network = self._read_network(renamed)
        network.class_embedding = CameraEmbedding(network.class_embedding)
        self.attention = attend_across_views(network)
        return network

    def _read_network(self, rename: Rename) -> Any:
        return load_part(
            self.config,
            self.source,
            "UNet2DConditionModel",
            self.network_part,
            self.dtype,
            rename=rename,
            settings=network_settings,
        )


class CameraEmbedding(nn.Module):
    """The network's embedding of camera matrices; a matrix of zeros means no camera and adds nothing."""

    def __init__(self, embedding: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, cameras: Float[Tensor, "B 16"]) -> Float[Tensor, "B D"]:
        return self.embedding(cameras) * cameras[:, -1:]  # the last number of a pose is 1


class CrossViewAttention:
    """Self-attention over the tokens of `views` consecutive images together."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.views = inner, 1

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        b, tokens, width = hidden_states.shape
        joined = hidden_states.reshape(b // self.views, self.views * tokens, width)
        return self.inner(attn, joined, *args, **kwargs).reshape(b, tokens, width)


def attend_across_views(network: Any) -> CrossViewAttention:
    """Give all self-attention of a UNet one CrossViewAttention, which is returned."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    shared = CrossViewAttention(AttnProcessor2_0())
    network.set_attn_processor(
        {
            name: shared if name.endswith("attn1.processor") else processor
            for name, processor in network.attn_processors.items()
        }
    )
    return shared


def camera_numbers(cameras: Cameras) -> Float[Tensor, "B 16"]:
    """Camera-to-world matrices as MVDream was trained with: OpenGL cameras in Blender's world (z up; our
    front, +Z, is its -Y), position on the unit sphere, flattened row by row.
    """
    flip = cameras.c2w.new_tensor([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    pose = flip @ cameras.c2w
    position = pose[:, :3, 3:]
    unit = position / position.norm(dim=1, keepdim=True).clamp_min(1e-8)
    top = torch.cat([pose[:, :3, :3], unit], dim=2)
    return torch.cat([top, pose[:, 3:]], dim=1).flatten(1)
