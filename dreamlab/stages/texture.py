"""The field's colours on the mesh, in a texture or at its corners."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field as Setting
from pydantic import field_validator, model_validator
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Material, Mesh
from dreamlab.evaluate.field_fidelity import Pictures, faithful, field_pictures
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.material_words import finish_of
from dreamlab.mesh.surface.silhouettes import survey_cameras
from dreamlab.mesh.texture.bake import BakeConfig, Baked, bake_textures, bake_vertices
from dreamlab.mesh.texture.color_names import names_of, parse_color
from dreamlab.mesh.texture.facets import bake_faces
from dreamlab.mesh.texture.recolor import recolored
from dreamlab.mesh.texture.solids import SOLIDS
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.render.raster import RasterRendererConfig
from dreamlab.scenes.mesh import MeshSceneConfig
from dreamlab.stages.distil import mesh_scene
from dreamlab.stages.protocol import Context, Measured, StageConfig, StageEvent, SurfaceMesh
from dreamlab.stages.shown_colors import shown_on

VIEWS, SIZE = 6, 80  # of the pictures that tell how much the mesh looks like what it was baked from


class TextureStageConfig(BakeConfig, StageConfig):
    """How the mesh is coloured."""

    kind: Literal["texture"] = "texture"
    name: str = "texture"
    into: Literal["image", "vertices", "faces"] = Setting(
        default="image",
        description="where the colours go: a texture image; the corners of the mesh, which is then cut along "
        "the borders of its palette, if it has one; or one to a face, which then has its own normal, too",
    )

    recolor: dict[str, str] = Setting(
        default={},
        description="other colours for some of the palette's; such as {red: '#2266cc'}, the old by name or "
        "code",
    )

    parts: Literal["off", "materials", "meshes"] = Setting(
        default="off",
        description="GLB and OBJ by parts of one flat colour of the palette; 'materials' named by it (red, "
        "white_2), or each connected part one of 'meshes'; needs into: vertices or faces",
    )

    finish: Literal["words", "matt", "unlit"] = Setting(
        default="words",
        description="metal and roughness: those of the `material`, or of what the words of the prompt say "
        "(golden, wooden, made of glass); none and all; or colours that no light changes, as in cartoons",
    )

    @model_validator(mode="after")
    def _parts_have_colours_of_their_own(self) -> TextureStageConfig:
        if self.parts != "off" and self.into == "image":
            raise ValueError("parts: off, or into: vertices or faces beside it: materials have no image")
        if self.parts != "off" and self.material != "own":
            raise ValueError("parts: off, or material: own beside it: parts are of the object's own colours")
        return self

    @field_validator("recolor")
    @classmethod
    def _readable(cls, changes: dict[str, str]) -> dict[str, str]:
        for color in changes.values():
            parse_color(color)
        return changes

    def build(self) -> TextureStage:
        return TextureStage(self)


class TextureStage:
    """See TextureStageConfig. Measures "faces"; "colors" of the palette, 0 where there is none; and, unless
    light is baked in, how much the mesh's pictures are like those of what it was baked from: "psnr" and
    "psnr_worst" in dB, of all views and of the worst one."""

    def __init__(self, config: TextureStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        scene = shown_on(scene, context.pictures)
        config = self.config if scene.volume else self.config.model_copy(update={"depth": 0.0})
        if context.pictures and config.palette.mode == "auto":  # few flat colours would lose their detail
            config = config.model_copy(update={"palette": config.palette.model_copy(update={"mode": "off"})})
        baked = _baked(scene, config)
        mesh, measures = baked.mesh, {}
        if not config.lighting and config.material == "own":  # else the two are not meant to be alike
            mesh, likeness = faithful(baked, _pictures(scene), config.palette.mode)
            measures = {"psnr": likeness.psnr, "psnr_worst": likeness.worst}
        if config.palette.mode != "off":
            painted = baked.palette is not None and mesh is baked.mesh
            measures["colors"] = float(len(baked.palette.colors)) if baked.palette and painted else 0.0
        parts = None
        if config.recolor or config.parts != "off":
            mesh, parts = self._by_palette(baked, mesh)
        mesh = replace(mesh, material=self._material(mesh.material, context.prompt))
        yield Measured({"faces": float(len(mesh.faces)), **measures})
        return replace(scene, mesh=mesh, parts=parts)

    def _material(self, before: Material, prompt: str) -> Material:
        if self.config.finish != "words":
            return replace(before, unlit=self.config.finish == "unlit")
        solid = None if self.config.material == "own" else SOLIDS[self.config.material]
        finish = finish_of(prompt) if solid is None else solid.finish
        return replace(before, **finish._asdict(), transmission=solid.transmission if solid else 0.0)

    def _by_palette(self, baked: Baked, kept: Mesh) -> tuple[Mesh, NamedParts | None]:
        """The mesh in other colours, and its parts, as far as asked for.

        Raises InputError where the mesh that was kept has no palette, and as `recolored`.
        """
        if baked.palette is None or baked.repaint is None or kept is not baked.mesh:
            raise InputError(
                "the object has no palette, which other colours and parts need: its colours are not flat by "
                "parts, or none was asked for",
                mend="Paint it in one all the same: --palette on, or stages.texture.palette.mode=on",
            )
        palette, kind = recolored(baked.palette, self.config.recolor), self.config.parts
        if kind == "off" or baked.labels is None:
            return baked.repaint(palette), None
        flat = palette._replace(gradient=np.zeros_like(palette.gradient))
        return baked.repaint(flat), NamedParts(baked.labels, names_of(palette), kind)


def _baked(scene: SurfaceMesh, config: TextureStageConfig) -> Baked:
    if config.into == "faces":
        return bake_faces(scene.mesh, scene.colors(), config, surface=scene.painted, patch=scene.patch)
    if config.into == "vertices":
        return bake_vertices(scene.mesh, scene.colors(), config, surface=scene.painted)
    flat = unwrap(scene.mesh, resolution=config.resolution)
    return bake_textures(flat, scene.colors(), config, surface=scene.painted, fine=scene.fine)


def _pictures(scene: SurfaceMesh) -> Pictures:
    """What the mesh should look like: the field where it was taken from that, else the refined surface."""
    cameras = survey_cameras(VIEWS, SIZE)
    if scene.volume or scene.painted is None:
        return field_pictures(scene.colors(), cameras)
    target = mesh_scene(scene.painted, scene.colors(), MeshSceneConfig())
    with torch.no_grad():
        seen = RasterRendererConfig().build()(target, cameras, background=lambda d, _: torch.ones_like(d))
    return Pictures(cameras, seen.rgb, seen.opacity)
