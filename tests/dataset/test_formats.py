"""Each format is read by its own rules alone: known points of the mesh are looked for in the pictures, and
the tools' own readers are asked where they can be installed."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.core.types import Mesh
from dreamlab.dataset.config import DatasetConfig
from dreamlab.dataset.formats.base import run_lengths
from dreamlab.dataset.formats.bop import diameter
from dreamlab.dataset.write import write_dataset
from dreamlab.mesh.io.load import load
from tests.dataset.solids import box, source, two_colored

# Coloured cubes of 0.1 m at known places (dreamlab's world: +Y up, the front is +Z).
MARKS = {(255, 0, 0): (0.6, 0.0, 0.0), (0, 255, 0): (0.0, 0.7, 0.0), (0, 0, 255): (0.0, 0.0, 0.8)}
Z_UP = {color: (x, -z, y) for color, (x, y, z) in MARKS.items()}  # as the docs say


def marks() -> Mesh:
    parts = []
    for color, place in MARKS.items():
        cube = box((0.1, 0.1, 0.1), tuple(c / 255 for c in color))
        parts.append((cube.vertices + torch.tensor(place), cube.normals, cube.colors, cube.faces))
    vertices, normals, colors = (torch.cat([p[k] for p in parts]) for k in range(3))
    faces = torch.cat([p[3] + k * len(p[0]) for k, p in enumerate(parts)])
    return Mesh(vertices, faces, normals, colors)


@cache
def written(kind: str) -> Path:
    """A small data set of the marks, without light."""
    out = Path(mkdtemp()) / kind
    values = {"format": {"kind": kind}, "lights": {"kind": "none"}, "size": (60, 80), "views": 10, "seed": 3}
    list(write_dataset(DatasetConfig.model_validate(values), [source("marks", marks())], out, workers=2))
    return out


@cache
def scenes(kind: str) -> Path:
    """Two scenes of three objects each, in a format."""
    out = Path(mkdtemp()) / kind
    values = {"format": {"kind": kind}, "objects": 3, "scenes": 2, "size": (60, 80), "views": 6}
    config = DatasetConfig.model_validate(values | {"cameras": {"kind": "orbit", "elevation": (5,)}})
    sources = [source("a", box((0.5, 0.6, 0.7))), source("b", two_colored()), source("c", box((1, 0.2, 1)))]
    list(write_dataset(config, sources, out, workers=2))
    return out


def read(path: Path):
    return json.loads(path.read_text())


def found(picture: np.ndarray) -> dict[tuple[int, int, int], np.ndarray]:
    """Where each mark's colour is in a picture: the middle of its pixels (x, y), first centre at 0.5."""
    out = {}
    for color in MARKS:
        rows, columns = (np.abs(picture[..., :3].astype(int) - color).max(-1) < 30).nonzero()
        if len(rows) >= 6:
            out[color] = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    return out


def projected(c2w: np.ndarray, focal: float, middle: tuple[float, float], point) -> tuple[np.ndarray, float]:
    """x, y of a point in pixels and its depth, by an OpenGL camera's pose."""
    x, y, z, _ = np.linalg.inv(c2w) @ [*point, 1.0]
    return np.array([middle[0] - focal * x / z, middle[1] + focal * y / z]), -z


def check_marks(frames: list[tuple[Path, np.ndarray]], focal: float) -> None:
    """Marks are found within a pixel of where the written matrix puts them, in most views."""
    hits = 0
    for path, c2w in frames:
        for color, seen in found(np.asarray(Image.open(path))).items():
            expected, _ = projected(c2w, focal, (40, 30), Z_UP[color])
            if np.abs(expected - seen).max() < 1.0:
                hits += 1
            else:  # a mark that another covers in part is found beside its middle, by no more than its size
                assert np.abs(expected - seen).max() < 4
    assert hits >= 2 * len(frames)


# ---- nerfstudio ----


def test_nerfstudio_matrices_put_points_where_the_pictures_show_them() -> None:
    root = written("nerfstudio")
    meta = read(root / "transforms.json")
    assert meta["camera_model"] == "OPENCV" and (meta["w"], meta["h"]) == (80, 60)
    assert (meta["cx"], meta["cy"]) == (40, 30) and meta["fl_x"] == meta["fl_y"]
    assert math.isclose(meta["fl_y"], 30 / math.tan(math.radians(20)), rel_tol=1e-6)
    frames = [(root / f["file_path"], np.array(f["transform_matrix"])) for f in meta["frames"]]
    assert len(frames) == 10
    check_marks(frames, meta["fl_x"])


