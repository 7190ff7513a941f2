"""The mesh becomes files."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting
from pydantic import field_validator
from torch import Tensor

from dreamlab.mesh.geometry.shape import parse_size, place
from dreamlab.mesh.io.encode import TextureFormat
from dreamlab.mesh.io.export import check_packages, check_textures, write
from dreamlab.mesh.shape_words import parse_shape, shaped
from dreamlab.stages.protocol import Context, StageConfig, StageEvent, SurfaceMesh, Wrote

log = logging.getLogger(__name__)

MeshFormat = Literal["glb", "obj", "ply", "stl", "3mf", "usdz", "splat.ply"]


class ExportStageConfig(StageConfig):
    """Which files are written, how large the object is and where it stands."""

    kind: Literal["export"] = "export"
    name: str = "export"
    formats: tuple[MeshFormat, ...] = Setting(
        default=("glb", "obj"), description="mesh formats, one file each"
    )
    size: str | None = Setting(
        default=None,
        description="longest side, such as 0.3m, 30cm or 12in; real: as what the prompt names, by the table "
        "of dreamlab/mesh/real_sizes.yaml; null: the box of the field is 2 m wide",
    )
    bbox: str | None = Setting(
        default=None,
        description="width, height and depth to each other, such as 1x2x1, or words, such as taller: the "
        "object is stretched along the axes; null: as it is",
    )
    origin: Literal["keep", "centre", "base"] = Setting(
        default="keep", description="where 0 lies; base is the middle of the underside"
    )
    compression: Literal["none", "draco", "meshopt"] = Setting(
        default="none", description="of the geometry of GLB"
    )
    textures: TextureFormat = Setting(
        default="png", description="how images are encoded: png loses nothing, webp is for GLB alone"
    )

    @field_validator("size")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_size(text)
        return text

    @field_validator("bbox")
    @classmethod
    def _proportions(cls, text: str | None) -> str | None:
        if text is not None:
            parse_shape(text)
        return text

    def check(self) -> None:
        check_packages(self.formats, self.compression)
        check_textures(self.formats, self.textures)

    def build(self) -> ExportStage:
        return ExportStage(self)


class ExportStage:
    """See ExportStageConfig. The scene that it returns is the mesh as the files have it. A mesh file in new
    colours is written in its own format with all that it holds, if nothing else is to change."""

    def __init__(self, config: ExportStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        placed = self.placed(scene)
        yield Wrote(self.write(placed, context.folder, name=context.asset, made_by=context.made_by))
        return placed

    def placed(self, scene: SurfaceMesh) -> SurfaceMesh:
        """The mesh at its size and place."""
        config = self.config
        size = None if config.size is None else parse_size(config.size)
        dressed = scene.dressed
        if dressed is not None and (size is not None or config.bbox is not None or config.origin != "keep"):
            log.warning("another size or place: of %s only the mesh is kept", dressed.source.name)
            dressed = None
        mesh = scene.mesh if config.bbox is None else shaped(scene.mesh, config.bbox)
        return replace(scene, mesh=place(mesh, size=size, origin=config.origin), dressed=dressed)

    def write(
        self,
        scene: SurfaceMesh,
        folder: Path,
        stem: str = "mesh",
        name: str | None = None,
        made_by: Mapping[str, Any] | None = None,
    ) -> dict[str, Path]:
        """Write the mesh in every format of the config; the files by format. `name` is the object's inside
        them (default: the stem); `made_by` is what a GLB says of its making."""
        if self.config.size is None and "stl" in self.config.formats:
            longest = float((scene.mesh.vertices.amax(0) - scene.mesh.vertices.amin(0)).max())
            log.warning(
                "STL has no unit: programs take it for millimetres, and the longest side for %.0f mm; "
                "--size makes it another",
                longest * 1000,
            )
        how = {
            "name": name or stem,
            "compression": self.config.compression,
            "textures": self.config.textures,
            "quads": scene.quads,
            "parts": scene.parts,
            "made_by": made_by,
        }
        files, dressed = {}, scene.dressed
        packed = self.config.compression != "none" or self.config.textures != "png"
        for kind in self.config.formats:
            target = folder / f"{stem}.{kind}"
            if dressed is None or kind != dressed.format or packed:
                files[kind] = write(scene.mesh, target, **how)[0]
                continue
            (files[kind], *_), changed = dressed.write(target)
            if changed:
                log.warning("not as it was: %s", "; ".join(changed))
        return files
