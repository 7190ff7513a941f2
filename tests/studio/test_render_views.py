"""Training views against rays, planes and the project's own cameras."""

import inspect
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.cameras import camera_rays, orbit_cameras
from dreamlab.core.errors import InputError
from dreamlab.ops.field import native
from dreamlab.studio.render import CHANNELS, render_views

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason="no native kernels")

VIEW = {"azimuth": 0.4, "elevation": 0.3, "distance": 3.0, "fovy": 0.8}


def knot():
    """A bumpy, self-occluding mesh of 1,280 faces inside the unit ball."""
    mesh = trimesh.creation.icosphere(subdivisions=3)
    v = np.asarray(mesh.vertices) * [1.0, 0.6, 0.8]
    v = v * (1 + 0.3 * np.sin(7 * v[:, :1]) * np.cos(6 * v[:, 1:2] + 4 * v[:, 2:]))
    v /= np.linalg.norm(v, axis=1).max()
    colors = np.random.default_rng(0).uniform(size=(len(mesh.faces), 3))
    return v, np.asarray(mesh.faces), colors


def plate(half=0.4, z=0.0):
    """A square that faces +Z."""
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return corners, np.array([[0, 1, 2], [0, 2, 3]]), np.tile([0.2, 0.5, 0.8], (2, 1))


def cast(vertices, faces, azimuth, elevation, distance, fovy, size):
    """Oracle: the project's rays against embree. Face [size,size] (-1: none), depth along the axis, c2w."""
    scalars = [torch.tensor([float(a)], dtype=torch.float64) for a in (azimuth, elevation, distance, fovy)]
    cameras = orbit_cameras(*scalars, (size, size))
    rays = camera_rays(cameras)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    directions = rays.directions.double().numpy()
    where, ray, face = RayMeshIntersector(mesh, scale_to_box=False).intersects_location(
        rays.origins.double().numpy(), directions, multiple_hits=False
    )
    c2w = cameras.c2w[0].numpy()
    hit = np.full(size * size, -1)
    depth = np.zeros(size * size)
    hit[ray] = face
    depth[ray] = (where - c2w[:3, 3]) @ -c2w[:3, 2]
    return hit.reshape(size, size), depth.reshape(size, size), c2w


@pytest.mark.parametrize("azimuth", [0.0, 1.3, 4.0])
@pytest.mark.parametrize("elevation", [-0.4, 0.5, math.pi / 2])
def test_it_sees_what_rays_see(azimuth, elevation):
    vertices, faces, colors = knot()
    hit, depth, c2w = cast(vertices, faces, azimuth, elevation, 2.7, 0.8, 96)
    seen = render_views(vertices, faces, colors, azimuth, elevation, 2.7, 0.8, size=96, supersample=1)[0]
    assert np.mean((hit >= 0) != (seen[..., 3] > 0)) < 2e-3
    both = (hit >= 0) & (seen[..., 3] > 0)
    assert both.mean() > 0.2
    relative_depth = 2.7 - depth
    assert np.mean(np.abs(relative_depth - seen[..., 4])[both] > 1e-3) < 5e-3  # rays that graze an edge
    same = both & (np.abs(colors[hit] - seen[..., :3]).max(-1) < 1e-6)
    assert same.sum() > 0.99 * both.sum()
    edges = vertices[faces]
    normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)) @ c2w[:3, :3]
    assert np.abs(normals[hit] - seen[..., 5:])[same].max() < 1e-4


def test_supersampling_is_the_mean_of_the_samples():
    vertices, faces, colors = knot()
    coarse = render_views(vertices, faces, colors, **VIEW, size=24, supersample=3)[0]
    fine = render_views(vertices, faces, colors, **VIEW, size=72, supersample=1)[0]
    pooled = fine.reshape(24, 3, 24, 3, 8).mean((1, 3))
    assert np.abs(coarse - pooled).max() < 1e-5
    assert np.any((coarse[..., 3] > 0) & (coarse[..., 3] < 1))


