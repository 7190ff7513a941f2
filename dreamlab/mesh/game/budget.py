"""What an object costs a game: faces, vertices, draw calls, texture memory."""

from __future__ import annotations

from typing import NamedTuple

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts, split_parts


class Budget(NamedTuple):
    """Of one level: vertices as the GPU has them, doubled at seams, sharp edges and borders of parts; texture
    bytes as the GPU has them uncompressed (four a texel) with mipmaps (a third more)."""

    faces: int
    vertices: int
    draw_calls: int
    textures: tuple[tuple[int, int], ...]
    texture_bytes: int


def budget_of(mesh: Mesh, parts: NamedParts | None = None) -> Budget:
    """What a mesh costs, in one piece or in parts."""
    pieces = [mesh] if parts is None else [piece.mesh for piece in split_parts(mesh, parts)]
    sizes = tuple((image.shape[1], image.shape[0]) for _, image in mesh.textures if mesh.uv is not None)
    return Budget(
        faces=len(mesh.faces),
        vertices=sum(len(piece.vertices) for piece in pieces),
        draw_calls=len(pieces),
        textures=sizes,
        texture_bytes=sum(width * height * 4 * 4 // 3 for width, height in sizes),
    )
