"""The synthetic scenes of NeRF (Mildenhall et al. 2020): transforms_train.json, _val and _test."""

from __future__ import annotations

import math
from typing import Any, Literal

from dreamlab.dataset.formats.base import Format, Slot, Whole, json_bytes
from dreamlab.dataset.record import SPLITS, ViewRecord


class BlenderFormat(Format):
    """train/r_0.png, train/r_0_depth.png, ... and a file of transforms for each split, in the folder of each
    scene. Views keep their number in the scene, so those of a split are not numbered without gaps."""

    kind: Literal["blender"] = "blender"

    def name(self, buffer: str, slot: Slot) -> str:
        end = "" if buffer == "rgb" else f"_{buffer}"
        return f"{slot.folder}{slot.split}/r_{slot.view}{end}"

    def index(self, whole: Whole) -> dict[str, bytes]:
        out = {}
        for number, folder in enumerate(whole.folders):
            records = [record for record in whole.records if record.scene_number == number]
            for split in SPLITS if records else ():
                own = [record for record in records if record.split == split]
                out[f"{folder}transforms_{split}.json"] = json_bytes(_transforms(records[0], own, folder))
        return out


def _transforms(any_view: ViewRecord, records: list[ViewRecord], folder: str) -> dict[str, Any]:
    camera = any_view.camera
    frames = [
        {
            "file_path": "./" + record.file_name.removeprefix(folder).removesuffix(".png"),
            "rotation": 0.0,  # of the original's turntable; readers look for it and do not use it
            "transform_matrix": record.c2w,
        }
        for record in records
    ]
    return {"camera_angle_x": 2 * math.atan(camera.w / (2 * camera.fl_x)), "frames": frames}
