"""Rasterised meshes against a sphere in closed form, a ray caster of boxes, and the volume renderer."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import nn

from dreamlab.core.cameras import camera_rays, turntable
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Mesh, RenderOutput
from dreamlab.evaluate.surface_views import flat_mesh
from dreamlab.evaluate.true_pictures import true_layers
from dreamlab.priors.embedded.prior import relative_depth_of
from dreamlab.render import RasterRendererConfig, Shading, VolumeRendererConfig, raster
from dreamlab.render.background import LearnedBackgroundConfig, SolidBackgroundConfig
from dreamlab.scenes import VoxelFieldConfig


class Surface(nn.Module):
    """Triangles of one colour, or of colours that change with the place."""

    def __init__(self, mesh: Mesh, color: tuple[float, ...] | None = (0.8, 0.4, 0.2)) -> None:
        super().__init__()
        self.faces, self.color = mesh.faces, color
        self.corners = nn.Parameter(mesh.vertices.clone())
        self.gain = nn.Parameter(torch.ones(()))

    def vertices(self) -> torch.Tensor:
        return self.corners

    def albedo(self, x: torch.Tensor) -> torch.Tensor:
        color = x * 0.5 + 0.5 if self.color is None else x.new_tensor(self.color).expand_as(x)
        return self.gain * color


def sphere(radius: float = 0.6, subdivisions: int = 5) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(torch.tensor(made.vertices).float(), torch.tensor(np.array(made.faces)))


def box() -> Mesh:
    """Six sides in six colours, turned."""
    made = trimesh.creation.box((0.9, 0.6, 0.5))
    made.apply_transform(trimesh.transformations.rotation_matrix(0.5, [1, 2, 0.5]))
    colors = np.abs(made.face_normals) * 0.7 + 0.2
    return flat_mesh(made.vertices, made.faces, colors)


def front(size: int = 32, n: int = 1) -> Cameras:
    return turntable(n, 0.2, 3.0, 0.6, (size, size))


def black() -> nn.Module:
    return SolidBackgroundConfig(color=(0, 0, 0)).build(torch.Generator())


def draw(scene: nn.Module, cameras: Cameras, supersample: int = 2, **asked: Any) -> RenderOutput:
    renderer = RasterRendererConfig(supersample=supersample).build()
    return renderer(scene, cameras, **{"background": black(), **asked})


def hits(cameras: Cameras, radius: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Whether a pixel's ray meets the sphere well inside its outline, where along it, and the normal."""
    rays = camera_rays(cameras)
    middle = -(rays.origins * rays.directions).sum(-1)
    miss = (rays.origins + middle[:, None] * rays.directions).norm(dim=-1)
    along = middle - (radius**2 - miss.square()).clamp_min(0).sqrt()
    shape = (len(cameras), *cameras.size)
    normal = (rays.origins + along[:, None] * rays.directions) / radius
    return (miss < 0.85 * radius).view(shape), along.view(*shape, 1), normal.view(*shape, 3)


# ---- closed forms ----


def test_a_sphere_is_where_it_is() -> None:
    """Depth along the ray, normals and colour well inside; nothing outside; the disc's area."""
    cameras = front(48, n=3)
    out = draw(Surface(sphere()), cameras, buffers=("normal", "depth_variance"))
    inside, along, normal = hits(cameras, 0.6)
    assert inside.sum() > 300
    torch.testing.assert_close(out.opacity[inside], torch.ones_like(out.opacity[inside]))
    assert (out.depth - along)[inside].abs().max() < 4e-3
    assert out.normal is not None and (out.normal - normal)[inside].norm(dim=-1).max() < 0.1
    color = torch.tensor([0.8, 0.4, 0.2]).expand(int(inside.sum()), 3)
    torch.testing.assert_close(out.premultiplied[inside], color)
    assert out.depth_variance is not None and not out.depth_variance.any()
    half = math.tan(math.asin(0.6 / 3.0)) / math.tan(0.3)  # of the outline, in half images
    assert out.opacity.mean().item() == pytest.approx(math.pi * half**2 / 4, rel=5e-3)


