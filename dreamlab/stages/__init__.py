"""What a run is made of: stages, the loop, its state, and who watches it. AnyStageConfig is the list of
stages."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from dreamlab.stages.clean import CleanStageConfig
from dreamlab.stages.distil import DistilConfig
from dreamlab.stages.export import ExportStageConfig
from dreamlab.stages.extract import ExtractStageConfig
from dreamlab.stages.fit_views import FitViewsConfig
from dreamlab.stages.protocol import Stage, StageConfig, SurfaceMesh
from dreamlab.stages.retexture import RetextureStageConfig
from dreamlab.stages.simplify import SimplifyStageConfig
from dreamlab.stages.texture import TextureStageConfig
from dreamlab.stages.turntable import TurntableStageConfig

_Kinds = (
    DistilConfig
    | FitViewsConfig
    | ExtractStageConfig
    | CleanStageConfig
    | SimplifyStageConfig
    | TextureStageConfig
    | RetextureStageConfig
    | ExportStageConfig
    | TurntableStageConfig
)
AnyStageConfig = Annotated[_Kinds, Field(discriminator="kind")]
STAGE_KINDS: tuple[str, ...] = tuple(config.model_fields["kind"].default for config in get_args(_Kinds))

__all__ = [
    "STAGE_KINDS",
    "AnyStageConfig",
    "CleanStageConfig",
    "DistilConfig",
    "ExportStageConfig",
    "ExtractStageConfig",
    "FitViewsConfig",
    "RetextureStageConfig",
    "SimplifyStageConfig",
    "Stage",
    "StageConfig",
    "SurfaceMesh",
    "TextureStageConfig",
    "TurntableStageConfig",
]
