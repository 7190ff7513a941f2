"""A film of the mesh that turns around."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from math import radians
from typing import Literal

from pydantic import Field as Setting
from torch import Tensor

from dreamlab.stages.protocol import Context, StageConfig, StageEvent, SurfaceMesh, Wrote
from dreamlab.views.turntable import write_turntable


class TurntableStageConfig(StageConfig):
    """The film of the finished mesh, as MP4 and as WebP."""

    kind: Literal["turntable"] = "turntable"
    name: str = "turntable"
    frames: int = Setting(default=60, ge=0, le=1000, description="views around the mesh; 0: no film")
    size: int = Setting(default=512, ge=32, le=2048, description="pixels of a side")
    fps: int = Setting(default=20, ge=1, le=60, description="frames a second")
    elevation: float = Setting(default=15.0, ge=-89, le=89, description="of the camera, in degrees")

    @property
    def active(self) -> bool:
        return self.frames > 0

    def build(self) -> TurntableStage:
        return TurntableStage(self)


class TurntableStage:
    """See TurntableStageConfig."""

    def __init__(self, config: TurntableStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        c = self.config
        files = {kind: context.folder / f"turntable.{kind}" for kind in ("mp4", "webp")}
        write_turntable(
            scene.mesh,
            list(files.values()),
            frames=c.frames,
            size=c.size,
            fps=c.fps,
            elevation=radians(c.elevation),
        )
        yield Wrote(files)
        return scene