def test_depth_is_accumulated_as_the_volume_renderers_is() -> None:
    """0 where nothing is seen, and opacity times distance at the outline."""
    cameras = front(32)
    out = draw(Surface(sphere()), cameras)
    edge = (out.opacity > 0.05) & (out.opacity < 0.95)
    assert edge.sum() > 20
    distance = (out.depth / out.opacity)[edge]
    assert distance.min() > 2.4 and distance.max() < 3.05
    assert not out.depth[out.opacity == 0].any()


def test_colour_opacity_and_relief_of_a_box_are_those_of_the_true_pictures() -> None:
    """Another rasterisation, without antialiasing: sixteen steps of opacity a pixel."""
    cameras, mesh = front(32, n=4), box()
    white = Surface(mesh, (1.0, 1.0, 1.0))
    fine = draw(white, cameras, supersample=4)
    truth = true_layers(mesh, cameras).movedim(1, -1)
    assert (fine.opacity - truth[..., 3:4]).abs().mean() < 3e-3
    assert (fine.opacity - truth[..., 3:4]).abs().max() < 0.13
    relief = relative_depth_of(fine, cameras)
    covered = truth[..., 3] > 0.99
    assert (relief - truth[..., 4:])[covered].abs().max() < 0.02


def test_a_mesh_and_a_field_of_one_shape_are_lit_alike() -> None:
    class Ball(nn.Module):
        finest_cell = 0.01

        def distance(self, x: torch.Tensor) -> torch.Tensor:
            return x.norm(dim=-1) - 0.6

        def density(self, x: torch.Tensor) -> torch.Tensor:
            return 400 * torch.sigmoid(-self.distance(x) / 0.002)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.density(x), torch.full_like(x, 0.5)

    cameras = front(32)
    light = Shading("lambertian", torch.tensor([[1.0, 2.0, 2.0]]), 0.3, 0.7)
    volume = VolumeRendererConfig(samples=512, normal_epsilon=0.01).build()
    with torch.no_grad():
        theirs = volume(Ball(), cameras, background=black(), shading=light)
        ours = draw(Surface(sphere(), (0.5, 0.5, 0.5)), cameras, shading=light)
    inside = hits(cameras, 0.6)[0]
    for name in ("rgb", "opacity", "depth", "normal"):
        assert (getattr(ours, name) - getattr(theirs, name))[inside].abs().mean() < 0.01, name


def test_clay_is_white_and_light_falls_on_it() -> None:
    cameras = front()
    light = Shading("textureless", torch.tensor([[0.0, 3.0, 0.0]]), 0.1, 0.9)
    out = draw(Surface(sphere()), cameras, shading=light)
    inside, _, normal = hits(cameras, 0.6)
    to_light = torch.nn.functional.normalize(torch.tensor([0.0, 3.0, 0.0]) - 0.6 * normal, dim=-1)
    wanted = 0.1 + 0.9 * (normal * to_light).sum(-1).clamp_min(0)
    assert (out.rgb[..., 0] - wanted)[inside].abs().max() < 0.03
    assert torch.equal(out.rgb[..., 0], out.rgb[..., 1])


def test_the_inside_of_an_open_mesh_shows_its_other_side() -> None:
    mesh = sphere()
    centre = mesh.vertices[mesh.faces].mean(1)
    bowl = Mesh(mesh.vertices, mesh.faces[centre[:, 2] < 0])  # its opening is towards the camera
    out = draw(Surface(bowl), turntable(1, 0.0, 3.0, 0.6, (32, 32)), buffers=("normal",))
    middle = out.normal[0, 16, 16] if out.normal is not None else torch.zeros(3)
    torch.testing.assert_close(middle, torch.tensor([0.0, 0.0, 1.0]), atol=0.08, rtol=0)
    assert out.depth[0, 16, 16].item() == pytest.approx(3.6, abs=0.01)


