"""Where an edit may change an object: in a box, or on what is of one of its colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Setting
from typing_extensions import Self

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import face_normals_of
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.texture.color_names import names_of
from dreamlab.mesh.texture.painted import PaintedSurface
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.mesh.texture.recolor import color_named

RIM = 0.03  # of the object's longest side: inside a box, what an edit fades out over
SOFT = 0.2  # of a colour's probability: what an edit fades out over at its border
POINTS = 20_000  # of the surface, one of which a box has to hold

Mask = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""How much an edit counts [N], 0..1, at places [N,3] of faces with these normals [N,3]."""


class BoxMaskConfig(BaseModel):
    """What lies in a box, by two of its corners, in the mesh file's own coordinates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["box"] = "box"
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("low is below high along every axis")
        return self

    def build(self, mesh: Mesh) -> Mask:
        """1 inside, falling to 0 towards sides that cut through the mesh. Raises InputError for a box that
        holds nothing of it."""
        corners = mesh.vertices.double().numpy()[mesh.faces.unique().numpy()]
        least, most = corners.min(0), corners.max(0)
        low, high = np.array(self.low), np.array(self.high)
        rim = min(RIM * (most - least).max(), (high - low).min() / 4)
        low, high = np.where(low <= least, -np.inf, low), np.where(high >= most, np.inf, high)

        def weight(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
            return (np.minimum(x - low, high - x).min(1) / rim).clip(0, 1)

        if not (weight(*_spread(mesh)) > 0).any():
            shown = [" to ".join(",".join(f"{v:.3g}" for v in end) for end in pair) for pair in
                     ((least, most), (self.low, self.high))]  # fmt: skip
            raise InputError(
                "the mask misses the mesh", expected=f"a box that meets {shown[0]}", got=f"box {shown[1]}"
            )
        return weight


class PartMaskConfig(BaseModel):
    """What is of one colour of the object's palette: by its plain name (red, white_2), a CSS name or code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["part"] = "part"
    color: str = Setting(min_length=1)

    def build(self, mesh: Mesh) -> Mask:
        """1 where the colour is the likeliest, with a soft border. Raises InputError, with the colours that
        there are, for another one, and for a mesh that has none."""
        surface = PaintedSurface.of(mesh, SurfaceColors(mesh).colors, PaletteConfig(mode="on"))
        assert surface is not None  # mode on
        number = color_named(surface.palette, names_of(surface.palette), self.color)

        def weight(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
            return ((surface.share(number, x, normal) - 0.5) / SOFT + 0.5).clip(0, 1)

        return weight


def _spread(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """POINTS places spread over the surface, and the faces' normals there."""
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    area = topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())[1]
    rng = np.random.default_rng(0)
    face = rng.choice(len(area), POINTS, p=area / area.sum())
    places = np.einsum("nk,nki->ni", rng.dirichlet((1, 1, 1), POINTS), corners[face])
    return places, face_normals_of(mesh)[face]
