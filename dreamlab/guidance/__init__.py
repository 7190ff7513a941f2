"""Distillation methods: one file each, all behind dreamlab.guidance.protocol.Guidance. GuidanceConfig lists
them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.guidance.anchords import AnchorDSConfig
from dreamlab.guidance.asd import ASDConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.csd import CSDConfig
from dreamlab.guidance.dds import DDSConfig
from dreamlab.guidance.ism import ISMConfig
from dreamlab.guidance.mixture import MixtureConfig, PartConfig
from dreamlab.guidance.nfsd import NFSDConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.rfds import RFDSConfig
from dreamlab.guidance.sdi import SDIConfig
from dreamlab.guidance.sds import SDSConfig
from dreamlab.guidance.sjc import SJCConfig
from dreamlab.guidance.vsd import VSDConfig
from dreamlab.guidance.x0 import X0Config

GuidanceConfig = Annotated[
    SDSConfig
    | SJCConfig
    | X0Config
    | VSDConfig
    | CSDConfig
    | NFSDConfig
    | ISMConfig
    | SDIConfig
    | ASDConfig
    | DDSConfig
    | AnchorDSConfig
    | RFDSConfig
    | MixtureConfig,
    Field(discriminator="kind"),
]

# A mixture's parts are guidances again, so its fields are known only now.
PartConfig.model_rebuild(_types_namespace={"GuidanceConfig": GuidanceConfig})
MixtureConfig.model_rebuild()

__all__ = [
    "ASDConfig",
    "AnchorDSConfig",
    "CFGConfig",
    "CSDConfig",
    "DDSConfig",
    "GuidanceConfig",
    "ISMConfig",
    "MixtureConfig",
    "NFSDConfig",
    "NoiseConfig",
    "PartConfig",
    "RFDSConfig",
    "SDIConfig",
    "SDSConfig",
    "SJCConfig",
    "VSDConfig",
    "X0Config",
]
