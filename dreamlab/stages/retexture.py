"""A mesh file in the colours of a trained field: all that it holds beside them stays."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import finish_of
from dreamlab.mesh.repaint import Coat
from dreamlab.mesh.retexture import Dressed
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.texture.palette import Palette, PaletteConfig, find_palette
from dreamlab.mesh.texture.palette_bake import FineSurface, Look, colors_on, shown, worth
from dreamlab.mesh.texture.seen import looking
from dreamlab.stages.given import Frame, frame_of
from dreamlab.stages.protocol import Context, Measured, StageConfig, StageEvent, SurfaceMesh


class RetextureStageConfig(StageConfig):
    """How the mesh file that the run begins with is coloured anew. Positions and texture coordinates stay to
    the bit, as far as the coordinates can hold an image; of GLB and glTF all the rest, too."""

    kind: Literal["retexture"] = "retexture"
    name: str = "retexture"
    pixels: int | None = Setting(
        default=None, ge=16, le=8192, description="along each side of every image; null: as the old ones"
    )
    palette: PaletteConfig = Setting(
        default=PaletteConfig(mode="auto"), description="paint in a few flat colours, without noise"
    )

    def build(self) -> RetextureStage:
        return RetextureStage(self)


class RetextureStage:
    """See RetextureStageConfig. Writes nothing itself: the stage `export` does, where it is asked for the
    file's own format. Measures "faces", and "colors" of the palette, 0 where there is none."""

    def __init__(self, config: RetextureStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        assert context.source is not None  # a checked config begins with a mesh file
        look, palette = look_of(scene, self.config.palette)
        coat = coat_of(look, frame_of(load(context.source)), context.prompt)
        dressed = Dressed(context.source, coat, self.config.pixels)
        with tempfile.TemporaryDirectory() as folder:
            files, _ = dressed.write(Path(folder) / f"mesh.{dressed.format}")
            mesh = load(files[0])
        yield Measured(
            {"faces": float(len(mesh.faces)), "colors": float(len(palette.colors)) if palette else 0.0}
        )
        return replace(scene, mesh=mesh, dressed=dressed)


def look_of(scene: SurfaceMesh, config: PaletteConfig) -> tuple[Look, Palette | None]:
    """What says the sRGB colour [N,3] at points [N,3] of the scene's surface, which looks along normals
    [N,3] there: in a palette, where one is wanted and worth it."""
    surface = scene.painted or scene.mesh
    plain = looking(scene.colors(), 0.0, 1, None)
    if config.mode == "off":
        return plain, None
    fine = FineSurface(surface, normals_of(surface))
    palette = worth(find_palette(fine.vertices, fine.surface, colors_on(fine, plain), config), config)
    if palette is None:
        return plain, None
    where = SurfaceColors(Mesh(torch.from_numpy(fine.vertices), torch.from_numpy(fine.surface)))

    def painted(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
        face, share = where.nearest(x, normal)
        return shown(palette, fine.surface[face], share)

    return painted, palette


def coat_of(look: Look, frame: Frame, prompt: str) -> Coat:
    """The coat that a look inside the unit sphere is on an object in its file's own frame; metal and
    roughness are those of the prompt's words."""

    def paint(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
        return look(frame.inside(torch.from_numpy(x)).double().numpy(), normal)

    return Coat(paint, finish_of(prompt))
