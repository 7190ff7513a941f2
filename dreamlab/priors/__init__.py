"""Frozen 2D diffusion models, all behind dreamlab.types.Prior. PriorConfig lists them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.priors.embedded import EmbeddedPriorConfig
from dreamlab.priors.stable_diffusion import StableDiffusionPriorConfig

PriorConfig = Annotated[EmbeddedPriorConfig | StableDiffusionPriorConfig, Field(discriminator="kind")]

__all__ = ["EmbeddedPriorConfig", "PriorConfig", "StableDiffusionPriorConfig"]
