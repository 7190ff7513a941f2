"""Stable Diffusion with a ControlNet that is shown the render's own depth or normals.

The prior then paints the shape that is there instead of inventing another: for texturing, and for refining
a shape without moving it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, RenderOutput, Views
from dreamlab.priors.diffusers.base import NetworkInputs
from dreamlab.priors.diffusers.loading import load_component
from dreamlab.priors.diffusers.memory import place
from dreamlab.priors.diffusers.source import PretrainedConfig, find_part
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPrior

_SOLID = 0.05  # less opacity than this is background


class ControlNetPriorConfig(PretrainedConfig):
    """model: Stable Diffusion 1.x or 2.x; controlnet: alias, hub id or folder of a ControlNet for it.

    hint: what it is shown. strength: how much it weighs, 1 as trained.
    """

    pipelines: ClassVar = ("StableDiffusionPipeline", "StableDiffusionControlNetPipeline")
    kind: Literal["controlnet"] = "controlnet"
    controlnet: str
    hint: Literal["depth", "normal"] = "depth"
    strength: float = Field(default=1.0, ge=0.0, le=2.0)

    def build(self, device: torch.device | str = "cpu") -> ControlNetPrior:
        """Load networks and VAE. Raises DreamlabError where that fails."""
        return ControlNetPrior(self, device)


class ControlNetPrior(StableDiffusionPrior):
    """Zhang et al. 2023. The hint is made in `encode`, without gradient."""

    config: ControlNetPriorConfig

    def __init__(self, config: ControlNetPriorConfig, device: torch.device | str = "cpu") -> None:
        super().__init__(config, device)
        net = load_component(*find_part(config, config.controlnet), "ControlNetModel", None, self.dtype)
        if net.config.cross_attention_dim != self.network.config.cross_attention_dim:
            raise ConfigError(
                f"the ControlNet {config.controlnet} does not fit {config.model}",
                expected=f"text of width {self.network.config.cross_attention_dim}",
                got=str(net.config.cross_attention_dim),
            )
        self.controlnet = place(net, self.memory, self.device)

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Latents of the renders, and as `aux` their depth or normals: "hint" [B,3,side,side] in 0..1."""
        return replace(super().encode(render, cameras), aux={"hint": self._hint(render, cameras)})

    @torch.no_grad()
    def _hint(self, render: RenderOutput, cameras: Cameras) -> Float[Tensor, "B 3 s s"]:
        make = depth_hint if self.config.hint == "depth" else normal_hint
        side = (self.space.side, self.space.side)
        return interpolate(make(render, cameras), side, mode="bilinear", antialias=True)

    def _predict(self, inputs: NetworkInputs) -> Tensor:
        tokens = inputs.condition.tokens.to(self.dtype)
        down, middle = self.controlnet(
            inputs.z,
            inputs.timestep,
            encoder_hidden_states=tokens,
            controlnet_cond=inputs.aux("hint"),
            conditioning_scale=self.config.strength,
            return_dict=False,
        )
        return self.network(
            inputs.z,
            inputs.timestep,
            encoder_hidden_states=tokens,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample


def depth_hint(render: RenderOutput, cameras: Cameras) -> Float[Tensor, "B 3 H W"]:
    """Inverse distance as MiDaS gives it, each image stretched to 0..1: the nearest point white, background
    black.
    """
    solid = render.opacity > _SOLID
    inverse = torch.where(solid, render.opacity / render.depth.clamp_min(1e-6), 0.0)
    most = inverse.amax((1, 2, 3), keepdim=True)
    least = torch.where(solid, inverse, torch.inf).amin((1, 2, 3), keepdim=True).clamp_max(most)
    # the farthest point of the object stays clear of the background
    grey = 0.2 + 0.8 * (inverse - least) / (most - least).clamp_min(1e-6)
    return torch.where(solid, grey, 0.0).movedim(-1, 1).expand(-1, 3, -1, -1)


def normal_hint(render: RenderOutput, cameras: Cameras) -> Float[Tensor, "B 3 H W"]:
    """Normals in the camera's frame from the depth, as ControlNet 1.1 wants them: blue to the camera, red to
    the left, green up. Background faces the camera.
    """
    from kornia.geometry import depth_to_normals

    height, width = render.depth.shape[1:3]
    focal = height / 2 / torch.tan(cameras.fovy / 2)
    intrinsics = torch.zeros(len(focal), 3, 3).to(focal)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = (width - 1) / 2, (height - 1) / 2  # pixel centres are whole
    intrinsics[:, 2, 2] = 1
    distance = (render.depth / render.opacity.clamp_min(_SOLID)).movedim(-1, 1)
    # Of OpenCV's frame, and away from the camera: x is to the left of what faces us, y up, z towards us.
    normals = depth_to_normals(distance, intrinsics, normalize_points=True)
    ahead = normals.new_tensor([0.0, 0.0, 1.0])[:, None, None]
    seen = (render.opacity.movedim(-1, 1) > 0.5) & (normals[:, 2:] > 0)
    return (torch.where(seen, normals, ahead) + 1) / 2
