from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.texture.bake import BakeConfig, Baked, bake_vertices
from dreamlab.mesh.texture.cut import NEAR, cut_along_borders
from dreamlab.mesh.texture.palette import Palette, PaletteConfig
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.analytic import Solid, sphere

RED, CREAM, NAVY = (torch.tensor(c) for c in ([0.8, 0.1, 0.1], [0.9, 0.85, 0.7], [0.05, 0.05, 0.4]))
ON = BakeConfig(palette=PaletteConfig(mode="on"))


def thirds(x: torch.Tensor) -> torch.Tensor:
    """Three colours that meet in two points."""
    return torch.where(x[:, 1:2] > 0, RED, torch.where(x[:, :1] > 0, NAVY, CREAM))


@pytest.fixture(scope="module")
def light(ball) -> Mesh:
    return clean(ball.mesh, CleanConfig(faces=600))


@pytest.fixture(scope="module")
def baked(light) -> Baked:
    return bake_vertices(light, Solid(sphere(0.6), rgb=thirds), ON)


def areas(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    return topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())


def triangle(*probability: tuple[float, ...]) -> tuple[Mesh, Palette]:
    """A right triangle whose corners have these probabilities of colours."""
    mesh = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    p = np.array(probability)
    count = p.shape[1]
    gradient = np.zeros((3, count, 3))
    return mesh, Palette(np.eye(3)[:count], p, p.sum(0).argmax(keepdims=True), gradient, 0.0)


def test_every_face_has_one_colour_and_only_the_palette_s(baked) -> None:
    colors = baked.mesh.colors[baked.mesh.faces]
    assert len(baked.palette.colors) == 3
    assert (colors == colors[:, :1]).all()
    assert len(baked.mesh.colors.unique(dim=0)) == 3


def test_the_surface_is_the_same_closed_and_not_folded(light, baked) -> None:
    before, after = solidity(light), solidity(baked.mesh)
    assert before.watertight and after.watertight
    assert after.volume == pytest.approx(before.volume, rel=1e-5)
    assert areas(baked.mesh)[1].sum() == pytest.approx(areas(light)[1].sum(), rel=1e-5)
    assert areas(baked.mesh)[1].min() > 0
    outward = (areas(baked.mesh)[0] * baked.mesh.vertices[baked.mesh.faces].mean(1).numpy()).sum(1)
    assert (outward > 0).all()


def test_borders_lie_where_the_colours_meet(baked) -> None:
    middle = baked.mesh.vertices[baked.mesh.faces].mean(1)
    wanted = thirds(middle)
    wrong = (baked.mesh.colors[baked.mesh.faces[:, 0]] - wanted).norm(dim=1) > 0.1
    area = torch.from_numpy(areas(baked.mesh)[1])
    assert area[wrong].sum() < 0.03 * area.sum()


def test_an_edge_is_cut_where_its_colours_are_equally_likely() -> None:
    mesh, palette = triangle((0.8, 0.2), (0.4, 0.6), (0.9, 0.1))
    cut = cut_along_borders(mesh, np.arange(3), palette)
    # the lead falls from 0.6 to -0.2 along the first edge, from -0.2 to 0.8 along the second
    wanted = torch.tensor([[0.75, 0.0, 0.0], [0.8, 0.2, 0.0]])
    at = cut.mesh.vertices
    assert all((at - point).norm(dim=1).min() < 1e-6 for point in wanted)
    assert len(cut.labels) == 3 and (cut.labels == 1).sum() == 1


def test_a_border_keeps_off_the_ends_of_an_edge() -> None:
    mesh, palette = triangle((0.5001, 0.4999), (0.0, 1.0), (0.5001, 0.4999))
    x = cut_along_borders(mesh, np.arange(3), palette).mesh.vertices[:, 0]
    assert x[x > 0].min() == pytest.approx(NEAR)


def test_where_three_colours_meet_the_middle_has_the_likeliest() -> None:
    mesh, palette = triangle((0.9, 0.1, 0.0), (0.3, 0.7, 0.0), (0.3, 0.0, 0.7))
    cut = cut_along_borders(mesh, np.arange(3), palette)
    assert sorted(cut.labels.tolist()) == [0, 0, 1, 2]


def test_seams_are_cut_in_the_same_places_on_both_sides(light) -> None:
    seamed = unwrap(light, resolution=128)
    place, corner = topo.unique_rows(seamed.vertices.double().numpy())
    x = seamed.vertices[place].double().numpy()
    p = np.stack([1 / (1 + np.exp(-20 * (x[:, 0] + 0.3 * x[:, 1]))), np.zeros(len(x))], 1)
    p[:, 1] = 1 - p[:, 0]
    palette = Palette(np.eye(3)[:2], p, np.zeros(1, int), np.zeros((len(x), 2, 3)), 0.0)
    cut = cut_along_borders(seamed, corner, palette)
    assert solidity(cut.mesh).watertight and cut.mesh.uv.shape == (len(cut.mesh.vertices), 2)


def test_a_palette_s_gradient_reaches_the_new_corners() -> None:
    mesh, palette = triangle((0.8, 0.2), (0.2, 0.8), (0.8, 0.2))
    palette = palette._replace(colors=np.full((2, 3), 0.5))
    palette.gradient[:, :, 0] = np.array([0.0, 10.0, 0.0])[:, None]
    cut = cut_along_borders(mesh, np.arange(3), palette)
    lightness = cut.paint(palette)[:, 0]
    order = np.argsort(cut.mesh.vertices[:, 0].numpy())
    assert (np.diff(lightness[order]) >= -1e-9).all() and np.ptp(lightness) > 0.05


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_files_have_colours_at_corners_and_no_image(kind: str, baked, tmp_path) -> None:
    write(baked.mesh, tmp_path / f"m.{kind}")
    assert not list(tmp_path.glob("*.png"))
    again = load(tmp_path / f"m.{kind}")
    assert again.uv is None and not again.textures
    assert (again.colors - baked.mesh.colors).abs().max() < 1 / 200
    if kind == "glb":
        data = (tmp_path / "m.glb").read_bytes()
        assert b"COLOR_0" in data and b"TEXCOORD_0" not in data and b"images" not in data
