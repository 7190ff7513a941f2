"""Frozen 2D diffusion models, all behind dreamlab.priors.protocols.Prior. PriorConfig lists them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.priors.diffusers.controlnet import ControlNetPriorConfig
from dreamlab.priors.diffusers.deepfloyd import DeepFloydPriorConfig, DeepFloydUpscalerPriorConfig
from dreamlab.priors.diffusers.flux import FluxPriorConfig
from dreamlab.priors.diffusers.imagedream import ImageDreamPriorConfig
from dreamlab.priors.diffusers.ip_adapter import IPAdapterPriorConfig
from dreamlab.priors.diffusers.mvdream import MVDreamPriorConfig
from dreamlab.priors.diffusers.pixart import PixArtPriorConfig
from dreamlab.priors.diffusers.sana import SanaPriorConfig
from dreamlab.priors.diffusers.sd3 import SD3PriorConfig
from dreamlab.priors.diffusers.sdxl import SDXLPriorConfig
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.diffusers.video import VideoPriorConfig
from dreamlab.priors.diffusers.zero123 import Zero123PriorConfig
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

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
    | ImageDreamPriorConfig
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
    "ImageDreamPriorConfig",
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
