"""What a field begins as in the place of a ball: the inside of a mesh, such as a few boxes."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import centred

RESOLUTION = 64  # cells along each side of [-1, 1]^3
RADIUS = 0.95  # of the farthest corner: priors know objects that fill the unit sphere, and growth needs room
SOFTNESS = 0.1  # world units from the surface to where the first density is full, or empty
EMPTIEST = 5.0  # below 0, of what is added to the raw density outside: empty, but not beyond recall


class StartShape(nn.Module):
    """Signed distances to a shape's surface, negative inside, at the corners of a lattice over [-1, 1]^3.

    State, so that a field's checkpoint has its shape: distance [n,n,n] in the order z, y, x.
    """

    distance: Tensor

    def __init__(self, distance: Float[Tensor, "n n n"]) -> None:
        super().__init__()
        self.register_buffer("distance", distance)

    def forward(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Signed distance [N] to the surface, interpolated between the lattice's corners."""
        found = F.grid_sample(
            self.distance[None, None], x.view(1, -1, 1, 1, 3), align_corners=True, padding_mode="border"
        )
        return found.view(-1)

    def raw(self, x: Float[Tensor, "N 3"], full: float) -> Float[Tensor, " N"]:
        """The raw density [N] of a field that is `full` deep inside the shape and empty outside."""
        depth = (-self(x) / SOFTNESS).clamp(-1, 1)
        return torch.where(depth > 0, full * depth, EMPTIEST * depth)


def start_shape(mesh: Mesh) -> StartShape:
    """The inside of a closed mesh, or of several, which may overlap, centred in the unit sphere.

    A point is inside where the winding number is not 0 (Barill et al. 2018), so that it does not matter
    whether faces look outwards or inwards. Raises InputError for a mesh that is open, and so has no inside.
    """
    import igl

    mesh = centred(mesh, RADIUS)
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    _, _, balance = topo.edge_uses(faces)
    if len(faces) == 0 or (balance != 0).any():
        raise InputError(
            "the mesh is open, so it has no inside",
            expected="closed parts whose faces all look outwards",
            got=f"{int((balance != 0).sum())} edges of a border" if len(faces) else "no faces with an area",
            mend="Close its holes; or refine it as it is, with --from instead of --shape",
        )
    axis = np.linspace(-1, 1, RESOLUTION + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)[..., ::-1].reshape(-1, 3).copy()
    far = np.sqrt(igl.point_mesh_squared_distance(points, vertices, faces)[0])
    inside = np.abs(igl.fast_winding_number(vertices, faces, points)) > 0.5
    signed = np.where(inside, -far, far).reshape((RESOLUTION + 1,) * 3)
    return StartShape(torch.from_numpy(signed).float())