def test_a_plate_that_faces_the_camera_has_one_colour_relief_and_normal():
    pixels = render_views(*plate(0.423, z=0.25), 0.0, 0.0, 3.0, 0.8)[0]
    whole = pixels[..., 3] == 1
    assert whole.mean() > 0.1
    expected = np.array([0.2, 0.5, 0.8, 1.0, 0.25, 0.0, 0.0, 1.0])
    assert np.abs(pixels[whole] - expected).max() < 1e-5
    edge = (pixels[..., 3] > 0) & ~whole  # every channel is weighted by alpha
    assert edge.any() and np.abs(pixels[edge] - pixels[edge][:, 3:4] * expected).max() < 1e-5
    assert not pixels[pixels[..., 3] == 0].any()


def test_left_right_top_and_bottom_are_where_they_should_be():
    vertices, faces, colors = plate(0.2)
    front = render_views(vertices + np.array([0.6, 0.3, 0]), faces, colors, 0.0, 0.0, 3.0, 0.8)[0, ..., 3]
    rows, columns = np.nonzero(front)
    assert columns.min() > 32 and rows.max() < 32
    side = plate(0.2)[0][:, [2, 1, 0]] + [0.9, 0, 0]  # a plate on the +X side, seen from azimuth +90 degrees
    relative_depth = render_views(side, faces, colors, math.pi / 2, 0.0, 3.0, 0.8)[0, 32, 32, 4]
    assert relative_depth == pytest.approx(0.9, abs=1e-5)


def test_the_winding_of_faces_does_not_matter():
    vertices, faces, colors = knot()
    one = render_views(vertices, faces, colors, **VIEW)
    other = render_views(vertices, faces[:, ::-1], colors, **VIEW)
    assert np.mean(np.abs(one - other).max(-1) > 1e-4) < 2e-3  # a sample on an edge may fall to the neighbour
    assert one[..., 7].min() > -0.5 and one[..., 7].max() > 0.95


def test_roll_turns_the_picture_the_other_way():
    vertices, faces, colors = knot()
    level = render_views(vertices, faces, colors, **VIEW)[0]
    rolled = render_views(vertices, faces, colors, **VIEW, roll=math.pi / 2)[0]
    expected = np.rot90(level, -1).copy()  # camera counter-clockwise, picture clockwise
    expected[..., 5], expected[..., 6] = expected[..., 6].copy(), -expected[..., 5]
    assert np.mean(np.abs(rolled - expected).max(-1) > 1e-3) < 0.01


def test_an_offset_camera_follows_its_object():
    vertices, faces, colors = knot()
    shift = np.array([0.1, -0.2, 0.3])
    here = render_views(vertices, faces, colors, [0.0, 1.0], 0.3, 3.0, 0.8)
    there = render_views(
        vertices + shift, faces, colors, [0.0, 1.0], 0.3, 3.0, 0.8, offset=np.tile(shift, (2, 1))
    )
    assert np.mean(np.abs(here[..., :4] - there[..., :4]).max(-1) > 1e-3) < 0.01
    # relative depth is measured from the world's origin
    position = 3.0 * np.array([0.0, math.sin(0.3), math.cos(0.3)]) + shift
    middle = (there - here)[0][np.minimum(here, there)[0, ..., 3] == 1]
    assert np.median(middle[:, 4]) == pytest.approx(np.linalg.norm(position) - 3.0, abs=1e-4)


def test_many_views_are_the_single_views():
    vertices, faces, colors = knot()
    azimuth = np.linspace(0, 6, 5)
    many = render_views(vertices, faces, colors, azimuth, 0.2, 3.0, np.linspace(0.6, 1.0, 5), size=33)
    assert many.shape == (5, 33, 33, len(CHANNELS)) and many.dtype == np.float32
    for k in range(5):
        single = render_views(vertices, faces, colors, azimuth[k], 0.2, 3.0, 0.6 + 0.1 * k, size=33)
        assert np.array_equal(many[k], single[0])


