"""What a format decides: where the pictures of a view lie, and the files that are made when all are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Int
from pydantic import BaseModel, ConfigDict

from dreamlab.dataset.record import Box, Buffer, ObjectRecord, RunLengths, Split, ViewRecord
from dreamlab.dataset.scene import Subject


@dataclass(frozen=True)
class Slot:
    """A view's place in the data set: its scene's folder ("" where there is one scene only, else it ends in
    "/") and number, its own number in the scene, and its split."""

    folder: str
    scene: int
    view: int
    split: Split


@dataclass(frozen=True)
class Whole:
    """A data set whose views are all written: the scenes' folders by number, the names of the subjects
    that it shows, `load` to have one, and the metres of a step of 16-bit depth."""

    records: Sequence[ViewRecord]
    folders: Sequence[str]
    names: Sequence[str]
    load: Callable[[str], Subject]
    depth_unit: float


class Format(BaseModel):
    """How pictures and cameras are written. Names are relative to the data set, with "/"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keeps_alpha: ClassVar[bool] = True
    """Whether the colour may have alpha; else it stands on black where the background is transparent."""
    needs: ClassVar[frozenset[Buffer]] = frozenset()
    """Buffers that are always written."""

    def name(self, buffer: str, slot: Slot) -> str:
        """The name, without suffix, of a buffer's picture; buffer "rgb" is the colour."""
        raise NotImplementedError

    def masks(
        self, slot: Slot, visible: Bool[np.ndarray, "N H W"], whole: Bool[np.ndarray, "N H W"]
    ) -> dict[str, Bool[np.ndarray, "H W"]]:
        """Further pictures of each instance, by name: of what is seen of it, and of all of it."""
        return {}

    def segmentation(self, visible: Bool[np.ndarray, "H W"]) -> RunLengths | None:
        """The mask of an instance, where the format's files hold it."""
        return None

    def index(self, whole: Whole) -> dict[str, bytes]:
        """The files about all views, by name."""
        raise NotImplementedError


def json_bytes(values: Any) -> bytes:
    """Readable JSON, the same bytes for the same values."""
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def box_of(mask: Bool[np.ndarray, "H W"]) -> Box | None:
    """The pixels' bounding box; None where there are none."""
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    if len(rows) == 0:
        return None
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def run_lengths(mask: Bool[np.ndarray, "H W"]) -> RunLengths:
    """COCO's uncompressed run lengths."""
    flat = mask.T.reshape(-1)
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0], borders, [len(flat)]])
    counts = np.diff(ends).tolist()
    return RunLengths(size=(mask.shape[0], mask.shape[1]), counts=[0, *counts] if flat[0] else counts)


def objects_of(
    poses: Sequence[tuple[str, np.ndarray]],
    instance: Int[np.ndarray, "H W"],
    whole: Bool[np.ndarray, "N H W"],
    style: Format,
) -> tuple[list[ObjectRecord], Bool[np.ndarray, "N H W"]]:
    """The record and the visible mask of each instance, from the names and poses [4,4] of all."""
    visible = np.stack([instance == k for k in range(1, len(poses) + 1)])
    records = [
        ObjectRecord(
            id=k + 1,
            name=name,
            pose=pose.tolist(),
            area=int(visible[k].sum()),
            bbox=box_of(visible[k]),
            whole_area=int(whole[k].sum()),
            whole_bbox=box_of(whole[k]),
            segmentation=style.segmentation(visible[k]),
        )
        for k, (name, pose) in enumerate(poses)
    ]
    return records, visible
