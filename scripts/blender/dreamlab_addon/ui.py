"""The panel in the sidebar of the 3D view, the add-on's preferences, and what its buttons do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import bpy  # pyright: ignore[reportMissingImports]

from .jobs import Job, ProcessJob, ServerJob
from .orders import PRESETS, Order
from .scene import bring_in, send_out, stand_at, stand_over

_TICK = 0.5  # seconds between two looks at the job

_now: dict[str, Any] = {"job": None, "place": None, "told": ""}
"""The one order at work, what is done with its mesh, and the last word on it."""


class DreamlabPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    command: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Command",
        default="dreamlab",
        description="dreamlab's path, or words such as: python -m dreamlab",
    )
    folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Runs", default="", subtype="DIR_PATH", description="folder of all runs (empty: ~/dreamlab)"
    )
    extra: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Options", default="", description="more options of `dreamlab run`, such as --device cuda"
    )
    address: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Server", default="", description="address of a `dreamlab serve`, in the place of the command"
    )
    token: bpy.props.StringProperty(name="Token", default="", subtype="PASSWORD")  # type: ignore[valid-type]

    def draw(self, context: Any) -> None:
        for name in ("command", "folder", "extra", "address", "token"):
            self.layout.prop(self, name)


class DreamlabOrder(bpy.types.PropertyGroup):
    prompt: bpy.props.StringProperty(name="Prompt", default="a red mushroom")  # type: ignore[valid-type]
    preset: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Preset", items=[(name, name, "") for name in PRESETS], default="default"
    )
    seed: bpy.props.IntProperty(name="Seed", min=0)  # type: ignore[valid-type]
    size: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Longest side", default=1.0, min=0.001, unit="LENGTH"
    )


class _Start(bpy.types.Operator):
    """What the three buttons share."""

    bl_options: ClassVar = {"REGISTER"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _now["job"] is None and bool(context.scene.dreamlab.prompt.strip())

    def begin(self, order: Order, place: Callable[[list[Any]], None]) -> set[str]:
        try:
            _now.update(job=start(order, preferences()), place=place, told="", name=order.prompt)
        except (OSError, ValueError) as error:
            self.report({"ERROR"}, f"dreamlab cannot start: {error}")
            return {"CANCELLED"}
        bpy.app.timers.register(tick, first_interval=_TICK, persistent=True)
        return {"FINISHED"}


class DREAMLAB_OT_make(_Start):
    bl_idname, bl_label = "dreamlab.make", "Make"
    bl_description = "Make a mesh from the prompt, and stand it at the 3D cursor"

    def execute(self, context: Any) -> set[str]:
        asked, place = context.scene.dreamlab, context.scene.cursor.location.copy()
        order = Order(asked.prompt.strip(), asked.preset, asked.seed)
        size = asked.size
        return self.begin(order, lambda things: stand_at(things, place, size))


class _OnMesh(_Start):
    repaint = True

    @classmethod
    def poll(cls, context: Any) -> bool:
        chosen = context.active_object
        return super().poll(context) and chosen is not None and chosen.type == "MESH"

    def execute(self, context: Any) -> set[str]:
        asked, original = context.scene.dreamlab, context.active_object
        path = str(Path(tempfile.mkdtemp(prefix="dreamlab-")) / "mesh.glb")
        try:
            centre, radius = send_out(original, path)
        except (RuntimeError, ValueError) as error:
            self.report({"ERROR"}, f"the mesh cannot be written: {error}")
            return {"CANCELLED"}
        order = Order(asked.prompt.strip(), seed=asked.seed, mesh=path, repaint=self.repaint)
        name = original.name

        def place(things: list[Any]) -> None:
            stand_over(things, centre, radius)
            if (hidden := bpy.data.objects.get(name)) is not None:
                hidden.hide_set(True)

        return self.begin(order, place)


class DREAMLAB_OT_repaint(_OnMesh):
    bl_idname, bl_label = "dreamlab.repaint", "Repaint"
    bl_description = (
        "Colour the active mesh anew by the prompt. Its shape stays; faces are divided, and UVs and "
        "materials of its own are not kept. The original is hidden, not changed"
    )


class DREAMLAB_OT_refine(_OnMesh):
    bl_idname, bl_label = "dreamlab.refine", "Refine"
    bl_description = (
        "Make the active mesh more like the prompt, in shape and colour. The original is hidden, not changed"
    )
    repaint = False


class DREAMLAB_OT_cancel(bpy.types.Operator):
    bl_idname, bl_label = "dreamlab.cancel", "Cancel"
    bl_description = "Stop; the run keeps a checkpoint, with which `dreamlab resume` goes on"

    def execute(self, context: Any) -> set[str]:
        if _now["job"] is not None:
            _now["job"].cancel()
        return {"FINISHED"}


class DREAMLAB_PT_panel(bpy.types.Panel):
    bl_label, bl_idname = "dreamlab", "DREAMLAB_PT_panel"
    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "dreamlab"

    def draw(self, context: Any) -> None:
        layout, asked, job = self.layout, context.scene.dreamlab, _now["job"]
        layout.prop(asked, "prompt", text="")
        for name in ("preset", "seed", "size"):
            layout.prop(asked, name)
        if job is None:
            layout.operator("dreamlab.make")
            row = layout.row(align=True)
            row.operator("dreamlab.repaint")
            row.operator("dreamlab.refine")
        else:
            progress = job.progress
            steps = f" {progress.step}/{progress.steps}" if progress.steps else ""
            layout.progress(factor=progress.share, text=f"{progress.phase}{steps}")
            layout.operator("dreamlab.cancel")
        told = job.progress.note if job is not None else _now["told"]
        for line in _lines(told, 40):
            layout.label(text=line)


# ---- at work ----


def preferences() -> Any:
    return bpy.context.preferences.addons[__package__].preferences


def start(order: Order, chosen: Any) -> Job:
    """Set dreamlab to work. ValueError, OSError where that cannot be."""
    if chosen.address.strip():
        return ServerJob(chosen.address.strip(), order, chosen.token.strip())
    folder = bpy.path.abspath(chosen.folder) if chosen.folder else str(Path.home() / "dreamlab")
    return ProcessJob(chosen.command.strip(), order, folder, chosen.extra)


def tick() -> float | None:
    """Look at the job; at its end bring its mesh in. Seconds until the next look, None for no more."""
    job = _now["job"]
    if job is None:
        return None
    _redraw()
    progress = job.progress
    if progress.state == "running":
        return _TICK
    _now["job"] = None
    if progress.state == "done":
        try:
            _placed(progress.files["glb"])
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            _now["told"] = f"the mesh could not be brought in: {error}"
    else:
        _now["told"] = progress.error or "cancelled; dreamlab resume goes on with it"
    return None


def _placed(path: str) -> None:
    windows = bpy.context.window_manager.windows
    around = {"window": windows[0]} if windows else {}
    with bpy.context.temp_override(**around):
        things = bring_in(path, _now["name"])
        _now["place"](things)
    _now["told"] = f"{sum(len(thing.data.polygons) for thing in things)} faces"


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def _lines(text: str, width: int) -> list[str]:
    """Words in lines, since a label of a panel has one."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line][:6]


_CLASSES = (
    DreamlabPreferences, DreamlabOrder, DREAMLAB_OT_make, DREAMLAB_OT_repaint, DREAMLAB_OT_refine,
    DREAMLAB_OT_cancel, DREAMLAB_PT_panel,
)  # fmt: skip


def register() -> None:
    for kind in _CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.dreamlab = bpy.props.PointerProperty(type=DreamlabOrder)


def unregister() -> None:
    if _now["job"] is not None:
        _now["job"].cancel()
        _now["job"] = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    del bpy.types.Scene.dreamlab
    for kind in reversed(_CLASSES):
        bpy.utils.unregister_class(kind)
