"""What is rendered, against closed forms: rays into spheres, boxes and planes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dreamlab.core.cameras import camera_rays, orbit_cameras
from dreamlab.core.types import Cameras, Mesh
from dreamlab.dataset.lights import Headlight, NoLights, RandomLights, Rig, Sun, ThreePoint, towards
from dreamlab.dataset.render import SceneRenderer, View
from dreamlab.dataset.scene import Instance, Scene, Subject, alone, arranged
from dreamlab.dataset.sources import parts_by_color
from tests.dataset.solids import ball, box, two_colored

DARK = Rig(torch.zeros(0, 3), torch.zeros(0), 1.0, 0.0)


def camera(azimuth: float = 0.4, elevation: float = 0.3, distance: float = 3.0, size=(48, 64)) -> Cameras:
    return orbit_cameras(*(torch.tensor([v]) for v in (azimuth, elevation, distance, 0.8)), size)


def seen(mesh: Mesh, cameras: Cameras, samples: int = 1) -> View:
    return SceneRenderer(alone(Subject("it", mesh, "it"))).render(cameras, DARK, samples)


def rays(cameras: Cameras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel's ray begins and goes [N,3], in double, and depth a unit of length along it [N]."""
    found = camera_rays(replace(cameras, c2w=cameras.c2w.double(), fovy=cameras.fovy.double()))
    forward = -cameras.c2w[0, :3, 2].double()
    return found.origins.numpy(), found.directions.numpy(), (found.directions @ forward).numpy()


