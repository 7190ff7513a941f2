"""What is known of each view: the lines of metadata.jsonl, from which every format's own files are made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Buffer = Literal["alpha", "depth", "normal", "normal_camera", "mask", "parts", "instances"]
Matrix = list[list[float]]
Box = tuple[int, int, int, int]
"""x, y of the top left pixel, and how many pixels wide and high."""


class Intrinsics(BaseModel):
    """A pinhole's focal lengths and middle in pixels; the first pixel's centre is at (0.5, 0.5)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fl_x: float
    fl_y: float
    cx: float
    cy: float
    w: int
    h: int


class RunLengths(BaseModel):
    """COCO's uncompressed run lengths of a mask: column by column, beginning with what is outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int]
    counts: list[int]


class ObjectRecord(BaseModel):
    """An instance in a view. pose moves its own coordinates (metres, +Z up) into the world. area and bbox are
    of what is seen of it; whole_area and whole_bbox of what would be, were nothing before it. A box is None
    where there is nothing to be seen inside the picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    name: str
    pose: Matrix
    area: int
    bbox: Box | None
    whole_area: int
    whole_bbox: Box | None
    segmentation: RunLengths | None = None


class ViewRecord(BaseModel):
    """A view that is written. file_name and files are relative to the data set; c2w is OpenGL's (looks along
    -Z, +Y up) in the data set's world (metres, +Z up)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_name: str
    text: str
    scene: str
    scene_number: int
    view: int
    split: Split
    files: dict[str, str]
    camera: Intrinsics
    c2w: Matrix
    objects: list[ObjectRecord]
    part_names: list[str] = []
