from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import sample, texture_of, vertex_colors
from dreamlab.mesh.geometry.topology import components
from dreamlab.mesh.rework import in_facets, rework
from dreamlab.mesh.surface.clean import CleanConfig, SimplifyConfig


def red_and_blue() -> Mesh:
    """Two balls apart, one red, one blue, and an open sheet in green."""
    red = trimesh.creation.icosphere(4, 0.4)
    blue = trimesh.creation.icosphere(4, 0.3)
    blue.apply_translation((1, 0, 0))
    sheet = trimesh.creation.box((0.5, 0.5, 0.5))
    sheet.update_faces(np.arange(12) < 2)
    sheet.remove_unreferenced_vertices()
    sheet.apply_translation((0, 1, 0))
    parts = [red, blue, sheet]
    colors = [[0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.1, 0.8, 0.1]]
    whole = trimesh.util.concatenate(parts)
    rows = np.concatenate([np.tile(c, (len(p.vertices), 1)) for p, c in zip(parts, colors, strict=True)])
    return Mesh(
        torch.from_numpy(np.array(whole.vertices)).float(),
        torch.from_numpy(np.array(whole.faces)),
        colors=torch.from_numpy(rows).float(),
    )


def looks_right(mesh: Mesh, slack: float) -> None:
    colors, x = vertex_colors(mesh), mesh.vertices.numpy()
    for there, color in (
        ((x[:, 0] < 0.45) & (x[:, 1] < 0.5), [0.9, 0.1, 0.1]),
        (x[:, 0] > 0.6, [0.1, 0.1, 0.9]),
        (x[:, 1] > 0.6, [0.1, 0.8, 0.1]),
    ):
        assert there.any() and np.abs(colors[there] - color).max() < slack


def test_fewer_faces_keep_every_part_and_its_colour() -> None:
    mesh = rework(red_and_blue(), CleanConfig(faces=400))
    assert len(mesh.faces) <= 400
    assert len(np.unique(components(mesh.faces.numpy()))) >= 3
    assert mesh.vertices[:, 0].max() == pytest.approx(1.3, abs=0.02)
    looks_right(mesh, 0.02)


def test_a_textured_mesh_gets_a_new_texture_and_a_normal_map(textured) -> None:
    mesh = rework(textured, CleanConfig(faces=300))
    assert len(mesh.faces) <= 300
    assert [name for name, _ in mesh.textures] == ["albedo", "normal"]
    draw = np.random.default_rng(0)
    face = draw.integers(0, len(mesh.faces), 3000)
    share = draw.dirichlet((1, 1, 1), 3000)[..., None]
    corner = mesh.faces.numpy()[face]
    x, uv = ((share * values.double().numpy()[corner]).sum(1) for values in (mesh.vertices, mesh.uv))
    color = sample(texture_of(mesh, "albedo"), uv)
    for side, wanted in ((1, [0.8, 0.1, 0.1]), (-1, [0.05, 0.3, 0.05])):
        assert np.abs(color[side * x[:, 0] > 0.06] - wanted).max() < 0.06


def test_vertex_colours_can_become_a_texture_and_a_texture_vertex_colours(textured) -> None:
    baked = rework(red_and_blue(), CleanConfig(faces=1000), texture=256)
    assert texture_of(baked, "albedo").shape == (256, 256, 3) and baked.colors is None
    looks_right(baked, 0.03)
    plain = rework(textured, CleanConfig(faces=1000), texture=0)
    assert plain.colors is not None and plain.uv is None and not plain.textures
    right = plain.vertices[:, 0] > 0.1
    assert (plain.colors[right] - torch.tensor([0.8, 0.1, 0.1])).abs().max() < 0.02


def test_a_mesh_without_colours_stays_without_and_cannot_be_textured() -> None:
    grey = Mesh(red_and_blue().vertices, red_and_blue().faces)
    assert rework(grey, CleanConfig(faces=300)).colors is None
    with pytest.raises(InputError, match="no colours"):
        rework(grey, CleanConfig(faces=300), texture=256)


@pytest.mark.parametrize(
    ("vertices", "faces", "word"),
    [
        (torch.rand(4, 3), torch.zeros(0, 3, dtype=torch.int64), "no faces"),
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), "no area"),
        (torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]), "not finite"),
    ],
)
def test_meshes_without_a_surface_are_refused(vertices, faces, word: str) -> None:
    with pytest.raises(InputError, match=word):
        rework(Mesh(vertices, faces), CleanConfig())


def test_quads_that_lose_parts_are_said(caplog, monkeypatch) -> None:
    monkeypatch.setattr("dreamlab.mesh.rework.remesh_quads", lambda v, f, budget: (v, f[: len(f) // 2]))
    with caplog.at_level(logging.WARNING):
        rework(red_and_blue(), CleanConfig(faces=1000, remesh="quads"))
    assert "of the surface" in caplog.text


@pytest.mark.parametrize("cubes", [None, 6])
def test_a_mesh_in_facets_has_one_colour_a_face_or_cube_and_those_are_the_old_ones(cubes) -> None:
    ball = trimesh.creation.icosphere(4)
    vertices = torch.from_numpy(ball.vertices.copy()).float()
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    colors = torch.where(vertices[:, :1] > 0, red, blue)
    mesh = Mesh(vertices, torch.from_numpy(ball.faces.copy()).long(), colors=colors)
    out = in_facets(mesh, SimplifyConfig(faces=300, color_weight=0.01), cubes)
    assert out.colors is not None and (out.colors[out.faces] == out.colors[out.faces][:, :1]).all()
    if cubes is None:
        assert 200 < len(out.faces) <= 300 and len(out.vertices) == 3 * len(out.faces)
    else:
        assert torch.allclose(out.vertices.amax(0) - out.vertices.amin(0), torch.tensor(2.0), atol=1e-4)
    middle = out.vertices[out.faces].mean(1)[:, 0]
    right, left = (out.colors[out.faces][:, 0][far] for far in (middle > 0.35, middle < -0.35))
    assert torch.allclose(right, red, atol=0.02) and torch.allclose(left, blue, atol=0.02)
    bare = in_facets(Mesh(mesh.vertices, mesh.faces), SimplifyConfig(faces=300), cubes)
    assert bare.colors is None and len(bare.faces) > 100
