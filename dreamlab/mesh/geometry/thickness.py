"""How thick a solid is under each of its faces: the shape diameter function, by rays (embreex)."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.geometry import topology as topo

RAYS = 8  # a face
CONE = 30.0  # degrees about the inward normal that they spread over
DEEPER = 0.75  # share of the rays that may be shorter than the thickness
LIFT = 1e-4  # sizes under the surface that rays start, so that they do not meet it


def local_thickness(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distance [F] from every face to the other side, over a cone of rays (Shapira et al. 2008).

    Three quarters of the rays are shorter: in the corner of a box more than half meet a side wall near by,
    and it is thick for all that. In the units of the vertices; the size of the mesh where rays meet nothing,
    as in open meshes.
    """
    from trimesh import Trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    normal, _ = topo.face_normals(vertices, faces)
    size = float(np.ptp(vertices, axis=0).max())
    scene = RayMeshIntersector(Trimesh(vertices, faces, process=False))
    side = np.cross(normal, np.where(np.abs(normal[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    other = np.cross(normal, side)
    start = vertices[faces].mean(1) - normal * LIFT * size
    found = np.full((RAYS, len(faces)), size)
    for k in range(RAYS):
        tilt, turn = np.radians(CONE) * np.sqrt(k / RAYS), k * np.pi * (3 - np.sqrt(5))
        way = -normal * np.cos(tilt) + np.sin(tilt) * (side * np.cos(turn) + other * np.sin(turn))
        hits = scene.intersects_id(start, way, multiple_hits=False, return_locations=True)
        ray, place = hits[1], hits[-1]
        found[k, ray] = np.einsum("ni,ni->n", start[ray] - place, normal[ray])  # along the normal
    return np.quantile(found, DEEPER, axis=0)