def test_the_background_is_seen_where_the_mesh_is_not() -> None:
    behind = LearnedBackgroundConfig().build(torch.Generator().manual_seed(0))
    cameras = front()
    out = draw(Surface(sphere()), cameras, background=behind)
    wanted = behind(camera_rays(cameras).directions.view(1, 32, 32, 3), None)
    torch.testing.assert_close(out.background, wanted)
    empty = out.opacity[..., 0] == 0
    torch.testing.assert_close(out.rgb[empty], wanted[empty])


# ---- gradients ----


@pytest.mark.parametrize("subdivisions", [1, 3, 5])
@pytest.mark.parametrize("supersample", [1, 2])
def test_gradients_of_silhouettes_are_finite_differences(subdivisions: int, supersample: int) -> None:
    """Of the covered area, when the sphere grows, moves sideways or away; however small the faces."""
    cameras = front(64)
    scene = Surface(sphere(0.6, subdivisions))
    weights = torch.linspace(0, 1, 64).expand(64, 64)[None, ..., None]

    def value(corners: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            scene.corners.copy_(corners)
        return (draw(scene, cameras, supersample=supersample).opacity * weights).sum()

    begin = scene.corners.detach().clone()
    value(begin).backward()
    assert scene.corners.grad is not None
    ways = {"grow": begin, "right": torch.tensor([1.0, 0, 0]).expand_as(begin)}
    ways["away"] = torch.tensor([0, -math.sin(0.2), -math.cos(0.2)]).expand_as(begin)
    for name, way in ways.items():
        h = 2e-2  # world units; a pixel is .03
        with torch.no_grad():
            measured = float(value(begin + h * way) - value(begin - h * way)) / (2 * h)
        output = float((scene.corners.grad * way).sum())
        assert output == pytest.approx(measured, rel=0.04), name


def test_a_silhouette_before_another_surface_carries_gradient_too() -> None:
    """A red square before a large green one: as it grows, red takes from green what it covers."""
    half = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    corners = torch.cat([half * 0.31, half * 0.9 - torch.tensor([0, 0, 0.5])])
    square = torch.tensor([[0, 1, 2], [0, 2, 3]])

    class Two(Surface):
        def albedo(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x[:, 2:] > -0.25, x.new_tensor([1.0, 0, 0]), x.new_tensor([0, 1.0, 0]))

    scene, cameras = (
        Two(Mesh(corners, torch.cat([square, square + 4]))),
        turntable(1, 0.0, 3.0, 0.6, (32, 32)),
    )
    red, green = (draw(scene, cameras).rgb[..., channel].sum() for channel in (0, 1))
    grown = corners[:4] / 0.31  # by one in half a side
    pixels = (2 * 0.31 / (6 * math.tan(0.3)) * 32) ** 2  # that it covers
    for value, sign in ((red, 1), (green, -1)):
        (grad,) = torch.autograd.grad(value, scene.corners)
        assert float((grad[:4] * grown).sum()) == pytest.approx(sign * 2 * pixels / 0.31, rel=0.05)
    assert red.item() == pytest.approx(pixels, rel=0.02)


def test_a_silhouette_that_is_hidden_does_nothing() -> None:
    near = torch.tensor([[-0.8, -0.8, 0.3], [0.8, -0.8, 0.3], [0, 1.2, 0.3]])
    scene = Surface(Mesh(torch.cat([near, near * 0.3]), torch.tensor([[0, 1, 2], [3, 4, 5]])), None)
    draw(scene, turntable(1, 0.0, 3.0, 0.6, (32, 32))).rgb.square().sum().backward()
    assert scene.corners.grad is not None and scene.corners.grad[:3].abs().min() > 0
    assert not scene.corners.grad[3:].any()


def test_gradients_of_depth_and_normals_reach_the_corners() -> None:
    cameras, inside = front(24), hits(front(24), 0.6)[0]
    scene = Surface(sphere(0.6, 3))
    draw(scene, cameras).depth[inside].sum().backward()
    assert scene.corners.grad is not None
    away = torch.tensor([0, -math.sin(0.2), -math.cos(0.2)])
    # moving the ball away by one lengthens every ray by 1 / cos of its angle to the axis and to the normal
    rays, normal = camera_rays(cameras).directions.view(1, 24, 24, 3), hits(cameras, 0.6)[2]
    wanted = ((normal @ away) / (normal * rays).sum(-1))[inside].sum()
    assert float((scene.corners.grad @ away).sum()) == pytest.approx(float(wanted), rel=0.03)
    scene.corners.grad = None
    normal = draw(scene, cameras, buffers=("normal",)).normal
    assert normal is not None
    normal[..., 0].square().sum().backward()
    assert scene.corners.grad is not None and scene.corners.grad.isfinite().all()
    assert scene.corners.grad.abs().sum() > 0


def test_colours_learn_and_do_not_push_corners_that_they_cover() -> None:
    cameras, scene = front(24), Surface(sphere(0.6, 3), None)
    inside = hits(cameras, 0.6)[0]
    draw(scene, cameras).rgb[inside].sum().backward()
    assert scene.gain.grad is not None and scene.gain.grad > 1
    assert scene.corners.grad is None or scene.corners.grad.abs().max() < 1e-5


# ---- the rest of the protocol ----


def test_still_images_are_the_same_view_by_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "_CHUNK", 100)
    scene, cameras = Surface(sphere(0.6, 3), None), front(16, n=3)
    whole = draw(scene, cameras, buffers=("normal",))
    with torch.no_grad():
        parts = draw(scene, cameras, buffers=("normal",))
    for name in ("rgb", "opacity", "depth", "normal"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_buffers_come_when_asked_for() -> None:
    scene, cameras = Surface(sphere(0.6, 2)), front(8)
    assert draw(scene, cameras).normal is None and draw(scene, cameras).depth_variance is None
    assert draw(scene, cameras, shading=Shading("lambertian", torch.ones(1, 3))).normal is not None


def test_nothing_in_view_is_only_background() -> None:
    far = Mesh(sphere(0.1, 1).vertices + torch.tensor([5.0, 0, 0]), sphere(0.1, 1).faces)
    out = draw(Surface(far), front(8))
    assert not out.opacity.any() and not out.depth.any() and out.rgb.isfinite().all()


def test_another_topology_is_noticed() -> None:
    """Silhouettes of a second mesh are antialiased by its own edges."""
    renderer = RasterRendererConfig().build()
    scene, cameras = Surface(sphere(0.6, 3)), front(16)
    renderer(scene, cameras, background=black())
    other = Surface(sphere(0.5, 2))
    again = renderer(other, cameras, background=black())
    torch.testing.assert_close(again.opacity, draw(other, cameras).opacity)


def test_each_renderer_refuses_what_it_cannot_draw() -> None:
    field = VoxelFieldConfig(resolution=4).build(torch.Generator())
    with pytest.raises(ConfigError, match=r"renderer\.kind=volume"):
        draw(field, front(8))
    with pytest.raises(ConfigError, match=r"renderer\.kind=raster"):
        VolumeRendererConfig().build()(Surface(sphere(0.6, 1)), front(8), background=black())


def test_a_rasteriser_knows_nothing_and_takes_nothing() -> None:
    renderer = RasterRendererConfig().build()
    scene = Surface(sphere(0.6, 1))
    renderer.take_over(VolumeRendererConfig().build())
    renderer.update(scene, 0, torch.Generator())
    renderer.prepare(scene)
    renderer.reset()
    assert renderer.state_dict() == {} and renderer.to("cpu") is renderer
    renderer.load_state_dict({})
    with pytest.raises(ValueError, match="no state"):
        renderer.load_state_dict({"cells": torch.zeros(1)})
