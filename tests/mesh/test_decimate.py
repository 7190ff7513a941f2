from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface import decimate as module
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.surface.decimate import decimate, simplify_solid
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture.bake import bake_colors
from tests.mesh.analytic import Solid, sphere


def rough(x: torch.Tensor) -> torch.Tensor:
    """A ball with a surface like a sponge's: thin walls and bridges that a fast collapse pinches."""
    s = x.norm(dim=-1) - 0.6
    for k, (a, b, c) in enumerate([(40, 31, 17), (23, 47, 29), (61, 13, 53), (71, 67, 43)]):
        s = s + 0.06 * torch.sin(a * x[:, 0] + k) * torch.sin(b * x[:, 1] + 2 * k) * torch.sin(c * x[:, 2])
    return s


@pytest.fixture(scope="module")
def sponge() -> Mesh:
    return extract(Solid(rough), ExtractConfig(resolution=80, iso=100.0)).mesh


@pytest.mark.slow
@pytest.mark.parametrize("budget", [8000, 1500])
def test_a_very_rough_surface_keeps_the_budget_and_stays_a_solid(sponge: Mesh, budget: int) -> None:
    mesh = clean(sponge, CleanConfig(faces=budget))
    solid = solidity(mesh)
    assert budget * 0.7 < len(mesh.faces) <= budget
    assert solid.watertight
    assert solid.volume == pytest.approx(solidity(clean(sponge, CleanConfig(faces=10**7))).volume, rel=0.04)


def test_pinched_edges_are_mended_and_what_they_cut_off_goes(sponge: Mesh) -> None:
    """The guard fires: this surface's fast collapse is not a manifold before it is mended."""
    vertices, faces = topo.weld(sponge.vertices.double().numpy(), sponge.faces.numpy())
    v, f = module._fast(vertices, faces, 1500, 5)
    assert topo.is_closed(faces) and not topo.is_closed(f)
    v, f = module.mended(v, f)
    assert topo.is_closed(f)


def test_a_budget_that_cannot_be_met_is_said(ring, monkeypatch, caplog) -> None:
    def stuck(vertices, faces, *_):
        return vertices, faces

    monkeypatch.setattr(module, "_fast", stuck)
    monkeypatch.setattr(module, "simplify_solid", stuck)
    with caplog.at_level(logging.WARNING):
        _, faces = decimate(ring.mesh.vertices.double().numpy(), ring.mesh.faces.numpy(), 500)
    assert len(faces) == len(ring.mesh.faces)
    assert f"500 faces were asked for, but the mesh could not be brought below {len(faces)}" in caplog.text


def test_manifold3ds_simplification_comes_near_the_budget(ring) -> None:
    _, faces = simplify_solid(ring.mesh.vertices.double().numpy(), ring.mesh.faces.numpy(), 2000)
    assert 1000 < len(faces) <= 2000


def test_open_meshes_are_decimated_too(ball) -> None:
    half = ball.mesh.faces[(ball.mesh.vertices[ball.mesh.faces][:, :, 1] > 0).all(1)].numpy()
    _, faces = decimate(ball.mesh.vertices.double().numpy(), half, 400)
    assert 300 < len(faces) <= 400


def test_colour_decides_where_faces_stay() -> None:
    """Vertex colours of a black and white ball: with the same faces the border between them stays sharper,
    and no corner leaves the ball."""
    field = Solid(sphere(0.6), rgb=lambda x: (torch.sin(x[:, :1] * 12) > 0).float().expand(-1, 3))
    fine = bake_colors(extract(field, ExtractConfig(resolution=96, iso=100.0)).mesh, field)

    def blur(weight: float) -> float:
        mesh = clean(fine, CleanConfig(faces=2500, color_weight=weight))
        assert (mesh.vertices.norm(dim=-1) - 0.6).abs().max() < 0.01
        colors = bake_colors(mesh, field).colors[mesh.faces]
        corners = mesh.vertices[mesh.faces]
        area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
        mixed = (colors.amax(1) - colors.amin(1)).amax(-1) > 0.5
        return float(area[mixed].sum() / area.sum())

    assert blur(0.01) < 0.7 * blur(0.0)


def test_a_relief_is_as_high_as_the_main_colour_difference(ball) -> None:
    vertices, faces = ball.mesh.vertices.double().numpy(), ball.mesh.faces.numpy()
    right = (vertices[:, :1] > 0).astype(float)
    lift = module.relief(vertices, faces, right * [0.6, 0, -0.8])
    height = np.einsum("vi,vi->v", lift, vertices / np.linalg.norm(vertices, axis=1, keepdims=True))
    assert abs(np.median(height[right[:, 0] == 1]) - np.median(height[right[:, 0] == 0])) == pytest.approx(
        1, abs=0.02
    )
