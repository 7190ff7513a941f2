from __future__ import annotations

import igl
import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.topology import components
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture import charts
from dreamlab.mesh.texture.flatten import flatten
from dreamlab.mesh.texture.pack import OUTLINED
from dreamlab.mesh.texture.raster import rasterise_uv
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.analytic import Solid, plate, sphere, torus, union


def spiral() -> Mesh:
    """Three turns of a ramp around the y axis: every normal looks nearly up, the turns lie over each
    other.
    """
    n = 90
    angle = np.linspace(0, 6 * np.pi, n)
    rings = [np.stack([r * np.cos(angle), angle * 0.02, r * np.sin(angle)], 1) for r in (0.3, 0.9)]
    vertices = np.concatenate(rings)
    k = np.arange(n - 1)
    faces = np.concatenate([np.stack([k, k + n, k + 1], 1), np.stack([k + 1, k + n, k + n + 1], 1)])
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces))


def shape(name: str) -> Mesh:
    if name == "spiral":
        return spiral()
    if name == "box":
        box = trimesh.creation.box((1, 0.5, 0.2))
        return Mesh(torch.from_numpy(np.array(box.vertices)).float(), torch.from_numpy(np.array(box.faces)))
    sdf = {"ring": torus(), "pair": union(torus(), sphere(0.35, (0, 0.2, 0.3))), "plate": plate(0.08)}[name]
    return clean(extract(Solid(sdf), ExtractConfig(resolution=48)).mesh, CleanConfig(faces=2000))


@pytest.fixture(scope="module", params=["ring", "pair", "plate", "spiral", "box"])
def pair(request) -> tuple[Mesh, Mesh]:
    mesh = shape(request.param)
    return mesh, unwrap(mesh, resolution=512, padding=4)


def test_the_shape_is_untouched(pair) -> None:
    before, after = pair
    assert torch.equal(before.vertices[before.faces], after.vertices[after.faces])
    if solidity(before).watertight:
        assert solidity(after).volume == pytest.approx(solidity(before).volume, rel=1e-6)


def test_uv_lie_in_the_unit_square(pair) -> None:
    uv = pair[1].uv
    assert uv.min() >= 0 and uv.max() <= 1


def test_no_point_of_the_atlas_belongs_to_two_faces(pair) -> None:
    """Oracle: random points against every triangle, by the sign of the three edge functions in float64."""
    mesh = pair[1]
    corners = mesh.uv.double().numpy()[mesh.faces.numpy()]
    points = np.random.default_rng(0).random((3000, 2))
    count = np.zeros(len(points), dtype=int)
    for a, b, c in corners:
        sides = [
            (q - p)[0] * (points - p)[:, 1] - (q - p)[1] * (points - p)[:, 0]
            for p, q in ((a, b), (b, c), (c, a))
        ]
        count += np.min(sides, axis=0) > 1e-9
    assert count.max() == 1


def test_faces_are_not_mirrored(pair) -> None:
    mesh = pair[1]
    a, b, c = mesh.uv.double()[mesh.faces].unbind(1)
    u, v = b - a, c - a
    assert (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] > 0).all()


def test_charts_keep_their_distance(pair) -> None:
    """Texels of different charts are at least `padding` - 1 texels apart."""
    mesh = pair[1]
    label = components(mesh.faces.numpy())
    texel, face, _ = rasterise_uv(mesh.uv.double().numpy()[mesh.faces.numpy()], 512)
    image = np.full(512 * 512, -1)
    image[texel] = label[face]
    image = image.reshape(512, 512)
    for dy in range(4):
        for dx in range(-3, 4):
            if (dy, dx) <= (0, 0):
                continue
            here = image[: 512 - dy, max(0, -dx) : 512 - max(0, dx)]
            there = image[dy:, max(0, dx) : 512 - max(0, -dx)]
            assert ((here == there) | (here < 0) | (there < 0)).all()


def test_every_face_keeps_its_size_and_shape_to_a_bound(pair) -> None:
    """Singular values of the map from surface to texture, relative to those of the whole: oracle by QR."""
    mesh = pair[1]
    x, uv = mesh.vertices.double()[mesh.faces], mesh.uv.double()[mesh.faces]
    e = torch.stack([x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]], -1)
    d = torch.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], -1)
    r = torch.linalg.qr(e).R
    values = torch.linalg.svdvals(d @ torch.linalg.inv(r))
    area = torch.linalg.det(r).abs()
    scale = ((values.prod(1) * area).sum() / area.sum()).sqrt()
    common = (values / scale > 0.6) & (values / scale < 1.6)
    assert area[common.all(1)].sum() / area.sum() > 0.98
    assert (values[:, 1] / scale).min() > 0.1


def test_what_can_be_unrolled_is_unrolled_without_stretch() -> None:
    """Oracle: a cone's side is a sector of the plane; every edge inside a chart keeps its length."""
    cone = trimesh.creation.cone(0.4, 1.0, sections=48)
    mesh = Mesh(torch.from_numpy(np.array(cone.vertices)).float(), torch.from_numpy(np.array(cone.faces)))
    flat = unwrap(mesh)
    i, j = flat.faces.reshape(-1), flat.faces.roll(-1, 1).reshape(-1)
    ratio = (flat.uv[i] - flat.uv[j]).norm(dim=1) / (flat.vertices[i] - flat.vertices[j]).norm(dim=1)
    assert ratio.max() / ratio.min() < 1.01


