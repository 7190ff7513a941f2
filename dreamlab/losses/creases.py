"""Neighbouring faces should either lie in one plane or meet in an edge."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Buffer, Cameras, HasTriangles, RenderOutput, Scene
from dreamlab.losses.base import LossConfig
from dreamlab.scenes.unfold import face_pairs

_ROUNDING = 1e-4  # under the root: the gradient at a plane stays finite


class CreasesLossConfig(LossConfig):
    """sqrt(1 - n . m) of the normals of faces that share an edge, for meshes.

    The root is about the angle itself, not its square: one sharp edge costs no more than the same turn spread
    over many faces, so planes become plane and edges stay sharp, where the plain 1 - n . m rounds everything.
    """

    needs_triangles: ClassVar[bool] = True

    kind: Literal["creases"] = "creases"

    def build(self) -> CreasesLoss:
        return CreasesLoss()


class CreasesLoss:
    """See CreasesLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __init__(self) -> None:
        self._faces: Tensor | None = None
        self._pairs: Tensor | None = None

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Raises ConfigError if the scene has no triangles."""
        if not isinstance(scene, HasTriangles):
            raise ConfigError(
                "the creases loss is for meshes",
                got=type(scene).__name__,
                mend="Give it to a stage that refines a mesh, or take the loss away",
            )
        if self._pairs is None or self._faces is not scene.faces:  # the same from step to step
            self._faces, self._pairs = scene.faces, face_pairs(scene.faces)
        return creases_loss(scene.vertices(), scene.faces, self._pairs)


def creases_loss(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], pairs: Int[Tensor, "E 2"]
) -> Float[Tensor, ""]:
    """Mean over pairs of faces of sqrt(1 - n . m + 1e-4), n and m their unit normals; 0 without pairs."""
    # by index_select, whose backward adds up in one order whatever the number of threads
    a, b, c = vertices.index_select(0, faces.reshape(-1)).view(-1, 3, 3).unbind(1)
    normal = F.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-12)
    first, second = (normal.index_select(0, some) for some in pairs.unbind(1))
    cosine = (first * second).sum(-1)
    return (1 - cosine + _ROUNDING).sqrt().sum() / max(len(pairs), 1)
