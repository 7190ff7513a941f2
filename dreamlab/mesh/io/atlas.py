"""Several textures as one: each part of a mesh gets the room in it that its faces read, edges and tiles
included."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from dreamlab.core.types import Material, Wrap
from dreamlab.mesh.geometry.color import to_bytes, wrapped
from dreamlab.mesh.io.images import resized, times
from dreamlab.mesh.io.parts import Part

GUTTER = 4  # texels around each room that go on as its texture does, for filters to reach into
ROOM_SIDE = 4096  # most of one texture with its tiles
SIDE = 8192  # most of the atlas
FLAT = (128, 128, 255, 255)  # a normal map that changes nothing
PERIOD = {"repeat": 1, "mirror": 2}
SLACK = 1e-4  # of a texture: coordinates that are this far beyond its edge were meant to be on it


class Atlas(NamedTuple):
    """Parts whose uv lie in the atlas; its albedo, its normal map, if any part has one, and its roughness and
    metal as such, if parts differ in them; and by how many times the most shrunk of its textures is smaller
    than it was."""

    parts: list[Part]
    albedo: UInt8[np.ndarray, "H W 4"]
    normal_map: UInt8[np.ndarray, "H W 3"] | None
    rough_metal: UInt8[np.ndarray, "H W 3"] | None
    shrunk: int


@dataclass(frozen=True)
class _Room:
    """Textures of one size, and what is read of them: texels low <= x < high in columns and rows."""

    albedo: UInt8[np.ndarray, "h w 4"]
    normals: UInt8[np.ndarray, "h w 4"] | None
    metal: UInt8[np.ndarray, "h w 4"]
    wrap: tuple[Wrap, Wrap]
    low: Int[np.ndarray, " 2"]
    high: Int[np.ndarray, " 2"]
    shrunk: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in the atlas."""
        width, height = (self.high - self.low + 2 * GUTTER).tolist()
        return width, height

    @property
    def index(self) -> tuple[np.ndarray, ...]:
        """Which texel of the texture stands at each row and column of the room."""
        (left, top), (right, bottom) = self.low - GUTTER, self.high + GUTTER
        height, width = self.albedo.shape[:2]
        columns = wrapped(np.arange(left, right), width, self.wrap[0])
        return np.ix_(wrapped(np.arange(top, bottom), height, self.wrap[1]), columns)


def atlas(parts: Sequence[Part]) -> Atlas:
    """All textures of the parts in one image, and the factors in it, too: only corner colours stay apart.

    Faces that lie in other tiles of a texture that repeats are moved to the first; what reaches over several
    tiles gets them all, made smaller if that needs more than ROOM_SIDE. The same texture with the same factor
    is there once.
    """
    parts = [_in_first_tile(part) for part in parts]
    keys = [_key(part) for part in parts]
    groups = {key: [p for p, k in zip(parts, keys, strict=True) if k == key] for key in dict.fromkeys(keys)}
    whole = {key: _room(group) for key, group in groups.items()}
    divide = 1
    while True:
        rooms = {key: _smaller(room, groups[key], divide) for key, room in whole.items()}
        spots, width, height = _packed([room.size for room in rooms.values()])
        if max(width, height) <= SIDE or all(max(r.albedo.shape[:2]) == 1 for r in rooms.values()):
            break
        divide *= 2
    at = dict(zip(rooms, spots, strict=True))
    albedo = np.full((height, width, 4), 255, np.uint8)
    bumpy = any(room.normals is not None for room in rooms.values())
    normals = np.tile(np.array(FLAT, np.uint8), (height, width, 1)) if bumpy else None
    metal = np.full((height, width, 4), 255, np.uint8) if _metals_differ(parts) else None
    for key, room in rooms.items():
        (x, y), (w, h) = at[key], room.size
        for image, own in ((albedo, room.albedo), (normals, room.normals), (metal, room.metal)):
            if image is not None and own is not None:
                image[y : y + h, x : x + w] = own[room.index]
    moved = [
        replace(part, uv=_placed(part, rooms[key], at[key], (width, height)))
        for part, key in zip(parts, keys, strict=True)
    ]
    shrunk = max(room.shrunk for room in rooms.values())
    normals, metal = (None if image is None else image[..., :3].copy() for image in (normals, metal))
    return Atlas(moved, albedo, normals, metal, shrunk)


def _key(part: Part) -> Hashable:
    """What parts have in common that can share a room."""
    m = part.material
    looks = part.tint()[1].tobytes(), m.metallic, m.roughness
    if not part.textured:
        return looks
    images = part.albedo, part.normal_map, part.rough_metal
    return (*looks, m.wrap, m.alpha, m.cutoff, *(id(image) for image in images))


def _metals_differ(parts: Sequence[Part]) -> bool:
    kinds = {(part.material.metallic, part.material.roughness) for part in parts}
    return len(kinds) > 1 or any(part.textured and part.rough_metal is not None for part in parts)