def into_box(origin: np.ndarray, direction: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Distance at which rays enter a box around 0, by slabs; inf where they pass it by."""
    with np.errstate(divide="ignore"):
        near, far = (-half - origin) / direction, (half - origin) / direction
    enters, leaves = np.minimum(near, far).max(1), np.maximum(near, far).min(1)
    return np.where((enters < leaves) & (leaves > 0), enters, np.inf)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.4, 0.3), (2.0, -1.1), (-1.0, 1.5)])
def test_depth_and_normals_of_a_box_are_those_of_its_slabs(azimuth: float, elevation: float) -> None:
    """Metres along the camera's axis, to a hundred-thousandth; the mask but where a rounding decides."""
    size = np.array([1.0, 0.6, 1.4])
    cameras = camera(azimuth, elevation)
    view = seen(box(tuple(size.tolist())), cameras)
    origin, direction, share = rays(cameras)
    distance = into_box(origin, direction, size / 2)
    hit = np.isfinite(distance).reshape(48, 64)
    assert (hit != (view.instance > 0)).mean() < 0.001 and 0.05 < hit.mean() < 0.6
    both = hit & (view.instance > 0)
    exact = (distance * share).reshape(48, 64)
    assert np.abs(view.depth - exact)[both].max() < 1e-5
    point = (origin + direction * np.where(np.isfinite(distance), distance, 0)[:, None]).reshape(48, 64, 3)
    relative = np.abs(point) / (size / 2)
    clear = both & (np.sort(relative, -1)[..., 1] < 0.999)  # not on an edge
    side = np.eye(3)[relative.argmax(-1)] * np.sign(point)
    assert np.abs(view.normal - side)[clear].max() < 1e-5
    assert (view.depth[view.instance == 0] == 0).all() and (view.normal[view.instance == 0] == 0).all()


def test_depth_and_normals_of_a_ball_are_those_of_the_sphere() -> None:
    """Its flat faces lie up to 5e-4 below the sphere: a thousandth along a ray at 60 degrees."""
    cameras = camera()
    view = seen(ball(), cameras)
    origin, direction, share = rays(cameras)
    along = -(origin * direction).sum(1)
    under = along**2 - (origin**2).sum(1) + 1
    inside = (under > 0.25).reshape(48, 64)  # where rays meet the sphere at less than 60 degrees
    distance = along - np.sqrt(np.maximum(under, 0))
    assert view.instance[inside].min() == 1
    assert np.abs(view.depth - (distance * share).reshape(48, 64))[inside].max() < 1e-3
    point = (origin + distance[:, None] * direction).reshape(48, 64, 3)
    assert np.abs(view.normal - point)[inside].max() < 2e-3


def test_depth_of_a_plane_across_the_view_is_one_number() -> None:
    """Depth, not distance: it does not grow towards the picture's corners."""
    plane = Mesh(torch.tensor([[-9.0, -9, 0.5], [9, -9, 0.5], [0, 18, 0.5]]), torch.tensor([[0, 1, 2]]))
    view = seen(plane, camera(0.0, 0.0, 3.0))
    assert view.instance.min() == 1 and np.abs(view.depth - 2.5).max() < 1e-6


def test_normals_turn_towards_the_camera_on_both_sides_of_a_sheet() -> None:
    sheet = Mesh(torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    for azimuth, z in ((0.0, 1.0), (math.pi, -1.0)):
        view = seen(sheet, camera(azimuth, 0.0))
        assert np.allclose(view.normal[view.instance > 0], [0, 0, z], atol=1e-6)


def test_alpha_is_the_share_of_a_pixel_and_colour_is_not_mixed_with_what_is_behind() -> None:
    """The sum over alpha is the silhouette's area in pixels, better by samples than by centres."""
    cameras = camera(0.0, 0.0, 3.0, (33, 33))
    plane = box((0.7, 0.9, 1e-4), color=(0.2, 0.4, 0.6))
    focal = 33 / (2 * math.tan(0.4))
    area = 0.7 * 0.9 * (focal / 3) ** 2
    error = {}
    for samples in (1, 4):
        view = seen(plane, cameras, samples)
        error[samples] = abs(view.alpha.sum() / 255 - area)
        touched = view.alpha > 0
        assert (np.abs(view.rgb[touched].astype(int) - [51, 102, 153]) <= 1).all()
        assert (view.rgb[~touched] == 0).all()
    assert error[4] < error[1] and error[4] < 4
    assert set(np.unique(seen(plane, cameras, 1).alpha)) == {0, 255}


def test_textures_are_read_in_linear_light_and_are_themselves_without_light() -> None:
    """A sheet whose texture is of one colour has that colour, to a grey value."""
    texture = torch.tensor([30, 120, 220], dtype=torch.uint8).expand(8, 8, 3).contiguous()
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    uv = torch.tensor([[0.0, 0], [1, 0], [0.5, 1]])
    sheet = Mesh(corners, torch.tensor([[0, 1, 2]]), uv=uv, textures=(("albedo", texture),))
    view = seen(sheet, camera(0.0, 0.0), 2)
    assert (np.abs(view.rgb[view.alpha > 0].astype(int) - [30, 120, 220]) <= 1).all()


def test_a_normal_map_bends_the_normals() -> None:
    """A map that leans 45 degrees towards +u turns a sheet's normal from +Z towards +X."""
    lean = torch.tensor([218, 128, 218], dtype=torch.uint8).expand(4, 4, 3).contiguous()
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    uv = torch.tensor([[0.0, 0], [1, 0], [0.5, 1]])
    view = seen(
        Mesh(corners, torch.tensor([[0, 1, 2]]), uv=uv, textures=(("normal", lean),)), camera(0.0, 0.0)
    )
    assert np.allclose(view.normal[view.instance > 0], [math.sqrt(0.5), 0, math.sqrt(0.5)], atol=0.01)


# ---- several objects ----


def two_boxes() -> Scene:
    """One metre apart on the line of sight from the front: the nearer hides a part of the farther."""
    near, far = np.eye(4), np.eye(4)
    near[:3, 3], far[:3, 3] = (0.25, 0, 0.5), (0, 0, -0.5)
    subjects = (Subject("near", box((0.5, 0.5, 0.5)), "a box"), Subject("far", two_colored(), "a tower"))
    subjects = (subjects[0], replace(subjects[1], parts=parts_by_color(subjects[1].mesh)))
    places = (torch.from_numpy(m).float() for m in (near, far))
    return Scene("two", "two", tuple(Instance(s, p) for s, p in zip(subjects, places, strict=True)))


def test_instances_are_numbered_and_what_is_nearer_hides() -> None:
    scene = two_boxes()
    renderer, cameras = SceneRenderer(scene), camera(0.0, 0.2)
    view = renderer.render(cameras, DARK, 1)
    whole = renderer.silhouettes(cameras)
    assert set(np.unique(view.instance)) == {0, 1, 2}
    assert (view.instance == 1)[whole[0]].all()  # the nearer box is seen whole
    hidden = whole[1] & (view.instance != 2)
    assert hidden.any() and (view.instance[hidden] == 1).all()
    alone_each = [SceneRenderer(Scene("one", "", (i,))) for i in scene.instances]
    single = [one.render(cameras, DARK, 1).depth for one in alone_each]
    nearest = np.where(single[0] > 0, single[0], np.inf)
    nearest = np.minimum(nearest, np.where(single[1] > 0, single[1], np.inf))
    assert np.abs(view.depth - np.where(np.isfinite(nearest), nearest, 0)).max() < 1e-5


def test_parts_are_numbered_over_the_scene_and_named_by_their_colours() -> None:
    renderer = SceneRenderer(two_boxes())
    assert renderer.part_names == ["far/blue", "far/red"]
    view = renderer.render(camera(0.0, 0.2), NoLights().rig(torch.eye(4), np.random.default_rng(0)), 1)
    assert (view.part[view.instance == 1] == 0).all()  # a box of one colour has no parts
    for part, color in ((1, (0, 0, 255)), (2, (255, 0, 0))):
        assert (view.rgb[view.part == part] == color).all() and (view.part == part).any()


def test_arranged_objects_stand_on_the_ground_turned_only_about_the_vertical_and_do_not_touch() -> None:
    subjects = [Subject(f"{k}", box((0.3 + 0.1 * k, 0.5, 0.4)), "a box") for k in range(6)]
    scene = arranged("six", subjects, np.random.default_rng(5))
    circles = []
    for instance in scene.instances:
        turn = instance.place[:3, :3].double()
        assert torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-6)
        assert instance.place[1, :3].tolist() == [0, 1, 0]
        corners = instance.mesh.vertices
        assert abs(float(corners[:, 1].min())) < 1e-6
        flat = corners[:, [0, 2]]
        middle = (flat.amin(0) + flat.amax(0)) / 2
        circles.append((middle, float((flat - middle).norm(dim=1).max())))
    for k, (a, ra) in enumerate(circles):
        assert all(float((a - b).norm()) >= ra + rb for b, rb in circles[:k])
    again = arranged("six", subjects, np.random.default_rng(5))
    assert all(torch.equal(a.place, b.place) for a, b in zip(scene.instances, again.instances, strict=True))
    assert scene.caption == "a box"


# ---- light ----


def test_light_is_lamberts_law() -> None:
    """A sheet under one sun is as bright as the cosine of its angle, and what comes from everywhere."""
    rig = Rig(towards((0, 60)), torch.tensor([0.6]), 0.1, 0.0)
    normal = torch.nn.functional.normalize(torch.tensor([[0.0, 1, 0], [0, 0, 1], [0, -1, 0]]), dim=1)
    shaded = rig.shade(torch.full((3, 3), 0.5), normal)[:, 0]
    expected = [0.5 * (0.1 + 0.6 * math.sin(math.radians(60))), 0.5 * (0.1 + 0.6 * 0.5), 0.5 * 0.1]
    assert shaded.tolist() == pytest.approx(expected, abs=1e-6)


def test_lights_of_the_world_stay_and_the_headlight_goes_with_the_camera() -> None:
    rng = np.random.default_rng
    here, there = camera(0.0).c2w[0], camera(2.0).c2w[0]
    for lights in (Sun(), ThreePoint(), NoLights()):
        assert torch.equal(lights.rig(here, rng(0)).directions, lights.rig(there, rng(1)).directions)
    assert torch.equal(Headlight().rig(there, rng(0)).directions[0], there[:3, 2])
    random = [RandomLights().rig(here, rng(k)) for k in (0, 0, 1)]
    assert torch.equal(random[0].directions, random[1].directions) and random[0].ambient == random[1].ambient
    assert not torch.equal(random[0].directions, random[2].directions)
    assert all((rig.directions[:, 1] > 0).all() for rig in random)


def test_a_mesh_without_faces_is_refused() -> None:
    from dreamlab.core.errors import InputError

    with pytest.raises(InputError, match="has no faces to render"):
        Subject("points", Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)), "points")
