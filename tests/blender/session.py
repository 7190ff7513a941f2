"""Run by Blender's own Python: installs the add-on's zip, makes, repaints, and takes it away again.

usage: session.py ZIP COMMAND FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import bpy  # pyright: ignore[reportMissingImports]

archive, command, folder = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
name = "bl_ext.user_default.dreamlab"
ui, scene = importlib.import_module(f"{name}.ui"), importlib.import_module(f"{name}.scene")
chosen = bpy.context.preferences.addons[name].preferences
chosen.command, chosen.folder = command, folder
asked = bpy.context.scene.dreamlab


def wait() -> str:
    """Tick until the job is over; the last word on it."""
    end = time.monotonic() + 120
    while ui.tick() is not None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return ui._now["told"]


def box(things: list) -> list[list[float]]:
    return [[round(value, 4) for value in corner] for corner in scene.bounds(things)]


facts: dict = {"registered": hasattr(bpy.types, "DREAMLAB_PT_panel")}
bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
asked.prompt, asked.size, asked.preset = "a tower", 0.6, "fast"
facts["made"] = [list(bpy.ops.dreamlab.make()), bpy.ops.dreamlab.make.poll(), wait()]
(tower,) = [thing for thing in bpy.data.objects if thing.type == "MESH"]
facts["tower"] = [tower.name, box([tower])]

bpy.ops.mesh.primitive_cube_add(location=(5, 0, 0), rotation=(0.3, 0.5, 0.7), scale=(1, 2, 0.5))
cube = bpy.context.active_object
facts["cube"] = box([cube])
asked.prompt = "a red box"
facts["repainted"] = [list(bpy.ops.dreamlab.repaint()), wait(), cube.hide_get()]
facts["box"] = box([bpy.data.objects["a red box"]])
asked.prompt = "fail"
facts["failed"] = [list(bpy.ops.dreamlab.make()), wait()]
asked.prompt = "hang"
bpy.ops.dreamlab.make()
while ui._now["job"].progress.step < 2:
    time.sleep(0.05)
bpy.ops.dreamlab.cancel()
facts["cancelled"] = wait()
chosen.command = str(Path(folder) / "not-there")
try:
    facts["missing"] = list(bpy.ops.dreamlab.make())
except RuntimeError as error:
    facts["missing"] = str(error)
facts["objects"] = len([thing for thing in bpy.data.objects if thing.type == "MESH"])
bpy.ops.preferences.addon_disable(module=name)
facts["gone"] = not hasattr(bpy.types.Scene, "dreamlab") and not hasattr(bpy.types, "DREAMLAB_PT_panel")
sys.stdout.write("\nFACTS " + json.dumps(facts) + "\n")