def _in_first_tile(part: Part) -> Part:
    """With faces moved by whole tiles to where their texture begins; corners are doubled where faces part."""
    if not part.textured or part.uv is None:
        return replace(part, uv=np.full((len(part.vertices), 2), 0.5))
    uv = np.nan_to_num(part.uv, posinf=0.0, neginf=0.0)
    tile = np.zeros((len(part.faces), 2))
    for axis, wrap in enumerate(part.material.wrap):
        along = uv[part.faces, axis]
        if wrap in PERIOD and len(along) and (along.min() < -SLACK or along.max() > 1 + SLACK):
            tile[:, axis] = np.floor((along.min(1) + SLACK) / PERIOD[wrap]) * PERIOD[wrap]
    if not tile.any():
        return replace(part, uv=uv)
    moved, tiles = replace(part, uv=uv).doubled(np.repeat(tile, 3, 0))
    assert moved.uv is not None
    return replace(moved, uv=moved.uv - tiles)


def _room(parts: Sequence[Part]) -> _Room:
    """The textures of parts that share them, as large as the largest, times their factors."""
    part, material = parts[0], parts[0].material
    maps = (part.albedo, part.normal_map, part.rough_metal) if part.textured else (None, None, None)
    sizes = [image.shape[1::-1] for image in maps if image is not None] or [(1, 1)]
    width, height = np.max(sizes, 0).tolist()
    image, bumps, rough = (None if m is None else _full(m, width, height) for m in maps)
    white = np.full((height, width, 4), 255, np.uint8)
    image = white if image is None else image
    factor = part.tint()[1]
    alpha = _alpha(image, material, factor[3])
    plain = (factor[:3] == 1).all() and (image[..., 3:] == alpha).all()
    albedo = image if plain else np.concatenate([times(image, factor)[..., :3], alpha], -1)
    shares = np.array([1.0, material.roughness, material.metallic, 1.0])
    metal = to_bytes((white if rough is None else rough)[:1, :1] / 255 * shares)
    if rough is not None:
        tables = to_bytes(np.arange(256)[:, None] / 255 * shares)
        metal = np.stack([tables[rough[..., k], k] for k in range(4)], -1)
    return _Room(albedo, bumps, _full(metal, width, height), material.wrap, *_reach(parts, albedo))


def _full(image: UInt8[np.ndarray, "H W C"], width: int, height: int) -> UInt8[np.ndarray, "h w 4"]:
    if image.shape[2] == 3:
        image = np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], -1)
    return resized(image, width, height)


def _alpha(
    image: UInt8[np.ndarray, "H W 4"], material: Material, factor: float
) -> UInt8[np.ndarray, "H W 1"]:
    """What cuts out is as good as all or nothing, so that one cut-off serves all; the rest is solid."""
    if material.alpha == "opaque":
        return np.full((*image.shape[:2], 1), 255, np.uint8)
    alpha = image[..., 3:] / 255 * factor
    return to_bytes(alpha if material.alpha == "blend" else alpha >= material.cutoff)


def _smaller(room: _Room, parts: Sequence[Part], divide: int) -> _Room:
    """The room with every texel the mean of divide x divide, or more where its tiles would fill too much."""
    while True:
        height, width = (-(-n // divide) for n in room.albedo.shape[:2])
        albedo, metal = (resized(image, width, height) for image in (room.albedo, room.metal))
        normals = None if room.normals is None else resized(room.normals, width, height)
        low, high = _reach(parts, albedo)
        if width == height == 1 and max(high - low) > ROOM_SIDE:  # tiles that are less than a texel each
            low, high = low * 0, low * 0 + 1
        if max(high - low) <= max(ROOM_SIDE, height, width):
            return _Room(albedo, normals, metal, room.wrap, low, high, divide)
        divide *= 2


def _reach(parts: Sequence[Part], image: np.ndarray) -> tuple[Int[np.ndarray, " 2"], Int[np.ndarray, " 2"]]:
    """The texels that the parts read: from, and up to but without."""
    points = np.concatenate([_texels(part, image)[part.faces.reshape(-1)] for part in parts])
    low = np.floor(points.min(0) + SLACK).astype(np.int64)
    return low, np.maximum(np.ceil(points.max(0) - SLACK).astype(np.int64), low + 1)


def _texels(part: Part, image: np.ndarray) -> Float[np.ndarray, "V 2"]:
    """Columns and rows, from the top left corner of the image."""
    assert part.uv is not None
    return (part.uv * [1, -1] + [0, 1]) * image.shape[1::-1]


def _placed(
    part: Part, room: _Room, spot: tuple[int, int], size: tuple[int, int]
) -> Float[np.ndarray, "V 2"]:
    """uv in the atlas."""
    texels = (_texels(part, room.albedo) - room.low).clip(0, room.high - room.low)
    return (texels + GUTTER + spot) / size * [1, -1] + [0, 1]


def _packed(sizes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], int, int]:
    """Corners of boxes on shelves, the highest first; the width and the height that they fill, near a
    square."""
    order = sorted(range(len(sizes)), key=lambda k: (-sizes[k][1], -sizes[k][0], k))
    best: tuple[list[tuple[int, int]], int, int] | None = None
    width = 1 << (max(w for w, _ in sizes) - 1).bit_length()
    while best is None or width <= SIDE:
        spots, x, y, shelf, used = {}, 0, 0, 0, 0
        for k in order:
            w, h = sizes[k]
            if x + w > width:
                x, y, shelf = 0, y + shelf, 0
            spots[k] = (x, y)
            x, shelf, used = x + w, max(shelf, h), max(used, x + w)
        found = [spots[k] for k in range(len(sizes))], used, y + shelf
        if best is None or max(found[1:]) < max(best[1:]):
            best = found
        width *= 2
    return best
