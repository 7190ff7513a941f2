"""Renders of closed-form fields against closed forms."""

import math

import pytest
import torch
from torch import nn

from dreamlab.core.cameras import camera_rays, turntable
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.render import OccupancyConfig, Shading, VolumeRendererConfig, volume
from dreamlab.render.background import LearnedBackgroundConfig, SolidBackgroundConfig
from dreamlab.scenes import VoxelFieldConfig


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Ball(nn.Module):
    """A ball of one density and colour around the origin, with an edge of width `edge`."""

    def __init__(self, radius: float = 0.6, sigma: float = 3.0, edge: float = 1e-4) -> None:
        super().__init__()
        self.radius, self.edge = radius, edge
        self.sigma = nn.Parameter(torch.tensor(sigma))
        self.color = nn.Parameter(torch.tensor([0.8, 0.4, 0.2]))

    def density(self, x: torch.Tensor) -> torch.Tensor:
        return self.sigma * torch.sigmoid((self.radius - x.norm(dim=-1)) / self.edge)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.density(x), self.color.expand(len(x), 3)


def front(size: int = 24, distance: float = 3.0) -> Cameras:
    return turntable(1, 0.0, distance, 0.6, (size, size))


def black() -> nn.Module:
    return SolidBackgroundConfig(color=(0, 0, 0)).build(rng())


def draw(
    field: nn.Module, cameras: Cameras, samples: int = 512, epsilon: float = 0.05, **asked: object
) -> RenderOutput:
    renderer = VolumeRendererConfig(samples=samples, normal_epsilon=epsilon).build()
    return renderer(field, cameras, **{"background": black(), **asked})  # type: ignore[arg-type]


