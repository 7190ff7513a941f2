from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from finish import finished
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.fans import pinched_corners
from dreamlab.mesh.io.export import write
from dreamlab.mesh.surface.clean import solidity
from dreamlab.mesh.surface.cubes import cubes_of, skin, unpinched
from dreamlab.run.styles import STYLES
from dreamlab.stages import ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere

RED, CREAM = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.9, 0.85, 0.7])


def halves(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[:, 1:2] > 0, RED, CREAM)


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(np.array(shape.vertices)).float(), torch.from_numpy(np.array(shape.faces)))


def triangles(quads: np.ndarray) -> np.ndarray:
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def test_a_cube_stays_a_cube() -> None:
    mesh, cube = cubes_of(mesh_of(trimesh.creation.box((2, 2, 2))), 6)
    assert solidity(mesh).volume == pytest.approx(8) and solidity(mesh).area == pytest.approx(24)
    assert torch.allclose(mesh.vertices.amin(0), -torch.ones(3)) and mesh.vertices.amax() == 1
    assert len(mesh.faces) == 6 * 36 * 2 and len(np.unique(cube)) == 6**3 - 4**3


def test_a_box_keeps_its_sides_to_half_a_cell() -> None:
    mesh, _ = cubes_of(mesh_of(trimesh.creation.box((1, 2, 0.4))), 10)
    extent = mesh.vertices.amax(0) - mesh.vertices.amin(0)
    assert torch.allclose(extent, torch.tensor([1, 2, 0.4]), atol=1e-5)


@given(st.integers(0, 2**32), st.floats(0.1, 0.9), st.tuples(*[st.integers(1, 5)] * 3))
@settings(max_examples=60, deadline=None)
def test_cubes_of_any_solid_are_closed_and_pinched_nowhere(seed, level, shape) -> None:
    share = np.random.default_rng(seed).random(shape)
    before = share >= min(level, share.max())
    filled = unpinched(before, share)
    assert (filled >= before).all()
    corners, quads, cell = skin(filled)
    faces = triangles(quads)
    assert topo.is_closed(faces) and len(pinched_corners(faces)) == 0
    assert topo.signed_volumes(corners.astype(float), faces).sum() == pytest.approx(filled.sum())
    assert cell.max() + 1 == len(np.unique(cell)) <= filled.sum()


def test_the_random_solids_do_pinch_before_they_are_mended() -> None:
    share = np.random.default_rng(0).random((5, 5, 5))
    faces = triangles(skin(share > 0.5)[1])
    assert not topo.is_closed(faces)


@given(st.integers(0, 2**32), st.integers(8, 20))
@settings(max_examples=8, deadline=None)
def test_a_random_solid_becomes_closed_cubes_that_stand_on_its_lowest_point(seed, cells) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 3)) * [1, 0.7, 0.5]
    shape = trimesh.convex.convex_hull(points / np.linalg.norm(points, axis=1, keepdims=True))
    mesh, cube = cubes_of(mesh_of(shape), cells)
    assert solidity(mesh).watertight and len(cube) == len(mesh.faces)
    assert float(mesh.vertices[:, 1].amin()) == pytest.approx(
        shape.bounds[0, 1], abs=1.01 * shape.extents.max() / cells
    )
    assert solidity(mesh).volume == pytest.approx(shape.volume, rel=0.3)


def test_a_ring_keeps_its_hole() -> None:
    assert solidity(cubes_of(mesh_of(trimesh.creation.torus(0.6, 0.2)), 20).mesh).genus == 1


def test_what_has_no_area_is_refused() -> None:
    with pytest.raises(InputError, match="no area"):
        cubes_of(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), 8)


def test_the_style_gives_every_cube_one_colour_that_the_surface_has_there(tmp_path) -> None:
    style = STYLES["voxel"]
    mesh, measures = finished(
        Solid(sphere(0.6), rgb=halves),
        ExtractStageConfig(resolution=32),
        SimplifyStageConfig(cubes=12),
        TextureStageConfig(**style["texture"]),
    )
    assert measures["watertight"] == 1 and measures["colors"] == 2
    normal = topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())[0]
    assert np.allclose(np.abs(normal).max(1), 1)
    assert np.allclose(mesh.normals[mesh.faces].numpy(), normal[:, None], atol=1e-5)
    colors = mesh.colors[mesh.faces]
    assert (colors == colors[:, :1]).all()
    inside = mesh.vertices[mesh.faces].mean(1) - 0.05 * torch.from_numpy(normal)
    row = ((inside[:, 1] + 0.6) / 0.1).floor()
    wanted = torch.where(row[:, None] >= 6, RED, CREAM)
    assert (colors[:, 0] - wanted).abs().max() < 0.08
    write(mesh, tmp_path / "m.obj", quads=True)
    text = (tmp_path / "m.obj").read_text()
    assert {len(line.split()) for line in text.splitlines() if line.startswith("f ")} == {5}
