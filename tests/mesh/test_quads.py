from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import check_packages, write
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.surface.quads import quads_of, triangles_of

needs_instant_meshes = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("pynanoinstantmeshes"),
    reason="pynanoinstantmeshes is not installed (pip install 'dreamlab[quads]')",
)


@pytest.fixture(scope="module")
def quads(ring) -> Mesh:
    return clean(ring.mesh, CleanConfig(faces=2000, remesh="quads"))


@needs_instant_meshes
def test_a_torus_becomes_a_closed_torus_of_quads_within_the_budget(ring, quads: Mesh) -> None:
    solid = solidity(quads)
    assert solid.watertight and solid.genus == 1
    assert solid.volume == pytest.approx(solidity(ring.mesh).volume, rel=0.03)
    assert 1000 < len(quads.faces) <= 2000
    polygons = quads_of(quads.faces.numpy())
    assert np.mean([len(p) == 4 for p in polygons]) > 0.95


@needs_instant_meshes
def test_quads_are_nearly_square(quads: Mesh) -> None:
    x = quads.vertices.numpy()
    rows = np.array([p for p in quads_of(quads.faces.numpy()) if len(p) == 4])
    sides = np.stack([np.linalg.norm(x[rows[:, k]] - x[rows[:, k - 1]], axis=1) for k in range(4)], 1)
    across = np.stack([np.linalg.norm(x[rows[:, k]] - x[rows[:, k + 2]], axis=1) for k in (0, 1)], 1)
    assert np.median(sides.max(1) / sides.min(1)) < 1.3
    assert np.median(across.max(1) / across.min(1)) < 1.3


@needs_instant_meshes
def test_the_same_surface_gives_the_same_quads_and_nothing_is_printed(ring, quads: Mesh, capfd) -> None:
    again = clean(ring.mesh, CleanConfig(faces=2000, remesh="quads"))
    assert capfd.readouterr().out == ""
    assert again.faces.equal(quads.faces) and again.vertices.equal(quads.vertices)


@needs_instant_meshes
def test_an_obj_can_hold_the_quads_and_is_the_same_surface(quads: Mesh, tmp_path) -> None:
    write(quads, tmp_path / "q.obj", quads=True)
    rows = [line.split() for line in (tmp_path / "q.obj").read_text().splitlines() if line.startswith("f ")]
    assert sum(len(r) == 5 for r in rows) > 0.95 * len(rows)
    other = trimesh.load_mesh(tmp_path / "q.obj")
    assert other.volume == pytest.approx(solidity(quads).volume, rel=1e-3)


def test_where_no_closed_quads_are_found_triangles_stay_and_that_is_said(ring, monkeypatch, caplog) -> None:
    class Torn:
        @staticmethod
        def remesh(vertices, faces, *_, **__):
            return vertices[:8], np.array([[0, 1, 2, 3], [4, 5, 6, 7]])

    monkeypatch.setitem(sys.modules, "pynanoinstantmeshes", Torn)
    with caplog.at_level(logging.WARNING):
        mesh = clean(ring.mesh, CleanConfig(faces=1000, remesh="quads"))
    assert "triangles instead" in caplog.text
    assert solidity(mesh).watertight and len(mesh.faces) <= 1000


def test_quads_without_their_package_are_unavailable(ring, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynanoinstantmeshes", None)
    with pytest.raises(UnavailableError, match=r"dreamlab\[quads\]"):
        clean(ring.mesh, CleanConfig(remesh="quads"))
    with pytest.raises(UnavailableError, match="pynanoinstantmeshes"):
        check_packages(["obj"], quads=True)


def test_quads_are_cut_along_the_shorter_diagonal_and_found_again() -> None:
    flat = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [3, 3, 0]])
    faces = triangles_of(flat, np.array([[0, 1, 2, 3], [1, 4, 2, 2]]))
    assert len(faces) == 3
    assert sorted(len(p) for p in quads_of(faces)) == [3, 4]
    long = np.array([[0.0, 0, 0], [1, 0.4, 0], [2, 0, 0], [1, -0.4, 0]])  # 0-2 is the longer one
    assert {1, 3} <= set(triangles_of(long, np.array([[0, 1, 2, 3]]))[0].tolist())