def chords(cameras: Cameras, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Length of every ray within the ball, and distance of the chord's middle."""
    rays = camera_rays(cameras)
    middle = -(rays.origins * rays.directions).sum(-1)
    miss = (rays.origins + middle[:, None] * rays.directions).square().sum(-1)
    return 2 * (radius**2 - miss).clamp_min(0).sqrt(), middle


def test_opacity_of_a_ball_is_beer_lamberts_law() -> None:
    cameras = front()
    chord, _ = chords(cameras, 0.6)
    with torch.no_grad():
        out = draw(Ball(), cameras)
    expected = (1 - torch.exp(-3.0 * chord)).view(1, 24, 24, 1)
    torch.testing.assert_close(out.opacity, expected, atol=0.02, rtol=0)
    assert (out.opacity <= 1).all() and (out.opacity >= 0).all()


def test_depth_is_the_accumulated_distance() -> None:
    cameras = front()
    chord, middle = chords(cameras, 0.6)
    with torch.no_grad():
        out = draw(Ball(sigma=0.01), cameras)  # so thin that every depth along the chord counts alike
    torch.testing.assert_close(
        out.depth[0, 8:16, 8:16, 0],
        (0.01 * chord * middle).view(24, 24)[8:16, 8:16],
        rtol=0.02,
        atol=0,
    )


def test_depth_variance_of_a_thin_chord_is_that_of_a_uniform_line() -> None:
    cameras = front()
    chord, _ = chords(cameras, 0.6)
    with torch.no_grad():
        out = draw(Ball(sigma=0.01), cameras, buffers={"depth_variance"})
    assert out.depth_variance is not None
    expected = (chord.square() / 12).view(24, 24)[10:14, 10:14]
    torch.testing.assert_close(out.depth_variance[0, 10:14, 10:14, 0], expected, rtol=0.03, atol=0)


def test_a_hard_ball_is_seen_at_its_front_with_its_colour() -> None:
    with torch.no_grad():
        out = draw(Ball(sigma=2000.0), front(25))
    torch.testing.assert_close(out.rgb[0, 12, 12], torch.tensor([0.8, 0.4, 0.2]), atol=1e-3, rtol=0)
    assert float(out.depth[0, 12, 12]) == pytest.approx(2.4, abs=0.01)


def test_background_shows_through_what_is_not_there() -> None:
    grey = SolidBackgroundConfig(color=(0.5, 0.5, 0.5)).build(rng())
    with torch.no_grad():
        dark, light = draw(Ball(), front()), draw(Ball(), front(), background=grey)
    torch.testing.assert_close(light.rgb, dark.rgb + (1 - dark.opacity) * 0.5)
    torch.testing.assert_close(light.premultiplied, dark.premultiplied, atol=1e-6, rtol=0)
    torch.testing.assert_close(light.rgb[0, 0, 0], torch.full((3,), 0.5))


def test_empty_scene_is_all_background_and_has_no_gradient_to_the_field() -> None:
    renderer = VolumeRendererConfig().build()
    renderer.occupancy.occupied[:] = False
    out = renderer(Ball(), front(), background=black())
    assert out.opacity.sum() == 0 and out.rgb.sum() == 0


def test_normals_of_a_ball_are_radial() -> None:
    with torch.no_grad():
        out = draw(Ball(sigma=300.0, edge=0.02), front(25), buffers={"normal"})
    assert out.normal is not None
    rays = camera_rays(front(25))
    hit = rays.origins + rays.directions * (out.depth / out.opacity.clamp_min(1e-6)).view(-1, 1)
    radial = torch.nn.functional.normalize(hit, dim=-1).view(1, 25, 25, 3)
    inner = out.opacity[..., 0] > 0.999
    cosine = (out.normal / out.opacity.clamp_min(1e-6) * radial).sum(-1)[inner]
    assert inner.sum() > 50 and cosine.min() > 0.99
    assert out.directions is not None and ((out.normal * out.directions).sum(-1)[inner] < 0.05).all()


def test_normals_are_absent_unless_asked_for() -> None:
    out = draw(Ball(), front(8))
    assert out.normal is None and out.depth_variance is None


@pytest.mark.parametrize("mode", ["lambertian", "textureless"])
def test_lit_ball_obeys_lamberts_law(mode: str) -> None:
    light = torch.tensor([[3.0, 4.0, 5.0]])
    shading = Shading(mode, light, ambient=0.2, diffuse=0.7)  # type: ignore[arg-type]
    with torch.no_grad():
        # Taps no wider than the edge: at the rim wider ones reach around the ball.
        out = draw(Ball(sigma=300.0, edge=0.02), front(25), epsilon=0.02, shading=shading)
    rays = camera_rays(front(25))
    hit = rays.origins + rays.directions * (out.depth / out.opacity.clamp_min(1e-6)).view(-1, 1)
    normal = torch.nn.functional.normalize(hit, dim=-1)
    towards = torch.nn.functional.normalize(light - hit, dim=-1)
    lit = 0.7 * (normal * towards).sum(-1).clamp_min(0) + 0.2
    albedo = torch.tensor([0.8, 0.4, 0.2]) if mode == "lambertian" else torch.ones(3)
    expected = (lit[:, None] * albedo).view(1, 25, 25, 3)
    inner = out.opacity[..., 0] > 0.999
    torch.testing.assert_close(out.rgb[inner], expected[inner], atol=0.05, rtol=0)


def test_shading_gradient_reaches_the_geometry_through_the_normals() -> None:
    class Tilted(Ball):
        def __init__(self) -> None:
            super().__init__(sigma=200.0, edge=0.05)
            self.tilt = nn.Parameter(torch.zeros(3))

        def density(self, x: torch.Tensor) -> torch.Tensor:
            return super().density(x + self.tilt)

    field = Tilted()
    shading = Shading("textureless", torch.tensor([[5.0, 0.0, 3.0]]), 0.0, 1.0)
    out = draw(field, front(9), samples=64, shading=shading)
    out.rgb[0, 4, 4].sum().backward()
    # Moving the ball to -x turns the normal at the middle pixel towards the light on +x.
    assert field.tilt.grad is not None and float(field.tilt.grad[0]) > 0.1


def test_skipping_empty_space_does_not_change_the_picture() -> None:
    field, cameras = Ball(radius=0.4, edge=0.01), turntable(3, 0.4, 3.0, 0.7, (16, 16))
    careful = VolumeRendererConfig(occupancy=OccupancyConfig(margin=True))
    everywhere, skipping = careful.build(), careful.build()
    skipping.occupancy.refresh(field.density, None)
    assert skipping.occupancy.occupied.float().mean() < 0.1
    with torch.no_grad():
        a, b = (r(field, cameras, background=black()) for r in (everywhere, skipping))
    torch.testing.assert_close(a.rgb, b.rgb, atol=1e-3, rtol=0)
    torch.testing.assert_close(a.depth, b.depth, atol=1e-2, rtol=0)


def test_rendering_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = turntable(2, 0.2, 3.0, 0.7, (12, 12))
    shading = Shading("lambertian", torch.tensor([[1.0, 2.0, 3.0], [-3.0, 1.0, 0.0]]), 0.3, 0.7)
    asked = {"shading": shading, "buffers": {"depth_variance"}}
    with torch.no_grad():
        whole = draw(Ball(edge=0.05), cameras, 64, **asked)
        monkeypatch.setattr(volume, "_STILL", 50)
        pieces = draw(Ball(edge=0.05), cameras, 64, **asked)
    for name in ("rgb", "opacity", "depth", "normal", "depth_variance"):
        torch.testing.assert_close(getattr(whole, name), getattr(pieces, name), rtol=1e-4, atol=1e-5)


def test_jitter_comes_from_the_generator_alone() -> None:
    a, b, other = (draw(Ball(), front(8), 16, generator=rng(s)).rgb for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, other)
    torch.rand(7)  # the global generator must not matter
    assert torch.equal(a, draw(Ball(), front(8), 16, generator=rng(1)).rgb)


def test_gradients_reach_field_and_background() -> None:
    field, background = Ball(), LearnedBackgroundConfig().build(rng())
    draw(field, front(8), 64, background=background).rgb.sum().backward()
    for parameter in (*field.parameters(), *background.parameters()):
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0


def test_at_most_as_many_samples_as_the_box_is_long() -> None:
    """64 samples a diameter: a ray through the middle of a full ball takes no more than that."""
    counts: list[int] = []

    class Counting(Ball):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            counts.append(len(x))
            return super().forward(x)

    camera = turntable(1, 0.0, 3.0, 1e-3, (1, 1))
    draw(Counting(), camera, 64)
    assert counts == [64]


def test_a_warm_up_without_threshold_samples_wherever_there_is_any_density_and_is_pruned_afterwards() -> None:
    any_density = OccupancyConfig(warm_up=3, every=2, warm_up_threshold=0)
    renderer = VolumeRendererConfig(occupancy=any_density).build()
    field, shares = Ball(radius=0.3, edge=0.02), []
    for step in range(5):
        renderer.update(field, step, rng(step))
        shares.append(float(renderer.occupancy.occupied.float().mean()))
    assert shares[:3] == [1.0] * 3 and shares[3] < 0.1 and shares[4] == shares[3]


def test_warm_up_leaves_out_what_lies_beyond_the_fields_bounds() -> None:
    renderer = VolumeRendererConfig(occupancy=OccupancyConfig(warm_up_threshold=0)).build()
    renderer.update(VoxelFieldConfig(resolution=8).build(rng()), 0, rng())
    share = float(renderer.occupancy.occupied.float().mean())
    assert share == pytest.approx(math.pi / 6, rel=0.02)  # the unit sphere in its box


def test_fov_and_distance_make_the_ball_the_right_size() -> None:
    with torch.no_grad():
        out = draw(Ball(radius=0.5, sigma=500.0), front(64, distance=2.0))
    seen = float((out.opacity > 0.5).sum())
    # The silhouette is a disc of angular radius asin(0.5 / 2) on a plane of half-width tan(0.3).
    radius = math.tan(math.asin(0.25)) / math.tan(0.3) * 32
    assert seen == pytest.approx(math.pi * radius**2, rel=0.02)
