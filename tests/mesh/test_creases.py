"""Normals are smooth over blunt edges and sharp over creases, in every mesh that a run writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from finish import finished

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import CREASE, creased, creased_normals
from dreamlab.mesh.surface.quads import quads_of
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.stages import CleanStageConfig, ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, plate


def arrays(shape: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.array(shape.vertices), np.array(shape.faces)


def as_mesh(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())


def test_creases_stay_sharp_and_round_things_smooth() -> None:
    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(3)
    vertices, faces, normals = creased_normals(*arrays(box), 40)
    assert len(vertices) == 24
    assert np.allclose(np.sort(np.abs(normals), 1), [0, 0, 1])
    assert np.allclose(vertices[faces], box.vertices[box.faces])
    vertices, _, normals = creased_normals(*arrays(ball), 40)
    assert len(vertices) == len(ball.vertices)
    assert np.einsum("vi,vi->v", vertices, normals).min() > 0.999


def test_the_angle_decides() -> None:
    """A drum of 12 sides: 30 degrees from side to side, 90 at the rims."""
    drum = arrays(trimesh.creation.cylinder(0.5, 1, sections=12))
    rims_only, all_smooth, all_sharp = (creased_normals(*drum, d)[0] for d in (35, 91, 25))
    assert len(all_smooth) == len(drum[0])
    assert len(rims_only) == len(drum[0]) + 24  # every corner of the rims twice
    assert len(all_sharp) == len(drum[0]) + 48


def test_a_crease_that_ends_on_the_way_doubles_nothing_at_its_end() -> None:
    """Around a vertex with one sharp edge all faces hang together the other way round: one normal."""
    fan = np.array([[0, 0, 0.2]] + [[np.cos(a), np.sin(a), 0] for a in np.arange(12) * np.pi / 6])
    fan[1, 2] = 0.75  # one spoke raised: sharp along it, blunt elsewhere
    faces = np.array([[0, 1 + i, 1 + (i + 1) % 12] for i in range(12)])
    normal, pairs = topo.face_normals(fan, faces)[0], topo.neighbours(faces)
    angle = np.degrees(np.arccos(np.einsum("pi,pi->p", *normal[pairs.T]).clip(-1, 1)))
    sharpest = np.sort(angle)[-2:]
    vertices, _, _ = creased_normals(fan, faces, float(sharpest.mean()))
    assert len(vertices) == len(fan) + 1  # the raised rim corner only


def test_faces_without_area_have_a_normal_all_the_same() -> None:
    vertices, faces = arrays(trimesh.creation.box())
    _, _, normals = creased_normals(vertices, np.concatenate([faces, [[0, 0, 1]]]), CREASE)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)


def test_seams_of_the_texture_that_are_no_creases_have_one_normal() -> None:
    """Of a capped drum: every place has two normals at a rim, else one, however the charts are cut."""
    drum = trimesh.creation.cylinder(0.5, 1, sections=48)
    mesh = unwrap(creased(as_mesh(*arrays(drum))), resolution=256)
    places = topo.unique_rows(mesh.vertices.double().numpy())[1]
    normals = mesh.normals.double().numpy().round(5) + 0.0
    both = np.concatenate([places[:, None], normals], 1)
    each = np.bincount(places[topo.unique_rows(both)[0]])
    assert set(each) <= {1, 2} and len(mesh.vertices) > len(both[topo.unique_rows(both)[0]])


def test_charts_reach_over_corners_that_are_doubled_for_their_normals() -> None:
    """A drum of 12 sides that is all creases has as few charts as the same drum without."""
    drum = as_mesh(*arrays(trimesh.creation.cylinder(0.5, 1, sections=12)))

    def charts(mesh: Mesh) -> int:
        flat = unwrap(mesh, resolution=256)
        _, index = topo.unique_rows(flat.uv.double().numpy())
        return int(topo.components(index[flat.faces.numpy()]).max()) + 1

    assert charts(creased(drum, 10.0)) == charts(drum)


@pytest.mark.parametrize("how", ["textured", "colored", "quads"])
def test_every_path_of_a_run_has_creased_normals(how: str) -> None:
    """On a plate with sharp rims the broad sides look straight up and down, up to their rims."""
    if how == "quads":
        pytest.importorskip("pynanoinstantmeshes")
    mesh, measures = finished(
        Solid(plate(0.3, 0.6)),
        ExtractStageConfig(resolution=64, iso=100.0),
        CleanStageConfig(),
        SimplifyStageConfig(faces=2000, remesh="quads" if how == "quads" else "triangles"),
        TextureStageConfig(resolution=64, into="image" if how == "textured" else "vertices"),
    )
    assert measures["watertight"]
    places = topo.unique_rows(mesh.vertices.double().numpy())[0]
    assert len(places) < len(mesh.vertices)  # corners are doubled
    x, normals = mesh.vertices.numpy(), mesh.normals.numpy()
    faces = mesh.faces.numpy()
    flat, area = topo.face_normals(x.astype(float), faces)
    broad = np.abs(flat[:, 1]) > 0.99
    tilt = np.degrees(np.arccos(np.einsum("fki,fi->fk", normals[faces], flat).clip(-1, 1)))[broad].max(1)
    assert np.average(tilt, weights=area[broad]) < 8
    if how == "quads":
        assert sum(len(face) == 4 for face in quads_of(faces)) > 0.6 * len(faces) / 2
