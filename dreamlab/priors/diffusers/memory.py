"""Memory tiers: what `--vram 6|8|12|24` sets, in GB of the graphics card.

Attention is not sliced: torch's scaled_dot_product_attention never holds the whole matrix, and diffusers
itself advises against slicing on top of it. Text encoders are loaded for the prompts and let go of, whatever
the tier.
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
    """vae_slicing: one image at a time through the VAE; vae_tiling: one tile of it; offload: parts of the
    network wait in main memory, whole blocks ("block_level") or single layers ("leaf_level"); encoder_8bit:
    T5 or Gemma in 8 bits.
    """

    vae_slicing: bool = False
    vae_tiling: bool = False
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
        vae_slicing=tier <= 12,
        vae_tiling=tier <= 8,
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
    """The VAE, encoding in slices or tiles where the plan says so and the VAE can."""
    if found.vae_slicing and hasattr(vae, "enable_slicing"):
        vae.enable_slicing()
    if found.vae_tiling and hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
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
