"""A trainable copy of a U-Net prior: low-rank layers and a camera on top of the same frozen weights.

Variational score distillation needs a second model that learns what is rendered now. Its weights are the
prior's own, not a copy of them: what is new is a LoRA and a small embedding of the camera.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from dreamlab.core.types import Condition, Views
from dreamlab.priors.diffusers.base import Image, Level, PretrainedPrior
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.lora import need_peft
from dreamlab.priors.diffusers.shared_weights import shared_weights_copy

RANK = 4
_MEND = "Choose a higher tier, or guidance.score=small"
_ADAPTED = ["to_q", "to_k", "to_v", "to_out.0"]


class LoraScore(nn.Module):
    """phi of ProlificDreamer (Wang et al. 2023, section 3.3): (z, t, condition, views) -> x0_phi.

    A LoRA of rank 4 in all attention layers, and the camera-to-world matrix through two linear layers, added
    to the time embedding, as threestudio's version of the method has them. Both end in zeros, so phi starts
    as the prior itself; what comes before has the deviation 1 / rank, theirs too, which sets how fast it
    learns. They are float32 whatever the network computes in; a memory tier recomputes activations in the
    backward pass.

    Args:
        prior: whose network is a UNet2DConditionModel of diffusers.
        camera: False where the network is given cameras already.

    Raises ConfigError if parts of the network wait in main memory, UnavailableError without peft.
    """

    def __init__(self, prior: PretrainedPrior, camera: bool = True) -> None:
        super().__init__()
        self.network = _with_lora(shared_weights_copy(prior, "training a LoRA", _MEND))
        if prior.config.vram is not None:
            self.network.enable_gradient_checkpointing()
        self.camera = _camera_embedding(self.network) if camera else None
        self.prediction = prior.prediction
        asked = copy.copy(prior)
        asked.network = self.network
        self._asked = [asked]  # in a list: of the prior only the network is this module's

    def forward(self, z: Image, t: Level, condition: Condition, views: Views) -> Image:
        """x0_phi in float32, with its graph to LoRA and camera embedding."""
        asked = self._asked[0]
        if self.camera is None:
            return asked.x0_hat(z, t, condition, views)
        pose = self.camera(views.cameras.c2w.flatten(1).to(z.device, torch.float32))
        hook = self.network.time_embedding.register_forward_hook(lambda *call: call[-1] + pose.to(call[-1]))
        try:
            return asked.x0_hat(z, t, condition, views)
        finally:
            hook.remove()


def _with_lora(network: Any) -> Any:
    """The network with a LoRA on it, which is all that is trainable."""
    need_peft()
    from peft import LoraConfig

    with listening():
        network.add_adapter(
            LoraConfig(r=RANK, lora_alpha=RANK, target_modules=_ADAPTED, init_lora_weights="gaussian")
        )
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return network


def _camera_embedding(network: Any) -> nn.Module:
    """16 numbers to the time embedding's width, zero at the start."""
    from diffusers.models.embeddings import TimestepEmbedding

    width = network.time_embedding.linear_2.out_features
    embedding = TimestepEmbedding(16, width)
    nn.init.zeros_(embedding.linear_2.weight)
    nn.init.zeros_(embedding.linear_2.bias)
    return embedding
