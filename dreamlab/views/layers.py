"""What a renderer is given: a mesh's raw attributes as unlit images. Light is added afterwards, by
one code.

So the two renderers (OpenGL through pyrender, the native rasteriser) give the same picture, whatever the
style.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from dreamlab.core.types import Cameras, Material


class Layer(NamedTuple):
    """An attribute of the surface in 0..1: vertex values [V,3], or a uint8 texture [H,W,3] read through the
    uv."""

    values: np.ndarray | None = None
    texture: np.ndarray | None = None


class Geometry(NamedTuple):
    """vertices [V,3] float32, faces [F,3], uv [V,2] (v up) or None; the material says how textures are
    read."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None
    material: Material = Material()


class RenderedLayers(NamedTuple):
    """One view: every layer's image [H,W,3] float32 in 0..1 (not premultiplied) and the coverage [H,W] in
    0..1."""

    layers: list[np.ndarray]
    coverage: np.ndarray


class Renderer(Protocol):
    """Layers of a mesh, view by view, hidden surfaces removed, back faces too (a mesh may be open)."""

    name: str

    def render(
        self, geometry: Geometry, layers: Sequence[Layer], cameras: Cameras
    ) -> Iterator[RenderedLayers]: ...