def test_a_steep_face_among_others_is_no_island_of_its_own() -> None:
    """A thin needle on a plate: its sides are steeper than any chart's direction, and none is a crumb."""
    grid = trimesh.creation.box((1, 1, 0.1)).subdivide_to_size(0.1)
    vertices = np.array(grid.vertices)
    top = np.nonzero((np.abs(vertices[:, :2]) < 0.01).all(1) & (vertices[:, 2] > 0))[0]
    vertices[top, 2] += 0.35
    mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(np.array(grid.faces)))
    flat = unwrap(mesh)
    assert np.bincount(components(flat.faces.numpy())).min() >= 8


def test_more_charts_than_can_be_outlined_are_packed_as_boxes() -> None:
    corners = np.random.default_rng(0).normal(size=(300, 3))
    mesh = Mesh(torch.from_numpy(corners).float(), torch.arange(300).reshape(-1, 3))
    flat = unwrap(mesh)
    assert len(np.unique(components(flat.faces.numpy()))) == 100 > OUTLINED
    a, b, c = flat.uv[flat.faces].double().unbind(1)
    (p, q), (r, s) = (b - a).T, (c - a).T
    assert (p * s - q * r).sum() / 2 > 0.3


def test_the_same_mesh_is_unwrapped_to_the_same_bytes(pair) -> None:
    before, after = pair
    assert torch.equal(unwrap(before, resolution=512, padding=4).uv, after.uv)


def test_charts_that_cannot_be_relaxed_stay_as_they_were_projected(monkeypatch, caplog) -> None:
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(torch.from_numpy(np.array(ball.vertices)).float(), torch.from_numpy(np.array(ball.faces)))
    monkeypatch.setattr(igl, "slim_solve", lambda data, rounds: np.full((len(ball.vertices), 2), np.nan))
    flat = unwrap(mesh)
    assert "could not be relaxed" in caplog.text
    assert flat.uv.isfinite().all() and float(np.ptp(flat.uv.numpy(), axis=0).min()) > 0.5


def test_a_crumb_is_laid_flat_with_its_neighbour_unless_that_would_take_too_long(monkeypatch) -> None:
    """A flat sheet of two hundred faces of which one was cut out."""
    x, y = np.meshgrid(np.arange(11.0), np.arange(11.0))
    vertices = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)
    k = (np.arange(10)[:, None] * 11 + np.arange(10)).reshape(-1)
    faces = np.concatenate([np.stack([k, k + 1, k + 11], 1), np.stack([k + 1, k + 12, k + 11], 1)])
    cut = np.where(np.arange(len(faces)) == 44, 1, 0)
    flat = flatten(vertices, faces, cut)
    joined, together = charts._joined(vertices, faces, cut, flat)
    assert joined.max() == 0
    assert np.allclose(charts.narrowing(vertices, faces, together), 1, atol=1e-6)
    monkeypatch.setattr(charts, "JOINED", 0)
    assert charts._joined(vertices, faces, cut, flat)[0].max() == 1


def test_a_face_without_area_does_not_spoil_its_neighbours() -> None:
    ball = trimesh.creation.icosphere(2)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces)
    middle = (vertices[faces[0, 0]] + vertices[faces[0, 1]]) / 2
    bad = np.array([[faces[0, 0], len(vertices), faces[0, 1]]])
    mesh = Mesh(
        torch.from_numpy(np.concatenate([vertices, [middle]])).float(),
        torch.from_numpy(np.concatenate([faces, bad])),
    )
    flat = unwrap(mesh)
    assert flat.uv.isfinite().all() and flat.uv.min() >= 0 and flat.uv.max() <= 1


def test_a_box_gets_one_chart_a_side() -> None:
    assert len(np.unique(components(unwrap(shape("box")).faces.numpy()))) == 6


def test_normals_stay_smooth_over_seams(pair) -> None:
    mesh = pair[1]
    same = {}
    for vertex, normal in zip(mesh.vertices.tolist(), mesh.normals, strict=True):
        assert torch.allclose(normal, same.setdefault(tuple(vertex), normal), atol=1e-6)


def test_no_chart_of_a_smooth_surface_is_a_crumb() -> None:
    for name in ("ring", "pair", "plate"):
        assert np.bincount(components(unwrap(shape(name)).faces.numpy())).min() >= 8, name


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(InputError, match="no faces"):
        unwrap(Mesh(torch.rand(4, 3), torch.zeros(0, 3, dtype=torch.int64)))


def test_rasterise_uv_finds_the_texels_whose_centres_lie_inside() -> None:
    corners = np.random.default_rng(1).random((20, 3, 2))
    texel, face, weights = rasterise_uv(corners, 32)
    found = set(zip(texel.tolist(), face.tolist(), strict=True))
    wanted = set()
    for f, (a, b, c) in enumerate(corners):
        for row in range(32):
            for column in range(32):
                p = np.array([(column + 0.5) / 32, 1 - (row + 0.5) / 32])
                w = np.linalg.solve(np.array([[*a, 1], [*b, 1], [*c, 1]]).T, [*p, 1])
                if w.min() >= 0:
                    wanted.add((row * 32 + column, f))
    assert found == wanted
    assert np.allclose(weights.sum(1), 1)