def test_nerfstudio_depth_is_the_distance_along_the_axis_in_millimetres() -> None:
    root = written("nerfstudio")
    meta = read(root / "transforms.json")
    assert meta["depth_unit_scale_factor"] == 0.001
    for frame in meta["frames"]:
        depth = np.asarray(Image.open(root / frame["depth_file_path"])).astype(float) * 0.001
        picture = np.asarray(Image.open(root / frame["file_path"]))
        assert ((depth > 0) <= (picture[..., 3] > 0)).all()
        for color, (x, y) in found(picture).items():
            _, z = projected(np.array(frame["transform_matrix"]), meta["fl_x"], (40, 30), Z_UP[color])
            at = depth[int(y), int(x)]
            assert at == 0 or -0.09 < at - z < 0.0  # the cube's front, within half its diagonal


def test_nerfstudio_splits_hold_every_view_once() -> None:
    meta = read(written("nerfstudio") / "transforms.json")
    lists = [meta[f"{split}_filenames"] for split in ("train", "val", "test")]
    assert [len(names) for names in lists] == [8, 1, 1]
    assert sorted(name for names in lists for name in names) == sorted(
        frame["file_path"] for frame in meta["frames"]
    )


def test_world_normals_are_in_the_world_of_the_matrices() -> None:
    """A side of a cube that points up is blue: +Z is up."""
    root = written("nerfstudio")
    ups = 0
    for frame in read(root / "transforms.json")["frames"]:
        normal = np.asarray(Image.open(root / frame["normal_file_path"])).astype(float) / 127.5 - 1
        mask = np.asarray(Image.open(root / frame["object_mask_path"])) > 0
        assert (np.abs(np.abs(normal[mask]).max(1) - 1) < 0.01).all()  # cubes stand straight
        assert (normal[~mask] == -1).all()
        c2w = np.array(frame["transform_matrix"])
        above = c2w[2, 3] > 1.5
        ups += above and bool((normal[mask][:, 2] > 0.99).any())
        own = np.asarray(Image.open(root / frame["file_path"].replace("images", "normal_camera")))
        own = own.astype(float) / 127.5 - 1
        assert np.abs(own[mask] @ c2w[:3, :3].T - normal[mask]).max() < 0.03
        assert (own[mask][:, 2] > -0.02).all()  # towards the camera
    assert ups >= 2


# ---- blender ----


def test_blender_transforms_put_points_where_the_pictures_show_them() -> None:
    """Read as NeRF's loader does: focal length from camera_angle_x, ".png" added to file_path."""
    root = written("blender")
    count = {}
    frames = []
    for split in ("train", "val", "test"):
        meta = read(root / f"transforms_{split}.json")
        assert set(meta["frames"][0]) == {"file_path", "rotation", "transform_matrix"}
        count[split] = len(meta["frames"])
        focal = 0.5 * 80 / math.tan(0.5 * meta["camera_angle_x"])
        frames += [
            (root / (f["file_path"] + ".png"), np.array(f["transform_matrix"])) for f in meta["frames"]
        ]
    assert count == {"train": 8, "val": 1, "test": 1}
    assert np.asarray(Image.open(frames[0][0])).shape == (60, 80, 4)
    check_marks(frames, focal)


# ---- coco ----


def test_coco_is_read_by_pycocotools_and_its_masks_are_the_instances() -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    root = scenes("coco")
    names = 0
    for split in ("train", "val", "test"):
        api = coco.COCO(str(root / f"annotations/instances_{split}.json"))
        assert [c["name"] for c in api.loadCats(api.getCatIds())] == ["a", "b", "c"]
        records = {r["file_name"]: r for r in journal(root)}
        for image in api.loadImgs(api.getImgIds()):
            record = records[f"{split}/{image['file_name']}"]
            assert Image.open(root / record["file_name"]).mode == "RGB"
            instances = np.asarray(Image.open(root / record["files"]["instances"]))
            found = api.loadAnns(api.getAnnIds(image["id"]))
            assert {a["id"] % 1000 for a in found} == set(np.unique(instances)) - {0}
            for annotation in found:
                mask = api.annToMask(annotation).astype(bool)
                assert (mask == (instances == annotation["id"] % 1000)).all()
                rows, columns = mask.nonzero()
                width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
                assert annotation["bbox"] == [columns.min(), rows.min(), width, height]
                assert annotation["area"] == mask.sum()
                names += 1
    assert names > 20


def test_coco_captions_are_read_by_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    api = coco.COCO(str(written("coco") / "annotations/captions_train.json"))
    assert [a["caption"] for a in api.loadAnns(api.getAnnIds())] == ["a marks"] * 8


def test_run_lengths_are_those_of_pycocotools() -> None:
    masks = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    rng = np.random.default_rng(0)
    for mask in (rng.random((7, 5)) < 0.5, np.zeros((3, 4), bool), np.ones((3, 4), bool)):
        found = run_lengths(mask)
        assert found.counts[0] == 0 or not mask[0, 0]
        coded = masks.frPyObjects(found.model_dump(), *mask.shape)
        assert (masks.decode(coded).astype(bool) == mask).all()
        assert coded["counts"] == masks.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


# ---- bop ----


def journal(root: Path) -> list[dict]:
    return [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()]


