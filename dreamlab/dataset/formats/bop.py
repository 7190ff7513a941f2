"""BOP, the benchmark of object poses (Hodan et al. 2018): scenes of the layout that bop_toolkit calls
BOP-scenewise, with models, poses, depth and masks. Millimetres and OpenCV's cameras, as it asks for."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from dreamlab.core.types import Mesh
from dreamlab.dataset.formats.base import Format, Slot, Whole, json_bytes
from dreamlab.dataset.record import SPLITS, Box, Buffer, Intrinsics, ObjectRecord, ViewRecord
from dreamlab.dataset.world import to_opencv, to_z_up
from dreamlab.mesh.geometry.color import to_bytes, vertex_colors
from dreamlab.mesh.geometry.shape import normals_of

MM = 1000.0
NOTHING = [-1, -1, -1, -1]  # the toolkit's box where nothing is seen


class BopFormat(Format):
    """train/000000/rgb/000000.png, depth/, mask/, mask_visib/, scene_camera.json, scene_gt.json and
    scene_gt_info.json for every scene and split, and models/ with models_info.json."""

    keeps_alpha = False
    needs: ClassVar[frozenset[Buffer]] = frozenset({"depth"})

    kind: Literal["bop"] = "bop"

    def name(self, buffer: str, slot: Slot) -> str:
        # mask/ holds one picture for each instance here: the mask of all is another thing
        folder = "foreground" if buffer == "mask" else buffer
        return f"{slot.split}/{slot.scene:06d}/{folder}/{slot.view:06d}"

    def masks(
        self, slot: Slot, visible: Bool[np.ndarray, "N H W"], whole: Bool[np.ndarray, "N H W"]
    ) -> dict[str, Bool[np.ndarray, "H W"]]:
        out = {}
        for folder, masks in (("mask", whole), ("mask_visib", visible)):
            for k, mask in enumerate(masks):
                out[f"{slot.split}/{slot.scene:06d}/{folder}/{slot.view:06d}_{k:06d}"] = mask
        return out

    def index(self, whole: Whole) -> dict[str, bytes]:
        middles, out = {}, {}
        infos: dict[str, Any] = {}
        for number, name in enumerate(whole.names, 1):
            mesh = whole.load(name).mesh
            corners = to_z_up(mesh.vertices.double().numpy()) * MM
            middles[name] = (corners.min(0) + corners.max(0)) / 2
            infos[str(number)] = _model_info(corners - middles[name])
            out[f"models/obj_{number:06d}.ply"] = ply_text(mesh, corners - middles[name])
        out["models/models_info.json"] = json_bytes(infos)
        ids = {name: k for k, name in enumerate(whole.names, 1)}
        for scene in range(len(whole.folders)):
            for split in SPLITS:
                own = [r for r in whole.records if (r.scene_number, r.split) == (scene, split)]
                if own:
                    folder = f"{split}/{scene:06d}/"
                    out |= {folder + n: data for n, data in _scene(own, ids, middles, whole).items()}
        if whole.records:
            out["camera.json"] = json_bytes(_simulated(whole.records[0].camera, whole.depth_unit))
        return out


def _scene(
    records: list[ViewRecord], ids: dict[str, int], middles: dict[str, np.ndarray], whole: Whole
) -> dict[str, bytes]:
    cameras, poses, infos = {}, {}, {}
    for record in records:
        w2c = to_opencv(np.array(record.c2w))
        cameras[str(record.view)] = {
            "cam_K": matrix_k(record.camera),
            "cam_R_w2c": w2c[:3, :3].reshape(-1).tolist(),
            "cam_t_w2c": (w2c[:3, 3] * MM).tolist(),
            "depth_scale": whole.depth_unit * MM,
        }
        poses[str(record.view)] = [_pose(o, w2c, ids[o.name], middles[o.name]) for o in record.objects]
        infos[str(record.view)] = [_info(o) for o in record.objects]
    files = {"scene_camera": cameras, "scene_gt": poses, "scene_gt_info": infos}
    return {f"{name}.json": _by_image(values) for name, values in files.items()}


def _by_image(values: dict[str, Any]) -> bytes:
    """JSON with a line for each image, as the toolkit writes it."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in values.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def matrix_k(camera: Intrinsics) -> list[float]:
    """K row by row. OpenCV's pixel centres are whole numbers, half a pixel from where ours are."""
    return [camera.fl_x, 0.0, camera.cx - 0.5, 0.0, camera.fl_y, camera.cy - 0.5, 0.0, 0.0, 1.0]


