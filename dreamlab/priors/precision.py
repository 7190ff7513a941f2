"""Whether this machine computes in bfloat16: what priors ask where their precision is "auto"."""

from __future__ import annotations

import torch


def has_bfloat16_units(device: torch.device | str) -> bool:
    """Whether bfloat16 products are much faster than float32 ones on this very device: on CUDA not where the
    card only emulates them, on a processor where it has AMX or AVX-512 BF16.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        if not torch.cuda.is_available():
            return False
        with torch.cuda.device(device):  # torch answers for the current one
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
