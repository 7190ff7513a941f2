"""Settings that moved: where the old ones went, and the configs of older runs brought up to date."""

from __future__ import annotations

import copy
from typing import Any

MOVED = {
    "guidance_scale": ("cfg", "text"),
    "camera_guidance_scale": ("cfg", "camera"),
    "colour_guidance_scale": ("cfg", "mean_color"),
    "cfg_rescale": ("cfg", "rescale"),
    "perp_neg": ("cfg", "perp_neg"),
    "t_min": ("noise", "t_min"),
    "t_max": ("noise", "t_max"),
    "levels": ("noise", "levels"),
    "shared_t": ("noise", "shared"),
}
"""What stood in a method's settings and now stands beside it: (settings, name) by the old name."""


def moved_to(path: list[str], kind: str) -> str | None:
    """Where the setting at this path (of a guidance of this kind) is now, or None if it never was one."""
    *home, parent, name = ["", *path]
    if parent != "guidance" or name not in MOVED:
        return None
    new = ("guidance", "rescale") if (kind, name) == ("x0", "cfg_rescale") else MOVED[name]
    return ".".join([*home[1:], *new])


_OF_FIT_VIEWS_ALONE = ("begin", "rings", "every", "memory", "drawing_steps", "fovy")
_FIT_VIEWS = ("begin", "rings", "every", "memory", "eta", "fovy", "max_batch")


def moved_kind(kind: str) -> str | None:
    """What to use in the place of a kind of guidance that is none any more, or None for any other."""
    return "--preset drawn, or a stage {kind: fit-views}" if kind == "dataset-update" else None


_SIMPLIFY = ("faces", "color_weight", "remesh")
_EXPORT = ("formats", "size", "origin", "compression")
_STAGE_OF = {"extract": "extract", "clean": "clean", "bake": "texture"}


def moved_section(keys: list[str]) -> str | None:
    """Where a setting of the former sections `mesh` and `turntable`, or of the former guidance
    `dataset-update`, is now; None for any other."""
    section, *rest = keys
    if section == "guidance" and rest and rest[0] in _OF_FIT_VIEWS_ALONE:
        name = "sampling_steps" if rest[0] == "drawing_steps" else rest[0]
        return f"stages.fit-views.{name}"
    if section == "turntable":
        return ".".join(["stages", "turntable", *rest])
    if section != "mesh":
        return None
    if rest[:1] == ["texture"]:
        return "stages.texture.into=image or stages.texture.into=vertices"
    if rest and rest[0] in _EXPORT:
        return ".".join(["stages", "export", *rest])
    if rest[:1] == ["clean"] and len(rest) > 1 and rest[1] in _SIMPLIFY:
        return ".".join(["stages", "simplify", *rest[1:]])
    if rest and rest[0] in _STAGE_OF:
        return ".".join(["stages", _STAGE_OF[rest[0]], *rest[1:]])
    return "the stages extract, clean, simplify, texture and export, such as stages.extract.resolution"


def migrated(values: dict[str, Any]) -> dict[str, Any]:
    """The resolved config of an older run in today's settings; today's own as they are."""
    values = copy.deepcopy(values)
    for holder in (values, *values.get("stages", ())):
        _migrate(holder)
        background = holder.get("background")
        if isinstance(background, dict) and "colour" in background:
            background["color"] = background.pop("colour")
    _dataset_updates_to_stages(values)
    if "mesh" in values or "turntable" in values:
        mesh, film = values.pop("mesh", None) or {}, values.pop("turntable", None) or {}
        values["stages"] = [*values.get("stages", [{}]), *_end_of_run(mesh, film)]
    return values


def _end_of_run(mesh: dict[str, Any], film: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages that the former sections `mesh` and `turntable` stood for."""
    clean, texture = dict(mesh.get("clean") or {}), mesh.get("texture", True)
    clean.pop("smooth", None)  # `clean.denoise` took its place
    if "colour_weight" in clean:
        clean["color_weight"] = clean.pop("colour_weight")
    light = {"color_weight": 0.01} | {name: clean.pop(name) for name in _SIMPLIFY if name in clean}
    if texture:
        light["color_weight"] = 0.0  # it counted only where colours stayed at the corners
    return [
        {"kind": "extract"} | (mesh.get("extract") or {}),
        {"kind": "clean"} | clean,
        {"kind": "simplify"} | light,
        {"kind": "texture", "into": "image" if texture else "vertices"} | (mesh.get("bake") or {}),
        {"kind": "export"} | {name: mesh[name] for name in _EXPORT if name in mesh},
        {"kind": "turntable"} | film,
    ]


def _dataset_updates_to_stages(values: dict[str, Any]) -> None:
    """Distillations by the former guidance `dataset-update` become stages `fit-views`."""
    of_run = values.get("guidance") or {}
    for stage in values.get("stages", ()):
        method = stage.get("guidance") or of_run
        if method.get("kind") != "dataset-update" or stage.get("kind", "distil") != "distil":
            continue
        stage.pop("guidance", None)
        stage.pop("mesh", None)
        stage |= {"name": stage.get("name", "distil"), "kind": "fit-views"}
        stage |= {name: method[name] for name in _FIT_VIEWS if name in method}
        if "drawing_steps" in method:
            stage["sampling_steps"] = method["drawing_steps"]
        if method.get("grad_clip") is not None:
            stage["grad_clip"] = method["grad_clip"]  # gone: refused by name, not dropped
    if of_run.get("kind") == "dataset-update":
        del values["guidance"]


def _migrate(holder: dict[str, Any]) -> None:
    """Move what stands in holder["guidance"] and is not a method's own."""
    guidance = holder.get("guidance")
    if not isinstance(guidance, dict):
        return
    for part in guidance.get("parts", ()):
        _migrate(part)
    if guidance.get("kind") == "mixture" and guidance.get("mode") == "draw":
        guidance["mode"] = "sample"
    if guidance.get("kind") == "sdi" and guidance.get("guidance_scale"):
        guidance["inversion_scale"] = guidance.get("inversion_scale", -7.5) / guidance["guidance_scale"]
    if guidance.get("kind") == "x0" and "cfg_rescale" in guidance:
        guidance["rescale"] = guidance.pop("cfg_rescale")
    for old, (group, name) in MOVED.items():
        if old in guidance:
            holder.setdefault(group, {})[name] = guidance.pop(old)
