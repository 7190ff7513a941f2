"""nerfstudio: transforms.json (docs.nerf.studio, "Data conventions")."""

from __future__ import annotations

from typing import Any, Literal

from dreamlab.dataset.formats.base import Format, Slot, Whole, json_bytes
from dreamlab.dataset.record import SPLITS, ViewRecord

FOLDERS = {"rgb": "images", "depth": "depths", "mask": "masks", "normal": "normals"}


class NerfstudioFormat(Format):
    """images/, depths/, ... and transforms.json in the folder of each scene.

    Masks are written and named `object_mask_path`: what nerfstudio calls `mask_path` is left out of training,
    and the emptiness around an object is worth knowing.
    """

    kind: Literal["nerfstudio"] = "nerfstudio"

    def name(self, buffer: str, slot: Slot) -> str:
        return f"{slot.folder}{FOLDERS.get(buffer, buffer)}/{slot.view:06d}"

    def index(self, whole: Whole) -> dict[str, bytes]:
        out = {}
        for number, folder in enumerate(whole.folders):
            records = [record for record in whole.records if record.scene_number == number]
            if records:
                out[f"{folder}transforms.json"] = json_bytes(_transforms(records, folder, whole.depth_unit))
        return out


def _transforms(records: list[ViewRecord], folder: str, depth_unit: float) -> dict[str, Any]:
    values: dict[str, Any] = {
        "camera_model": "OPENCV",
        **records[0].camera.model_dump(),
        "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0,
        "depth_unit_scale_factor": depth_unit,
    }  # fmt: skip
    frames = []
    for record in records:
        files = {key: name.removeprefix(folder) for key, name in record.files.items()}
        frame: dict[str, Any] = {"file_path": files["rgb"]}
        for key, buffer in (
            ("depth_file_path", "depth"), ("object_mask_path", "mask"), ("normal_file_path", "normal"),
        ):  # fmt: skip
            if buffer in files:
                frame[key] = files[buffer]
        frames.append({**frame, "transform_matrix": record.c2w})
    for split in SPLITS:
        names = [record.file_name.removeprefix(folder) for record in records if record.split == split]
        values[f"{split}_filenames"] = names
    return {**values, "frames": frames}
