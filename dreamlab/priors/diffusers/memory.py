"""Memory tiers: what `--vram 6|8|12|24` sets, in GB of the graphics card.

Attention is not sliced: torch's scaled_dot_product_attention never holds the whole matrix, and diffusers
itself advises against slicing on top of it. Nor is the VAE sliced or tiled: that bounds what one pass
needs, not what the gradient keeps, which is far more. Text encoders are loaded for the prompts and let go
of, whatever the tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import torch

from dreamlab.core.errors import UnavailableError

Tier = Literal[6, 8, 12, 24]


@dataclass(frozen=True)
class MemoryPlan:
    """vae_checkpointing: the VAE's encoder keeps its blocks' inputs alone and computes the rest again for the
    gradient, bit by bit the same; offload: parts of the network wait in main memory, whole blocks
    ("block_level") or single layers ("leaf_level"); encoder_8bit: T5 or Gemma in 8 bits.
    """

    vae_checkpointing: bool = False
    offload: Literal["block_level", "leaf_level"] | None = None
    encoder_8bit: bool = False


def plan(tier: Tier | None, network_bytes: int, has_t5: bool) -> MemoryPlan:
    """What a tier means for a network of this size. None changes nothing.

    The network stays on the card while it takes at most half of it. T5-XXL takes 9.5 GB in 16 bits, so tiers
    of 8 and less read it in 8 bits.
    """
    if tier is None:
        return MemoryPlan()
    crowded = network_bytes > tier * 2**30 / 2
    return MemoryPlan(
        vae_checkpointing=True,
        offload=("leaf_level" if tier == 6 else "block_level") if crowded else None,
        encoder_8bit=has_t5 and tier <= 8,
    )


def place(network: Any, found: MemoryPlan, device: torch.device) -> Any:
    """The frozen network on its device, or with parts of it waiting in main memory."""
    network.eval().requires_grad_(False)
    if found.offload is None or device.type == "cpu":
        return network.to(device)
    blocks = {"num_blocks_per_group": 1} if found.offload == "block_level" else {}
    network.enable_group_offload(
        onload_device=device, offload_device=torch.device("cpu"), offload_type=found.offload, **blocks
    )
    return network


def thrifty_vae(vae: Any, found: MemoryPlan) -> Any:
    """The VAE, keeping less for the gradient where the plan says so and the VAE can."""
    if found.vae_checkpointing and getattr(vae, "_supports_gradient_checkpointing", False):
        vae.enable_gradient_checkpointing()
    return vae


def eight_bits(parts: tuple[str, ...]) -> Any:
    """diffusers' setting that reads these parts in 8 bits. Raises UnavailableError without bitsandbytes."""
    if find_spec("bitsandbytes") is None:
        raise UnavailableError(
            "this memory tier reads large text encoders in 8 bits, for which bitsandbytes is not installed",
            mend="pip install bitsandbytes, or choose a higher tier",
        )
    return import_module("diffusers.quantizers").PipelineQuantizationConfig(
        quant_backend="bitsandbytes_8bit",
        quant_kwargs={"load_in_8bit": True},
        components_to_quantize=list(parts),
    )


def weight_bytes(network: Any) -> int:
    """Memory of a network's weights."""
    return sum(p.numel() * p.element_size() for p in network.parameters())
