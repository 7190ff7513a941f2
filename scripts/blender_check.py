"""Does Blender show our files upright and in the right colours? Run by Blender's own Python module:

    python3.11 -m venv /tmp/blender && /tmp/blender/bin/pip install bpy==5.0.1 "numpy<2"
    /tmp/blender/bin/python scripts/blender_check.py mesh.glb mesh.obj mesh.usdz [--save FOLDER]

For each file: the imported size, Blender's up axis extent, the material's metallic and roughness, and the
mean colour of a small Cycles render from the front under white light. Prints JSON; leaves one PNG a file in
FOLDER.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

IMPORTERS = {
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    ".usdz": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".ply": lambda path: bpy.ops.wm.ply_import(filepath=path, forward_axis="NEGATIVE_Z", up_axis="Y"),
}


def bring_in(path: Path) -> list[Any]:
    """An empty scene with the file in it: its mesh objects."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    IMPORTERS[path.suffix.lower()](str(path))
    return [thing for thing in bpy.data.objects if thing.type == "MESH"]


def bounds(objects: list[Any]) -> np.ndarray:
    """[2,3] in Blender's axes: X right, Z up, the front faces -Y."""
    points = [tuple(thing.matrix_world @ vertex.co) for thing in objects for vertex in thing.data.vertices]
    return np.array([np.min(points, axis=0), np.max(points, axis=0)])


def picture(box: np.ndarray, target: Path, size: int = 128) -> np.ndarray:
    """Cycles, white surroundings, orthographic from the front (-Y): linear RGBA [H,W,4], row 0 at the
    bottom.
    """
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 8
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("white")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = float(np.ptp(box, axis=0).max()) * 1.05
    middle = box.mean(0)
    camera.location = (middle[0], box[0, 1] - 5, middle[2])
    camera.rotation_euler = (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.filepath = str(target)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(target))
    return np.array(image.pixels[:]).reshape(size, size, 4)


def check(path: Path, folder: Path) -> dict[str, Any]:
    objects = bring_in(path)
    box = bounds(objects)
    pixels = picture(box, folder / f"{path.stem}_{path.suffix[1:]}.png")
    covered = pixels[pixels[..., 3] > 0.99][:, :3]
    right, left = (
        pixels[:, half][pixels[:, half, 3] > 0.99][:, :3] for half in (slice(64, None), slice(0, 64))
    )
    shaders = [
        node
        for material in bpy.data.materials
        if material.node_tree
        for node in material.node_tree.nodes
        if node.type == "BSDF_PRINCIPLED"
    ]
    return {
        "file": path.name,
        "faces": sum(len(thing.data.polygons) for thing in objects),
        "size_xyz": np.ptp(box, axis=0).round(4).tolist(),
        "metallic": [node.inputs["Metallic"].default_value for node in shaders],
        "roughness": [round(node.inputs["Roughness"].default_value, 3) for node in shaders],
        "srgb_mean": covered.mean(0).round(3).tolist(),
        "srgb_left": left.mean(0).round(3).tolist(),
        "srgb_right": right.mean(0).round(3).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    results = [check(path.resolve(), options.save.resolve()) for path in options.files]
    sys.stdout.write("\n" + json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