def test_a_camera_inside_the_object_sees_a_room_without_holes():
    box = trimesh.creation.box((2, 2, 2))
    colors = np.ones((12, 3))
    seen = render_views(box.vertices, box.faces, colors, np.arange(6.0), 0.3, 0.2, 1.2)
    assert (seen[..., 3] == 1).all() and np.isfinite(seen).all()


def test_a_floor_through_the_camera_ends_at_the_horizon():
    floor = np.array([[-50.0, -0.2, 50], [50, -0.2, 50], [50, -0.2, -50], [-50, -0.2, -50]])
    alpha = render_views(floor, plate()[1], np.ones((2, 3)), 0.0, 0.0, 3.0, 0.8)[0, ..., 3]
    assert (alpha[33:] == 1).all() and (alpha[:31] == 0).all()


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_closed_surfaces_have_no_cracks(supersample):
    mesh = trimesh.creation.icosphere(subdivisions=4)
    azimuth = np.linspace(0, 2 * np.pi, 24)
    white, pixels = np.ones((len(mesh.faces), 3)), {"supersample": supersample, "size": 48}
    seen = render_views(mesh.vertices, mesh.faces, white, azimuth, azimuth / 5, 3.0, 0.5, **pixels)
    assert (seen[:, 12:36, 12:36, 3] == 1).all()
    assert seen[:, 12:36, 12:36, 4].min() > 0.5  # and never the far wall


def test_nothing_to_see_is_empty():
    vertices, faces, colors = plate()
    none = np.zeros((0, 3))
    assert not render_views(none, faces[:0], none, **VIEW).any()
    assert not render_views(vertices, faces[:0], colors[:0], **VIEW).any()
    assert not render_views(vertices[[0, 0, 0, 0]], faces, colors, **VIEW).any()
    assert not render_views(
        vertices + np.array([0, 0, 9]), faces, colors, 0, 0, 3.0, 0.8
    ).any()  # behind the camera
    assert render_views(vertices, faces, colors, np.zeros(0), 0.1, 3.0, 0.8).shape == (0, 64, 64, 8)


def test_threads_do_not_disturb_each_other():
    vertices, faces, colors = knot()
    azimuths = np.linspace(0, 6, 8)
    alone = [render_views(vertices, faces, colors, a, 0.2, 3.0, 0.8) for a in azimuths]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda a: render_views(vertices, faces, colors, a, 0.2, 3.0, 0.8), azimuths)
        )
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_wrong_arguments_are_named():
    render = inspect.unwrap(render_views)  # its own words, not those of the annotations that tests check
    vertices, faces, colors = plate()
    with pytest.raises(InputError, match=r"missing vertex.*0\.\.3"):
        render(vertices, faces + 1, colors, **VIEW)
    with pytest.raises(InputError, match="missing vertex"):
        render(vertices, faces - 1, colors, **VIEW)
    with pytest.raises(InputError, match="finite"):
        render(vertices * np.nan, faces, colors, **VIEW)
    with pytest.raises(InputError, match="one colour a face"):
        render(vertices, faces, colors[:1], **VIEW)
    with pytest.raises(InputError, match="vertices"):
        render(vertices[:, :2], faces, colors, **VIEW)
    with pytest.raises(InputError, match="pixels"):
        render(vertices, faces, colors, **VIEW, size=0)
    with pytest.raises(InputError, match="one length"):
        render(vertices, faces, colors, np.zeros(3), np.zeros(2), 3.0, 0.8)
    with pytest.raises(InputError, match="one length"):
        render(vertices, faces, colors, **VIEW, offset=np.zeros((4, 3)))
    with pytest.raises(InputError, match="finite"):
        render(vertices, faces, colors, 0.0, 0.0, 3.0, 0.0)
