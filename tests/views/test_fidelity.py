from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.cameras import camera_rays, turntable
from dreamlab.core.types import Cameras
from dreamlab.evaluate.field_fidelity import fidelity, field_pictures
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture.bake import BakeConfig, bake, bake_colors
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.views.render import render_mesh
from tests.mesh.analytic import Solid, sphere
from tests.views.conftest import SHAPE


def seen(field: Solid, cameras: Cameras, steps: int = 300) -> np.ndarray:
    """The field itself over white by plain quadrature: pictures [B,H,W,3]."""
    rays = camera_rays(cameras)
    t = torch.linspace(2.3, 4.7, steps)
    rows = []
    for origin, direction in zip(rays.origins.split(2048), rays.directions.split(2048), strict=True):
        x = origin[:, None] + direction[:, None] * t[:, None]
        sigma, rgb = field(x.reshape(-1, 3))
        alpha = 1 - torch.exp(-sigma.reshape(-1, steps) * (t[1] - t[0]))
        through = torch.cumprod(torch.cat([torch.ones(len(x), 1), 1 - alpha], 1), 1)
        rows.append(
            ((alpha * through[:, :-1])[..., None] * rgb.reshape(-1, steps, 3)).sum(1) + through[:, -1:]
        )
    return torch.cat(rows).reshape(len(cameras), *cameras.size, 3).numpy()


def test_pictures_of_the_textured_mesh_match_pictures_of_the_field() -> None:
    """PSNR above 26 dB in every view, for a soft-edged solid with stripes; an unbaked grey mesh stays far
    below.
    """
    field = Solid(SHAPE, rgb=lambda x: (torch.sin(x * 12) + 1) / 2)
    fine = extract(field, ExtractConfig(resolution=96)).mesh
    flat = unwrap(clean(fine, CleanConfig(faces=5000)), resolution=512)
    mesh = bake(flat, field, BakeConfig(resolution=512), fine=fine)
    cameras = turntable(3, 0.4, 3.5, 0.6, (96, 96))
    truth = seen(field, cameras)

    def psnr(of) -> np.ndarray:
        pictures = render_mesh(of, cameras, "albedo", renderer="native") / 255
        return -10 * np.log10(((pictures - truth) ** 2).mean((1, 2, 3)))

    assert psnr(mesh).min() > 26
    assert psnr(flat).max() < 20


def test_field_pictures_are_those_of_plain_quadrature() -> None:
    """Skipping empty space changes nothing that can be seen."""
    field = Solid(SHAPE, rgb=lambda x: (torch.sin(x * 12) + 1) / 2)
    cameras = turntable(2, 0.4, 3.5, 0.6, (40, 40))
    _, pictures, opacity = field_pictures(field, cameras)
    assert np.abs(pictures.numpy() - seen(field, cameras)).mean() < 0.01
    assert opacity.min() >= 0 and opacity.max() > 0.99


def test_the_figure_tells_a_good_mesh_from_a_grey_and_a_moved_one() -> None:
    field = Solid(SHAPE, rgb=lambda x: (torch.sin(x * 6) + 1) / 2)
    fine = extract(field, ExtractConfig(resolution=64)).mesh
    good = bake_colors(fine, field)
    grey, moved = replace(good, colors=None), replace(good, vertices=good.vertices + 0.1)
    best, *others = (fidelity(mesh, field, views=3, size=48) for mesh in (good, grey, moved))
    assert best.psnr > 20 and best.worst <= best.psnr
    assert all(other.psnr < best.psnr - 5 for other in others)


def test_colours_at_the_corners_decide_with_the_shape_where_faces_stay() -> None:
    """On a striped ball of few faces, by more than one and a half decibels of its pictures."""
    stripes = Solid(
        sphere(0.8), 2000.0, 0.002, rgb=lambda x: (torch.sin(x[:, :1] * 9) > 0).float().expand(-1, 3)
    )
    fine = bake_colors(extract(stripes, ExtractConfig(resolution=80)).mesh, stripes)

    def psnr(weight: float) -> float:
        light = clean(fine, CleanConfig(faces=1500, color_weight=weight))
        return fidelity(bake_colors(light, stripes), stripes, views=3, size=120).psnr

    assert psnr(CleanConfig().color_weight) > psnr(0.0) + 1.5
