"""A mesh as a scene: triangles whose corners move, and a field that says their colours."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.scenes.base import RadianceField
from dreamlab.scenes.large_steps import LargeSteps
from dreamlab.scenes.unfold import unfolded


class MeshSceneConfig(BaseModel):
    """`smoothness` is the lambda of large steps: how far a corner takes its neighbours along when it moves. 0
    moves every corner for itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mesh"] = "mesh"
    smoothness: float = Field(default=2.0, ge=0.0)

    def build(self, mesh: Mesh, appearance: RadianceField) -> MeshScene:
        return MeshScene(mesh, appearance, self)


class MeshScene(nn.Module):
    """See MeshSceneConfig. A state_dict holds the topology too: any scene with an appearance of the same kind
    can take it over, whatever mesh that was built from.

    Learned are u [V,3], in world units, and the appearance. The corners lie at `initial` +
    (I + lambda L)^-1 u: large steps up to a constant, so that u = 0 is the mesh as it was given.

    Args:
        mesh: its vertices and faces, open or closed.
        appearance: a field whose colours the surface has, taken over as it is and trained on; its density is
            not looked at.

    Raises InputError for a mesh without faces.
    """

    uniform_groups: ClassVar[frozenset[str]] = frozenset({"geometry"})
    faces: Tensor
    initial: Tensor

    def __init__(self, mesh: Mesh, appearance: RadianceField, config: MeshSceneConfig) -> None:
        super().__init__()
        if len(mesh.faces) == 0:
            raise InputError(
                "the mesh has no faces, so there is nothing to move",
                expected="triangles",
                got=f"{len(mesh.vertices)} points",
            )
        self.config = config
        self.appearance = appearance
        self.initial_appearance = copy.deepcopy(appearance).requires_grad_(False)
        self._take(mesh.vertices.detach().float().clone(), mesh.faces.clone())

    def _take(self, initial: Tensor, faces: Tensor) -> None:
        """Be this mesh, unmoved."""
        self.register_buffer("initial", initial)
        self.register_buffer("faces", faces)
        self.u = nn.Parameter(torch.zeros_like(initial))
        self._large_steps = LargeSteps(faces, len(initial), self.config.smoothness)

    def vertices(self) -> Float[Tensor, "V 3"]:
        """Where the corners are, world units; worked out at every call. Differentiable with respect to u."""
        return self.initial + self._large_steps(self.u)

    def albedo(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """sRGB [N,3] in 0..1 at world points."""
        return self.appearance(x)[1]

    @torch.no_grad()
    def mesh(self) -> Mesh:
        """The present vertices and faces, on the CPU; moves that folded faces are taken back."""
        vertices = unfolded(self.initial, self.vertices(), self.faces)
        return Mesh(vertices.cpu().clone(), self.faces.cpu().clone())

    def advance(self, progress: float) -> None:
        """Nothing here changes with the stage but what is learned."""

    def parameter_groups(self) -> dict[str, list[str]]:
        """The group "geometry", and the appearance's groups by their own names."""
        theirs = self.appearance.parameter_groups()
        return {"geometry": ["u"]} | {k: [f"appearance.{n}" for n in names] for k, names in theirs.items()}

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Back to the mesh and the colours that it began with; nothing is drawn."""
        self.u.zero_()
        self.appearance.load_state_dict(self.initial_appearance.state_dict())

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take over a state; of another topology, `u` and the buffers are other tensors afterwards.

        Raises KeyError or RuntimeError if it does not fit.
        """
        faces, device = state_dict["faces"], self.u.device
        if faces.shape != self.faces.shape or not torch.equal(faces.to(device), self.faces):
            self._take(torch.empty_like(state_dict["initial"], device=device), faces.clone().to(device))
        return super().load_state_dict(state_dict, strict, assign)
