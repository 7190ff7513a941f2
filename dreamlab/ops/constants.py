"""Numbers of the program on the device that works with them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`values`, a number or nested tuples of numbers, as a tensor that must not be changed.

    It is copied to the device once: a GPU waits for every copy from the host.
    """
    with torch.inference_mode(False):  # or no later gradient could pass it
        return torch.tensor(values, dtype=dtype, device=device)
