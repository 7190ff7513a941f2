"""Frozen 2D diffusion models, all behind dreamlab.types.Prior. PriorConfig lists them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.priors.controlnet import ControlNetPriorConfig
from dreamlab.priors.deepfloyd import DeepFloydPriorConfig, DeepFloydUpscalerPriorConfig
from dreamlab.priors.embedded import EmbeddedPriorConfig
from dreamlab.priors.flux import FluxPriorConfig
from dreamlab.priors.ip_adapter import IPAdapterPriorConfig
from dreamlab.priors.mvdream import MVDreamPriorConfig
from dreamlab.priors.pixart import PixArtPriorConfig
from dreamlab.priors.sana import SanaPriorConfig
from dreamlab.priors.sd3 import SD3PriorConfig
from dreamlab.priors.sdxl import SDXLPriorConfig
from dreamlab.priors.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.video import VideoPriorConfig
from dreamlab.priors.zero123 import Zero123PriorConfig

PriorConfig = Annotated[
    EmbeddedPriorConfig
    | StableDiffusionPriorConfig
    | SDXLPriorConfig
    | SD3PriorConfig
    | FluxPriorConfig
    | DeepFloydPriorConfig
    | DeepFloydUpscalerPriorConfig
    | PixArtPriorConfig
    | SanaPriorConfig
    | MVDreamPriorConfig
    | Zero123PriorConfig
    | VideoPriorConfig
    | ControlNetPriorConfig
    | IPAdapterPriorConfig,
    Field(discriminator="kind"),
]

__all__ = [
    "ControlNetPriorConfig",
    "DeepFloydPriorConfig",
    "DeepFloydUpscalerPriorConfig",
    "EmbeddedPriorConfig",
    "FluxPriorConfig",
    "IPAdapterPriorConfig",
    "MVDreamPriorConfig",
    "PixArtPriorConfig",
    "PriorConfig",
    "SD3PriorConfig",
    "SDXLPriorConfig",
    "SanaPriorConfig",
    "StableDiffusionPriorConfig",
    "VideoPriorConfig",
    "Zero123PriorConfig",
]
