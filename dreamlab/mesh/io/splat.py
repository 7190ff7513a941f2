"""A mesh as 3D Gaussian splats (Kerbl et al. 2023, the PLY layout of its reference code): one flat Gaussian a
face."""

from __future__ import annotations

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import vertex_colors
from dreamlab.mesh.geometry.topology import face_normals

SH_C0 = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + SH_C0 * f_dc
OPACITY = 0.95
THICKNESS = 0.05  # of a Gaussian, as a share of its width


def splat_bytes(mesh: Mesh) -> bytes:
    """Binary PLY of F Gaussians: each covers its triangle (standard deviations from the triangle's own
    covariance)."""
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    colors = vertex_colors(mesh)
    if colors is None:
        colors = np.full_like(vertices, 0.7)
    corners = vertices[faces]
    centre = corners.mean(1)
    normal, _ = face_normals(vertices, faces)
    spread = corners - centre[:, None]
    # a uniform triangle has a twelfth of the sum of its corners' outer products as covariance; tripled to
    # overlap
    values, axes = np.linalg.eigh(np.einsum("fki,fkj->fij", spread, spread) / 4)
    major, minor = axes[:, :, 2], np.cross(normal, axes[:, :, 2])
    deviation = np.sqrt(np.maximum(values[:, [2, 1]], 1e-14))
    scale = np.concatenate([deviation, deviation[:, 1:] * THICKNESS], 1)
    columns = {
        **dict(zip(("x", "y", "z"), centre.T, strict=True)),
        **dict(zip(("nx", "ny", "nz"), normal.T, strict=True)),
        **dict(zip(("f_dc_0", "f_dc_1", "f_dc_2"), ((colors[faces].mean(1) - 0.5) / SH_C0).T, strict=True)),
        "opacity": np.full(len(faces), np.log(OPACITY / (1 - OPACITY))),
        **dict(zip(("scale_0", "scale_1", "scale_2"), np.log(scale).T, strict=True)),
        **dict(zip(("rot_0", "rot_1", "rot_2", "rot_3"), _quaternions(major, minor, normal).T, strict=True)),
    }
    table = np.stack(list(columns.values()), 1).astype("<f4")
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [f"property float {name}" for name in columns] + ["end_header", ""]
    return "\n".join(header).encode() + table.tobytes()


def _quaternions(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(w, x, y, z) of rotations whose columns are the given orthonormal axes [N,3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(np.stack([x, y, z], -1)).as_quat()[:, [3, 0, 1, 2]]
