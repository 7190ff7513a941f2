"""The convention, and that the distributions are what they say."""

import math

import pytest
import torch
from pydantic import ValidationError

from dreamlab.core.cameras import (
    DreamFusionCamerasConfig,
    OrbitCamerasConfig,
    camera_rays,
    distance_to_fit,
    look_at_cameras,
    orbit_cameras,
    turntable,
    world_to_clip,
)
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras

# Faces of the axis cube: +X -X +Y -Y +Z -Z.
AXES = ["+X", "-X", "+Y", "-Y", "+Z", "-Z"]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_camera(azimuth: float, elevation: float, size: tuple[int, int] = (33, 33)) -> Cameras:
    az, el = torch.tensor([math.radians(azimuth)]), torch.tensor([math.radians(elevation)])
    return orbit_cameras(az, el, torch.tensor([4.0]), torch.tensor([math.radians(40.0)]), size)


def axis_cube(cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Ray-traced cube of half-width 0.5: which face [B,H,W] (-1 none) and where on it [B,H,W,3]."""
    rays = camera_rays(cameras)
    inverse = 1 / rays.directions
    a, b = (-0.5 - rays.origins) * inverse, (0.5 - rays.origins) * inverse
    near, far = torch.minimum(a, b), torch.maximum(a, b)
    t, axis = near.max(dim=-1)
    negative = torch.gather(rays.directions, 1, axis[:, None])[:, 0] > 0
    face = torch.where(t < far.min(dim=-1).values, axis * 2 + negative.long(), -1)
    shape = (len(cameras), *cameras.size)
    return face.view(shape), (rays.origins + t[:, None] * rays.directions).view(*shape, 3)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "face", "right", "up"),
    [
        (0, 0, "+Z", "+X", "+Y"),
        (90, 0, "+X", "-Z", "+Y"),
        (180, 0, "-Z", "-X", "+Y"),
        (270, 0, "-X", "+Z", "+Y"),
        (0, 90, "+Y", "+X", "-Z"),
        (0, -90, "-Y", "+X", "+Z"),
    ],
)
def test_axis_cube_is_seen_as_the_convention_says(
    azimuth: float, elevation: float, face: str, right: str, up: str
) -> None:
    faces, points = axis_cube(one_camera(azimuth, elevation))
    assert AXES[int(faces[0, 16, 16])] == face
    unit = {name: torch.eye(3)[i // 2] * (1 - 2 * (i % 2)) for i, name in enumerate(AXES)}
    to_right = points[0, 16, 19] - points[0, 16, 13]
    to_top = points[0, 13, 16] - points[0, 19, 16]
    torch.testing.assert_close(to_right / to_right.norm(), unit[right], atol=1e-4, rtol=0)
    torch.testing.assert_close(to_top / to_top.norm(), unit[up], atol=1e-4, rtol=0)


def test_camera_stands_where_its_angles_say() -> None:
    cameras = one_camera(30, 20)
    az, el = math.radians(30), math.radians(20)
    expected = 4 * torch.tensor([math.cos(el) * math.sin(az), math.sin(el), math.cos(el) * math.cos(az)])
    torch.testing.assert_close(cameras.c2w[0, :3, 3], expected)


def test_poses_are_rigid_everywhere_even_at_the_poles() -> None:
    elevation = torch.linspace(-math.pi / 2, math.pi / 2, 9)
    cameras = orbit_cameras(elevation * 3, elevation, torch.full((9,), 2.0), torch.full((9,), 0.7), (4, 4))
    rotation = cameras.c2w[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(9, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(9))


def test_looking_at_the_origin_is_the_orbit() -> None:
    orbit = turntable(5, 0.4, 3.0, 0.8, (4, 4))
    up = torch.tensor([0.0, 1.0, 0.0]).expand(5, 3)
    aimed = look_at_cameras(orbit.c2w[:, :3, 3], torch.zeros(5, 3), up, orbit.fovy, (4, 4))
    torch.testing.assert_close(aimed.c2w, orbit.c2w)
    torch.testing.assert_close(aimed.azimuth % (2 * math.pi), orbit.azimuth % (2 * math.pi))
    torch.testing.assert_close(aimed.elevation, orbit.elevation)
    torch.testing.assert_close(aimed.distance, orbit.distance)


def test_rays_are_unit_and_run_through_pixel_centres() -> None:
    cameras = turntable(3, 0.3, 2.5, 0.9, (6, 10))
    rays = camera_rays(cameras)
    assert rays.origins.shape == (3 * 6 * 10, 3)
    torch.testing.assert_close(rays.directions.norm(dim=-1), torch.ones(180))
    points = (rays.origins + 2.2 * rays.directions).view(3, 60, 3)
    homogeneous = torch.cat([points, torch.ones(3, 60, 1)], dim=-1)
    clip = torch.einsum("bij,bnj->bni", world_to_clip(cameras), homogeneous)
    ndc = clip[..., :2] / clip[..., 3:]
    row, column = torch.meshgrid(torch.arange(6.0), torch.arange(10.0), indexing="ij")
    expected = torch.stack([(column + 0.5) / 5 - 1, 1 - (row + 0.5) / 3], dim=-1).view(1, 60, 2)
    torch.testing.assert_close(ndc, expected.expand(3, 60, 2), atol=1e-4, rtol=0)


def test_clip_depth_runs_from_near_to_far() -> None:
    camera = one_camera(0, 0)
    matrix = world_to_clip(camera, near=0.5, far=10.0)[0]
    for distance, depth in ((0.5, -1.0), (10.0, 1.0)):
        clip = matrix @ torch.tensor([0.0, 0.0, 4.0 - distance, 1.0])
        assert float(clip[2] / clip[3]) == pytest.approx(depth, abs=1e-4)


def test_the_unit_sphere_fits_exactly() -> None:
    fovy = torch.tensor([0.5, 1.0])
    distance = distance_to_fit(fovy)
    # The ray of the upper border's middle passes the centre at distance d sin(fovy / 2).
    torch.testing.assert_close(distance * torch.sin(fovy / 2), torch.ones(2))


def test_orbit_views_are_evenly_spaced_and_share_their_height() -> None:
    cameras = OrbitCamerasConfig(views=4).build((8, 8)).sample(12, 0.0, rng())
    azimuth = cameras.azimuth.view(3, 4)
    turned = (azimuth - azimuth[:, :1]) % (2 * math.pi)
    expected = torch.tensor([0.0, 0.5, 1.0, 1.5]) * math.pi
    torch.testing.assert_close(turned, expected.expand(3, 4), atol=1e-5, rtol=0)
    for values in (cameras.elevation, cameras.fovy, cameras.distance):
        groups = values.view(3, 4)
        assert torch.equal(groups, groups[:, :1].expand(3, 4))
        assert len(groups[:, 0].unique()) == 3


def test_orbit_views_can_be_independent() -> None:
    cameras = OrbitCamerasConfig(views=4, shared=False).build().sample(4, 0.0, rng())
    assert len(cameras.elevation.unique()) == 4


def test_orbit_ranges_hold_and_are_filled() -> None:
    config = OrbitCamerasConfig(views=1, elevation=(-10, 50), fovy=(30, 60), distance_factor=(1.0, 1.2))
    cameras = config.build().sample(4000, 1.0, rng())
    elevation, fovy = cameras.elevation.rad2deg(), cameras.fovy.rad2deg()
    factor = cameras.distance / distance_to_fit(cameras.fovy)
    for values, low, high in ((elevation, -10, 50), (fovy, 30, 60), (factor, 1.0, 1.2)):
        assert low - 1e-4 <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high + 1e-4
    quarters = torch.histc(cameras.azimuth, 4, 0, 2 * math.pi)
    assert quarters.min() > 850  # 1000 +- 27 each


def test_orbit_range_widens_with_progress() -> None:
    cameras = OrbitCamerasConfig(views=1, elevation=(0, 40), widen_until=0.5).build()
    spans = [cameras.sample(500, p, rng()).elevation.rad2deg() for p in (0.0, 0.25, 0.5, 1.0)]
    assert spans[0].max() - spans[0].min() < 1e-3
    assert 9.9 < spans[1].min() and spans[1].max() < 30.1
    torch.testing.assert_close(spans[2], spans[3])
    assert spans[3].max() - spans[3].min() > 39


def test_fit_plane_puts_the_camera_where_a_plane_fills_the_view() -> None:
    cameras = OrbitCamerasConfig(fit="plane", distance_factor=(0.8, 1.0), fovy=(15, 60)).build()
    views = cameras.sample(4000, 0.0, rng())
    share = views.distance * torch.tan(views.fovy / 2)  # half the height seen at the origin
    assert 0.8 <= share.min() < 0.81 and 0.99 < share.max() <= 1.0001


def test_views_that_do_not_fit_the_layout_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"multiple of cameras\.views = 4"):
        OrbitCamerasConfig(views=4).build().sample(6, 0.0, rng())


def test_reversed_ranges_are_refused() -> None:
    with pytest.raises(ValidationError, match="rising"):
        OrbitCamerasConfig(elevation=(50, 10))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_elevations_is_uniform_by_area_between_the_bounds(share: float) -> None:
    """By area, the sine of the elevation is uniform."""
    low, high = -10.0, 80.0
    settings = {"elevation": (low, high), "by_area": share}
    free = {"position_jitter": 0, "look_at_deviation": 0, "up_deviation": 0, "area": "range"}
    for config in (OrbitCamerasConfig(views=1, **settings), DreamFusionCamerasConfig(**settings, **free)):
        elevation = config.build().sample(20000, 0.0, rng()).elevation.rad2deg()
        for e in (0.0, 30.0, 60.0):
            sines = [math.sin(math.radians(angle)) for angle in (low, e, high)]
            by_area = (sines[1] - sines[0]) / (sines[2] - sines[0])
            expected = share * by_area + (1 - share) * (e - low) / (high - low)
            assert float((elevation < e).float().mean()) == pytest.approx(expected, abs=0.015)


def test_cameras_with_no_share_by_area_are_those_that_know_of_none() -> None:
    """Seeded runs stay what they were: nothing more is drawn."""
    generator = rng()
    OrbitCamerasConfig().build().sample(8, 0.0, generator)
    wanted = rng()
    for n in (2, 2, 2, 2):  # azimuth, elevation, fovy and distance of two groups
        torch.rand(n, generator=wanted)
    assert torch.equal(generator.get_state(), wanted.get_state())


def test_dreamfusion_elevation_is_half_by_angle_half_by_area() -> None:
    config = DreamFusionCamerasConfig(position_jitter=0, look_at_deviation=0, up_deviation=0)
    elevation = config.build().sample(20000, 0.0, rng()).elevation.rad2deg()
    # Share below e: 1/2 (e + 10) / 100 + 1/2 max(0, sin e), the mixture's closed form.
    for e in (-5.0, 0.0, 15.0, 30.0, 60.0, 80.0):
        expected = 0.5 * (e + 10) / 100 + 0.5 * max(0.0, math.sin(math.radians(e)))
        assert float((elevation < e).float().mean()) == pytest.approx(expected, abs=0.015)
    assert elevation.min() >= -10.001


def test_dreamfusion_ranges_are_the_papers() -> None:
    cameras = DreamFusionCamerasConfig(position_jitter=0).build().sample(5000, 0.0, rng())
    assert 0.999 < cameras.distance.min() < 1.01 and 1.49 < cameras.distance.max() < 1.501
    fovy = cameras.fovy.rad2deg()
    assert 40.6 < fovy.min() < 41.2 and 70.3 < fovy.max() < 71.1


def test_dreamfusion_jitter_look_at_and_up_have_the_papers_spread() -> None:
    cameras = DreamFusionCamerasConfig().build().sample(5000, 0.0, rng())
    back = cameras.c2w[:, :3, 2]
    position = cameras.c2w[:, :3, 3]
    # Distance of the line of sight from the origin: two normal coordinates of deviation 0.2, roughly.
    miss = torch.linalg.cross(position, back).norm(dim=-1)
    assert float(miss.square().mean().div(2).sqrt()) == pytest.approx(0.2, rel=0.1)
    assert 0.8 < cameras.distance.min() < 0.98 and 1.52 < cameras.distance.max() < 1.7
    right = cameras.c2w[:, :3, 0]
    low = cameras.elevation.abs() < 0.3
    assert float(right[low, 1].std()) == pytest.approx(0.02, rel=0.2)  # roll


def test_dreamfusion_scale_multiplies_lengths_only() -> None:
    small = DreamFusionCamerasConfig().build().sample(50, 0.0, rng(3))
    large = DreamFusionCamerasConfig(scale=2.5).build().sample(50, 0.0, rng(3))
    torch.testing.assert_close(large.c2w[:, :3, 3], small.c2w[:, :3, 3] * 2.5)
    torch.testing.assert_close(large.c2w[:, :3, :3], small.c2w[:, :3, :3])


@pytest.mark.parametrize("config", [OrbitCamerasConfig(), DreamFusionCamerasConfig()])
def test_the_same_generator_gives_the_same_cameras(
    config: OrbitCamerasConfig | DreamFusionCamerasConfig,
) -> None:
    build = config.build((4, 4))
    assert torch.equal(build.sample(4, 0.3, rng(7)).c2w, build.sample(4, 0.3, rng(7)).c2w)
    assert not torch.equal(build.sample(4, 0.3, rng(7)).c2w, build.sample(4, 0.3, rng(8)).c2w)
