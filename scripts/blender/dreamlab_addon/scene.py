"""Meshes into Blender's scene and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]
from mathutils import Matrix, Vector  # pyright: ignore[reportMissingImports]


def bring_in(path: str, name: str) -> list[Any]:
    """The meshes of a GLB as new objects, selected, with their places in the world applied."""
    if not Path(path).is_file():
        raise OSError(f"{path} is not there")
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=path)
    new = [thing for thing in bpy.data.objects if thing not in before]
    meshes = [thing for thing in new if thing.type == "MESH"]
    for thing in meshes:
        world = thing.matrix_world.copy()
        thing.parent, thing.matrix_world = None, world
        thing.name = name
    for thing in new:
        if thing not in meshes:
            bpy.data.objects.remove(thing)
    return meshes


def stand_at(things: list[Any], place: Any, size: float) -> None:
    """Move and scale objects together: their longest side is `size`, and they stand on the place."""
    low, high = bounds(things)
    factor = size / max(max(high - low), 1e-9)
    foot = Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
    _move(things, Matrix.Translation(place) @ Matrix.Scale(factor, 4) @ Matrix.Translation(-foot))


def stand_over(things: list[Any], centre: Any, radius: float) -> None:
    """Put what dreamlab made of a mesh, in the unit sphere around the origin, where that mesh is."""
    _move(things, Matrix.Translation(centre) @ Matrix.Scale(radius, 4))


def send_out(thing: Any, path: str) -> tuple[Any, float]:
    """Write one object, as it is seen, as a GLB; the middle of its box, and how far its farthest corner is
    from there: what `stand_over` takes."""
    points = corners(thing)
    low, high = _box(points)
    centre = (low + high) / 2
    chosen, active = list(bpy.context.selected_objects), bpy.context.view_layer.objects.active
    for other in chosen:
        other.select_set(False)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    try:
        bpy.ops.export_scene.gltf(
            filepath=path, export_format="GLB", use_selection=True, export_apply=True, export_yup=True
        )
    finally:
        thing.select_set(False)
        for other in chosen:
            other.select_set(True)
        bpy.context.view_layer.objects.active = active
    return centre, max((point - centre).length for point in points)


def bounds(things: list[Any]) -> tuple[Any, Any]:
    """The lowest and the highest corner of objects in the world."""
    return _box([point for thing in things for point in corners(thing)])


def corners(thing: Any) -> list[Any]:
    """Vertices in the world, with modifiers."""
    bpy.context.view_layer.update()
    seen = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = seen.to_mesh()
    points = [seen.matrix_world @ vertex.co for vertex in mesh.vertices]
    seen.to_mesh_clear()
    if not points:
        raise ValueError(f"{thing.name} has no corners")
    return points


def _box(points: list[Any]) -> tuple[Any, Any]:
    low, high = (Vector(pick(point[axis] for point in points) for axis in range(3)) for pick in (min, max))
    return low, high


def _move(things: list[Any], by: Any) -> None:
    for thing in things:
        thing.matrix_world = by @ thing.matrix_world
    bpy.context.view_layer.update()
