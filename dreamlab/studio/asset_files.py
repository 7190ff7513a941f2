"""One GLB, glTF or OBJ file as a training object: triangles of one colour each, in the corpus's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamlab.core.errors import DamagedError, DreamlabError
from dreamlab.mesh.io.load import load_flat
from dreamlab.mesh.io.parts import FlatMesh

SUFFIXES = (".glb", ".gltf", ".obj")


def read_mesh(path: Path) -> FlatMesh:
    """Read one model file, in float32 and int32; its bounding box is centred at the origin and its furthest
    vertex at distance 1.

    Raises:
        DamagedError: the file cannot be read, or holds no triangle with a finite, non-zero extent.
    """
    try:
        mesh = load_flat(path)
    except DamagedError:
        raise
    except DreamlabError as error:
        raise DamagedError(f"{path.name} cannot be read", got=str(error)) from error
    return _normalised(mesh, path.name)


def _normalised(mesh: FlatMesh, name: str) -> FlatMesh:
    vertices, faces, colors = mesh
    if len(faces) == 0:
        raise DamagedError(f"{name} holds no triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DamagedError(f"{name} has a face that refers to a missing vertex")
    used = vertices[faces.reshape(-1)].astype(np.float64)
    if not (np.isfinite(used).all() and np.isfinite(colors).all()):
        raise DamagedError(f"{name} holds coordinates or colours that are not finite")
    centre = 0.5 * (used.min(0) + used.max(0))
    radius = np.linalg.norm(used - centre, axis=1).max()
    if radius <= 0.0:
        raise DamagedError(f"{name} is a single point")
    # Vertices that no face uses may be anything.
    moved = np.nan_to_num((vertices - centre) / radius, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
    colors = colors.astype(np.float32).clip(0.0, 1.0)
    return FlatMesh(moved.astype(np.float32), faces.astype(np.int32), colors)
