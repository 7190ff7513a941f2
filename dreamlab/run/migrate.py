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


def migrated(values: dict[str, Any]) -> dict[str, Any]:
    """The resolved config of an older run in today's settings; today's own as they are."""
    values = copy.deepcopy(values)
    for holder in (values, *values.get("stages", ())):
        _migrate(holder)
    clean = (values.get("mesh") or {}).get("clean") or {}
    clean.pop("smooth", None)  # `clean.denoise` took its place
    if "colour_weight" in clean:
        clean["color_weight"] = clean.pop("colour_weight")
    return values


def _migrate(holder: dict[str, Any]) -> None:
    """Move what stands in holder["guidance"] and is not a method's own."""
    guidance = holder.get("guidance")
    if not isinstance(guidance, dict):
        return
    for part in guidance.get("parts", ()):
        _migrate(part)
    if guidance.get("kind") == "sdi" and guidance.get("guidance_scale"):
        guidance["inversion_scale"] = guidance.get("inversion_scale", -7.5) / guidance["guidance_scale"]
    if guidance.get("kind") == "x0" and "cfg_rescale" in guidance:
        guidance["rescale"] = guidance.pop("cfg_rescale")
    for old, (group, name) in MOVED.items():
        if old in guidance:
            holder.setdefault(group, {})[name] = guidance.pop(old)