def _simulated(camera: Intrinsics, depth_unit: float) -> dict[str, float]:
    k = matrix_k(camera)
    size = {"width": camera.w, "height": camera.h, "depth_scale": depth_unit * MM}
    return {"fx": k[0], "fy": k[4], "cx": k[2], "cy": k[5], **size}


def _pose(
    found: ObjectRecord, w2c: Float[np.ndarray, "4 4"], number: int, middle: Float[np.ndarray, " 3"]
) -> dict[str, Any]:
    """Of the model, whose origin is the middle of its box, in the camera."""
    pose = w2c @ np.array(found.pose)
    place = pose[:3, :3] @ middle + pose[:3, 3] * MM
    return {"cam_R_m2c": pose[:3, :3].reshape(-1).tolist(), "cam_t_m2c": place.tolist(), "obj_id": number}


def _info(found: ObjectRecord) -> dict[str, Any]:
    return {
        "bbox_obj": _toolkit_box(found.whole_bbox),
        "bbox_visib": _toolkit_box(found.bbox),
        "px_count_all": found.whole_area,
        "px_count_valid": found.whole_area,  # every pixel of a silhouette has depth, its own or another's
        "px_count_visib": found.area,
        "visib_fract": found.area / found.whole_area if found.whole_area else 0.0,
    }


def _toolkit_box(box: Box | None) -> list[int]:
    """The toolkit counts from the first pixel to the last, so it is one less wide and high."""
    return NOTHING if box is None else [box[0], box[1], box[2] - 1, box[3] - 1]


def _model_info(corners: Float[np.ndarray, "V 3"]) -> dict[str, float]:
    low, size = corners.min(0), np.ptp(corners, axis=0)
    places = zip(("min_x", "min_y", "min_z", "size_x", "size_y", "size_z"), [*low, *size], strict=True)
    return {"diameter": diameter(corners), **{name: float(value) for name, value in places}}


def diameter(corners: Float[np.ndarray, "V 3"]) -> float:
    """The largest distance between two corners; it is one between corners of the convex hull."""
    try:
        corners = corners[ConvexHull(corners).vertices]
    except QhullError:  # flat: no hull in space
        corners = np.unique(corners, axis=0)
    if len(corners) <= 4000:
        return float(pdist(corners).max(initial=0.0))
    return max(float(np.linalg.norm(corners - corner, axis=1).max()) for corner in corners)


def ply_text(mesh: Mesh, corners: Float[np.ndarray, "V 3"]) -> bytes:
    """ASCII PLY with normals (+Z up) and, where the mesh has colours, 8-bit sRGB at these corners."""
    colors = vertex_colors(mesh)
    names = ["x", "y", "z", "nx", "ny", "nz"]
    head = [
        "ply",
        "format ascii 1.0",
        f"element vertex {len(corners)}",
        *(f"property float {n}" for n in names),
    ]
    if colors is not None:
        head += [f"property uchar {n}" for n in ("red", "green", "blue")]
    head += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    numbers = np.concatenate([corners, to_z_up(normals_of(mesh))], 1)
    rows = [" ".join(f"{x:.6g}" for x in row) for row in numbers.tolist()]
    if colors is not None:
        rows = [f"{row} {r} {g} {b}" for row, (r, g, b) in zip(rows, to_bytes(colors).tolist(), strict=True)]
    faces = [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    return ("\n".join([*head, *rows, *faces]) + "\n").encode()
