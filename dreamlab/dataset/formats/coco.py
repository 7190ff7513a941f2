"""COCO (cocodataset.org, "Data format"): instances and captions of each split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from dreamlab.dataset.formats.base import Format, Slot, Whole, json_bytes, run_lengths
from dreamlab.dataset.record import SPLITS, RunLengths, Split, ViewRecord


class CocoFormat(Format):
    """train/000000_000000.png (scene, view), depth/train/..., annotations/instances_train.json and
    captions_train.json. Every subject is a category; masks are uncompressed run lengths."""

    keeps_alpha = False

    kind: Literal["coco"] = "coco"

    def name(self, buffer: str, slot: Slot) -> str:
        front = "" if buffer == "rgb" else f"{buffer}/"
        return f"{front}{slot.split}/{slot.scene:06d}_{slot.view:06d}"

    def segmentation(self, visible: Bool[np.ndarray, "H W"]) -> RunLengths | None:
        return run_lengths(visible)

    def index(self, whole: Whole) -> dict[str, bytes]:
        out = {}
        for split in SPLITS:
            numbered = [(k, r) for k, r in enumerate(whole.records, 1) if r.split == split]
            if numbered:
                instances = _instances(numbered, whole.names)
                out[f"annotations/instances_{split}.json"] = json_bytes(_file(split, numbered) | instances)
                captions = [{"id": k, "image_id": k, "caption": record.text} for k, record in numbered]
                captioned = _file(split, numbered) | {"annotations": captions}
                out[f"annotations/captions_{split}.json"] = json_bytes(captioned)
        return out


def _file(split: Split, numbered: list[tuple[int, ViewRecord]]) -> dict[str, Any]:
    """What instances and captions share: about the file, and its images."""
    return {
        "info": {"description": f"views rendered by dreamlab, {split}", "version": "1.0"},
        "licenses": [],
        "images": [
            {
                "id": k,
                "file_name": record.file_name.removeprefix(f"{split}/"),
                "width": record.camera.w,
                "height": record.camera.h,
            }
            for k, record in numbered
        ],
    }


def _instances(numbered: list[tuple[int, ViewRecord]], names: Sequence[str]) -> dict[str, Any]:
    category = {name: k for k, name in enumerate(names, 1)}
    annotations = []
    for k, record in numbered:
        for found in record.objects:
            if found.bbox is None or found.segmentation is None:  # nothing of it is seen
                continue
            annotations.append(
                {
                    "id": k * 1000 + found.id,
                    "image_id": k,
                    "category_id": category[found.name],
                    "bbox": list(found.bbox),
                    "area": found.area,
                    "segmentation": found.segmentation.model_dump(),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": k, "name": name, "supercategory": "object"} for name, k in category.items()]
    return {"annotations": annotations, "categories": categories}
