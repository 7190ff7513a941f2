"""Where cameras stand, and that they hold what they look at."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras
from dreamlab.dataset.cameras import (
    Frame,
    HemisphereConfig,
    KeyframesConfig,
    OrbitConfig,
    SphereConfig,
    SpiralConfig,
    catmull_rom,
)
from dreamlab.dataset.world import from_z_up, pose_to_z_up, to_opencv, to_z_up

CENTRE = torch.tensor([0.5, -1.0, 2.0])
FRAME = Frame(CENTRE, 1.5, 0.7, (48, 64))
KINDS = [OrbitConfig(), SphereConfig(), HemisphereConfig(), SpiralConfig()]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def from_centre(cameras: Cameras) -> np.ndarray:
    """Unit vectors [B,3] from the frame's centre towards the cameras."""
    return torch.nn.functional.normalize(cameras.c2w[:, :3, 3] - CENTRE, dim=1).double().numpy()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
@pytest.mark.parametrize("size", [(48, 64), (64, 48), (48, 48)])
def test_every_camera_looks_at_the_centre_from_where_the_ball_just_fits(kind, size) -> None:
    frame = FRAME._replace(size=size)
    cameras = kind.model_copy(update={"distance": (1.0, 1.0)}).cameras(17, frame, rng())
    assert len(cameras) == 17 and cameras.size == size
    assert np.allclose(cameras.c2w[:, :3, 2], from_centre(cameras), atol=1e-5)  # back, away from the centre
    away = (cameras.c2w[:, :3, 3] - CENTRE).norm(dim=1)
    assert torch.allclose(away, cameras.distance, rtol=1e-5)
    narrower = 2 * math.atan(math.tan(0.35) * min(1, size[1] / size[0]))
    assert np.allclose(1.5 / away, math.sin(narrower / 2), rtol=1e-5)  # the ball touches the border


def test_sphere_views_are_spread_evenly() -> None:
    """Every point of the sphere has a view within 1.6 times what a perfect share would leave it, and the mean
    of all is the centre."""
    at = from_centre(SphereConfig().cameras(400, FRAME, rng()))
    probes = rng(1).normal(size=(2000, 3))
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    furthest = np.arccos((probes @ at.T).max(1).clip(-1, 1)).max()
    assert furthest < 1.6 * math.sqrt(4 / 400)  # a cap of this radius is a 400th of the sphere
    assert np.linalg.norm(at.mean(0)) < 0.01


@pytest.mark.parametrize("kind", [SphereConfig, HemisphereConfig, SpiralConfig])
def test_elevations_keep_within_their_band(kind) -> None:
    cameras = kind(elevation=(10, 40)).cameras(60, FRAME, rng())
    elevation = np.degrees(np.arcsin(from_centre(cameras)[:, 1].clip(-1, 1)))
    assert elevation.min() > 9.99 and elevation.max() < 40.01 and np.ptp(elevation) > 20


def test_a_random_hemisphere_is_above_uniform_by_area_and_its_seed_decides() -> None:
    one, again, other = (from_centre(HemisphereConfig().cameras(2000, FRAME, rng(k))) for k in (0, 0, 1))
    assert (one == again).all() and not (one == other).any(0).any()
    assert one[:, 1].min() >= -1e-6
    assert (
        np.abs(np.sort(one[:, 1]) - np.linspace(0, 1, 2000)).max() < 0.05
    )  # Archimedes: heights are uniform


def test_an_orbits_rings_share_the_views_and_stand_at_their_elevations() -> None:
    at = from_centre(OrbitConfig(elevation=(0, 30)).cameras(9, FRAME, rng()))
    elevation = np.degrees(np.arcsin(at[:, 1].clip(-1, 1)))
    assert np.allclose(elevation, [0] * 5 + [30] * 4, atol=0.01)
    azimuth = np.degrees(np.arctan2(at[:, 0], at[:, 2])) % 360
    assert np.allclose(azimuth[:5], [0, 72, 144, 216, 288], atol=0.01)
    assert not np.isclose(azimuth[:5, None], azimuth[None, 5:], atol=5).any()


def test_a_spiral_winds_evenly_from_below_to_above() -> None:
    at = from_centre(SpiralConfig(elevation=(0, 45), turns=2).cameras(41, FRAME, rng()))
    elevation = np.degrees(np.arcsin(at[:, 1].clip(-1, 1)))
    assert np.allclose(elevation, np.linspace(0, 45, 41), atol=0.01)
    assert np.allclose(np.diff(np.unwrap(np.arctan2(at[:, 0], at[:, 2]))), 4 * math.pi / 40, atol=1e-4)


