"""What `--vram` means for models of real shapes, counted on torch's meta device: nothing is made or measured.

    python scripts/count_memory.py

One row a model, as Markdown: weights of the network in 16 bits; what the gradient through the VAE keeps of
one image of the model's own size, without a tier and with one; and what each tier does with the network,
which stays on the card while it takes at most half of it. Activations of the network, CUDA's own memory and
the scene come on top.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

import torch
from gpu_check_random import SHAPES, parameters_of, random_prior
from gpu_check_record import Setting

from dreamlab.priors.diffusers.image_space import LatentSpace
from dreamlab.priors.diffusers.memory import MemoryPlan, Tier, plan, thrifty_vae

TIERS: tuple[Tier, ...] = (6, 8, 12, 24)
_WAITS = {None: "stays", "block_level": "waits in blocks", "leaf_level": "waits in layers"}


def kept_bytes(vae: Any, side: int) -> int:
    """What autograd keeps of encoding one image with a VAE on the meta device, in its own precision."""
    total = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal total
        total += 0 if tensor.is_leaf and not tensor.requires_grad else tensor.numel() * tensor.element_size()
        return tensor

    dtype = next(vae.parameters()).dtype
    images = torch.zeros(1, 3, side, side, device="meta", dtype=dtype, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        vae.encode(images * 1).latent_dist.mean.sum()
    return total


def row(name: str) -> list[str]:
    """The model's cells."""
    weights = 2 * parameters_of(name)
    prior = random_prior(name, Setting(torch.device("meta"), False), dtype="bfloat16", vae_dtype="auto")
    cells = [name, f"{prior.resolution}", f"{weights / 2**30:.1f}"]
    if isinstance(prior.space, LatentSpace):
        vae = prior.space.vae
        whole = kept_bytes(vae, prior.resolution)
        less = kept_bytes(thrifty_vae(vae, MemoryPlan(vae_checkpointing=True)), prior.resolution)
        cells += [f"{whole / 2**30:.2f}", f"{less / 2**30:.2f}"]
    else:
        cells += ["no VAE", "no VAE"]
    return cells + [_WAITS[plan(tier, weights, bool(prior.t5_parts)).offload] for tier in TIERS]


def main() -> None:
    head = ["model", "pixels", "weights, GiB", "VAE keeps, GiB", "with a tier", *(f"{t} GB" for t in TIERS)]
    rows = [head, ["---"] * len(head), *(row(name) for name in SHAPES)]
    sys.stdout.write("".join("| " + " | ".join(cells) + " |\n" for cells in rows))


if __name__ == "__main__":
    main()