def test_bop_poses_put_the_models_where_depth_and_masks_are() -> None:
    """K [R t] of OpenCV (pixel centres are whole numbers), in millimetres: no pixel of a
    mask lies outside its model's corners, which half a pixel would tell, and depth lies between them."""
    root = scenes("bop")
    models = {int(p.stem[4:]): load(p).vertices.double().numpy() for p in (root / "models").glob("*.ply")}
    checked = 0
    for folder in sorted(root.glob("*/00000?")):
        cameras, poses, infos = (read(folder / f"scene_{n}.json") for n in ("camera", "gt", "gt_info"))
        assert set(cameras) == set(poses) == set(infos)
        for image, camera in cameras.items():
            k = np.array(camera["cam_K"]).reshape(3, 3)
            depth = np.asarray(Image.open(folder / f"depth/{int(image):06d}.png")) * camera["depth_scale"]
            assert camera["depth_scale"] == 1.0
            for index, (pose, info) in enumerate(zip(poses[image], infos[image], strict=True)):
                turn = np.array(pose["cam_R_m2c"]).reshape(3, 3)
                assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-5)
                points = models[pose["obj_id"]] @ turn.T + pose["cam_t_m2c"]
                pixels = points @ k.T
                pixels = pixels[:, :2] / pixels[:, 2:]
                mask = np.asarray(Image.open(folder / f"mask/{int(image):06d}_{index:06d}.png")) > 0
                seen = np.asarray(Image.open(folder / f"mask_visib/{int(image):06d}_{index:06d}.png")) > 0
                x, y, w, h = info["bbox_obj"]
                outside = np.array([[x, y] - pixels.min(0), pixels.max(0) - [x + w, y + h]])
                assert outside.min() > -0.01 and outside.max() < 2.0
                assert info["px_count_all"] == mask.sum() and info["px_count_visib"] == seen.sum()
                assert math.isclose(info["visib_fract"], seen.sum() / mask.sum())
                assert (seen <= mask).all()
                assert (depth[seen] >= points[:, 2].min() - 1).all()
                assert (depth[seen] <= points[:, 2].max() + 1).all()
                checked += 1
    assert checked == 36


def test_bop_scenes_hide_things_and_say_how_much() -> None:
    fractions = [
        info["visib_fract"]
        for path in scenes("bop").glob("*/00000?/scene_gt_info.json")
        for infos in read(path).values()
        for info in infos
    ]
    assert min(fractions) < 0.9 and max(fractions) == 1.0


def test_bop_world_to_camera_agrees_with_the_models_poses() -> None:
    """cam_R_w2c and cam_t_w2c take the scene's upright axis to where every model's own is: they are turned
    about it only."""
    folder = scenes("bop") / "train/000000"
    cameras, poses = (read(folder / f"scene_{n}.json") for n in ("camera", "gt"))
    for image, camera in cameras.items():
        up = np.array(camera["cam_R_w2c"]).reshape(3, 3)[:, 2]
        for pose in poses[image]:
            assert np.allclose(np.array(pose["cam_R_m2c"]).reshape(3, 3)[:, 2], up, atol=1e-5)


def test_bop_models_are_in_millimetres_around_their_middle_and_stand_upright() -> None:
    infos = read(scenes("bop") / "models/models_info.json")
    assert [infos["1"][f"size_{axis}"] for axis in "xyz"] == pytest.approx([500, 700, 600], rel=1e-5)
    assert infos["1"]["min_z"] == pytest.approx(-300) and infos["2"]["size_z"] == pytest.approx(2000)
    assert infos["1"]["diameter"] == pytest.approx(math.sqrt(0.5**2 + 0.6**2 + 0.7**2) * 1000, rel=1e-5)


def test_a_diameter_is_the_largest_distance_of_two_corners() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3))
    exact = np.linalg.norm(points[:, None] - points, axis=-1).max()
    assert diameter(points) == pytest.approx(exact, rel=1e-12)
    flat = points * [1, 1, 0]
    assert diameter(flat) == pytest.approx(np.linalg.norm(flat[:, None] - flat, axis=-1).max(), rel=1e-12)
    many = rng.normal(size=(4100, 3))
    many /= np.linalg.norm(many, axis=1, keepdims=True)  # all on the hull
    assert 1.999 < diameter(many) <= 2


# ---- captions and cameras in one list ----


@pytest.mark.parametrize("kind", ["nerfstudio", "blender", "coco", "bop"])
def test_metadata_names_files_that_are_there_and_cameras_that_see(kind: str) -> None:
    """metadata.jsonl is a list as image folders are captioned: file_name and text, and all that is known."""
    root = written(kind)
    records = journal(root)
    assert [r["view"] for r in records] == list(range(10))
    assert all((root / name).is_file() for r in records for name in r["files"].values())
    assert {r["text"] for r in records} == {"a marks"}
    assert records[0]["part_names"] == ["blue", "green", "red"]
    check_marks([(root / r["file_name"], np.array(r["c2w"])) for r in records], records[0]["camera"]["fl_x"])