def test_distances_are_drawn_between_the_two_that_are_named() -> None:
    away = OrbitConfig(distance=(1.0, 2.0)).cameras(300, FRAME, rng()).distance / FRAME.distance
    assert 1 <= away.min() < 1.05 and 1.95 < away.max() <= 2


# ---- paths ----


def test_a_spline_meets_its_keys_and_keeps_lines_and_circles() -> None:
    keys = rng().normal(size=(5, 3))
    assert np.allclose(catmull_rom(keys, 5), keys)
    assert np.allclose(catmull_rom(keys, 41)[::10], keys)
    line = np.linspace([0.0, 0, 0], [8, 4, -4], 5)
    assert np.allclose(catmull_rom(line, 33), np.linspace(line[0], line[-1], 33))
    angle = np.arange(12) * math.pi / 6
    around = catmull_rom(np.stack([np.cos(angle), np.sin(angle)], 1), 120, closed=True)
    assert np.abs(np.linalg.norm(around, axis=1) - 1).max() < 0.002
    assert np.linalg.norm(around[0] - around[-1]) < 1.1 * 2 * math.pi / 120
    assert (catmull_rom(keys, 1) == keys[:1]).all()


def test_keyframes_are_read_in_the_data_sets_world(tmp_path: Path) -> None:
    """Z is up in the file: a camera at (0, -4, 1) stands at the object's front, one metre high."""
    path = tmp_path / "path.json"
    keys = [{"position": [0, -4, 1], "target": [0, 0, 1]}, {"position": [4, 0, 1], "target": [0, 0, 1]}]
    path.write_text(json.dumps({"keyframes": keys}))
    cameras = KeyframesConfig.read(path).cameras(2, FRAME, rng())
    assert cameras.c2w[0, :3, 3].tolist() == [0, 1, 4]
    assert np.allclose(cameras.c2w[0, :3, :3], np.eye(3), atol=1e-6)
    written = pose_to_z_up(cameras.c2w[1].numpy())
    assert np.allclose(written[:3, 3], [4, 0, 1]) and np.allclose(written[:3, 1], [0, 0, 1], atol=1e-6)
    assert np.allclose(-written[:3, 2], [-1, 0, 0], atol=1e-6)  # looks back at the target


def test_a_path_that_looks_straight_down_is_refused() -> None:
    keys = [{"position": (0, 0, 4)}, {"position": (0.0, -4, 0)}]
    with pytest.raises(InputError, match="view 0 of the path looks straight up or down"):
        KeyframesConfig.model_validate({"keyframes": keys}).cameras(4, FRAME, rng())


@pytest.mark.parametrize("text", ["", "[]", '{"keyframes": []}', '{"keyframes": [{"position": [1, 2]}]}'])
def test_a_file_that_is_no_path_says_what_one_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "path.json").write_text(text)
    with pytest.raises(InputError, match="expected JSON such as"):
        KeyframesConfig.read(tmp_path / "path.json")
    with pytest.raises(InputError, match="No such file"):
        KeyframesConfig.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    "values",
    [
        (OrbitConfig, {"distance": (2, 1)}),
        (OrbitConfig, {"elevation": ()}),
        (SphereConfig, {"elevation": (50, 20)}),
        (SpiralConfig, {"elevation": (0, 91)}),
    ],
)
def test_settings_that_cannot_be_are_refused(values) -> None:
    with pytest.raises(ValidationError):
        values[0](**values[1])


# ---- the world ----


def test_the_turned_world_is_right_handed_and_turns_back() -> None:
    assert to_z_up(np.eye(3)).tolist() == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # rows: where X, Y and Z go
    points = rng().normal(size=(9, 3))
    assert (from_z_up(to_z_up(points)) == points).all()
    assert np.linalg.det(to_z_up(np.eye(3))) == 1


def test_opencvs_camera_sees_what_opengls_does() -> None:
    """A point one metre ahead, a bit right and up of an OpenGL camera is at +x, -y, +1 of OpenCV's."""
    c2w = SphereConfig().cameras(5, FRAME, rng()).c2w[3].double().numpy()
    world = c2w @ [0.2, 0.1, -1.0, 1.0]
    assert np.allclose(to_opencv(c2w) @ world, [0.2, -0.1, 1.0, 1.0], atol=1e-6)
