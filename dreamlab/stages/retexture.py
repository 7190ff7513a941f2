"""A mesh file in the colours of a trained field: all that it holds beside them stays."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import frame_of
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import finish_of
from dreamlab.mesh.repaint import Coat
from dreamlab.mesh.retexture import Dressed
from dreamlab.mesh.texture.mask import BoxMaskConfig, Mask, PartMaskConfig
from dreamlab.mesh.texture.painted import PaintedSurface
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.mesh.texture.palette_bake import Look
from dreamlab.mesh.texture.seen import looking
from dreamlab.stages.auto_mask import AutoMaskConfig
from dreamlab.stages.protocol import Context, Measured, StageConfig, StageEvent, SurfaceMesh

MaskConfig = Annotated[BoxMaskConfig | PartMaskConfig | AutoMaskConfig, Setting(discriminator="kind")]


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

    finish: Literal["words", "own"] = Setting(
        default="words", description="metal and roughness: of what the prompt's words say, or as they are"
    )
    strength: float = Setting(default=1.0, ge=0, le=1, description="how far from the old colours to the new")
    mask: MaskConfig | None = Setting(
        default=None,
        description="where the colours may change, the others staying as they are; null: all over",
    )

    def build(self) -> RetextureStage:
        return RetextureStage(self)

    def coat(self, look: Look, source: Mesh, prompt: str, mask: Mask | None = None) -> Coat:
        """The coat of a mesh, as its file has it, that looks like this inside the unit sphere, where the mask
        lets it."""
        frame = frame_of(source)

        def paint(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
            new = look(frame.inside(torch.from_numpy(x)).double().numpy(), normal)
            share = np.full(len(x), self.strength) if mask is None else self.strength * mask(x, normal)
            return own + share[:, None] * (new - own)

        return Coat(paint, finish_of(prompt) if self.finish == "words" else None)


class RetextureStage:
    """See RetextureStageConfig. Writes nothing itself: the stage `export` does, where it is asked for the
    file's own format. Measures "faces", "colors" of the palette, 0 where there is none, and "masked", the
    share of the surface that a mask of the kind "auto" takes."""

    def __init__(self, config: RetextureStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        assert context.source is not None  # a checked config begins with a mesh file
        source, plain = load(context.source), looking(scene.colors(), 0.0, 1, None)
        painted = PaintedSurface.of(scene.painted or scene.mesh, plain, self.config.palette)
        mask, config = None, self.config.mask
        if isinstance(config, AutoMaskConfig):
            mask, share = config.find(source, context.prior, context.prompt)
            yield Measured({"masked": share})
        elif config is not None:
            mask = config.build(source)
        coat = self.config.coat(plain if painted is None else painted.colors, source, context.prompt, mask)
        dressed = Dressed(context.source, coat, self.config.pixels)
        with tempfile.TemporaryDirectory() as folder:
            files, _ = dressed.write(Path(folder) / f"mesh.{dressed.format}")
            mesh = load(files[0])
        colors = 0 if painted is None else len(painted.palette.colors)
        yield Measured({"faces": float(len(mesh.faces)), "colors": float(colors)})
        return replace(scene, mesh=mesh, dressed=dressed)
