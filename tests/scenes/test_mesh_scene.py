"""A mesh as a scene: large steps against dense algebra, and a state that carries its topology."""

import copy

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import InputError
from dreamlab.core.types import HasTriangles, HasUniformGroups, Mesh
from dreamlab.scenes import HashGridFieldConfig, MeshScene, MeshSceneConfig, SDFFieldConfig, VoxelFieldConfig
from dreamlab.scenes.large_steps import LargeSteps
from dreamlab.scenes.unfold import FOLDED, face_pairs, unfolded
from dreamlab.stages.base import Optimisable

SMALL = HashGridFieldConfig(levels=2, log2_table_size=8, finest_resolution=16, width=8)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(shape.vertices).float(), torch.tensor(np.array(shape.faces)))


def ball(subdivisions: int = 2, radius: float = 0.6) -> Mesh:
    return mesh_of(trimesh.creation.icosphere(subdivisions, radius))


def scene(mesh: Mesh | None = None, smoothness: float = 2.0, seed: int = 0) -> MeshScene:
    return MeshSceneConfig(smoothness=smoothness).build(mesh or ball(), SMALL.build(rng(seed)))


def dense(mesh: Mesh, smoothness: float) -> torch.Tensor:
    """I + smoothness L, written out corner by corner."""
    n = len(mesh.vertices)
    joined = torch.zeros(n, n, dtype=torch.float64)
    for a, b, c in mesh.faces.tolist():
        for i, j in ((a, b), (b, c), (c, a)):
            joined[i, j] = joined[j, i] = 1
    return torch.eye(n, dtype=torch.float64) + smoothness * (joined.sum(1).diag() - joined)


# ---- large steps ----


@pytest.mark.parametrize("smoothness", [0.0, 2.0, 50.0])
def test_large_steps_are_the_inverse_of_the_dense_matrix(smoothness: float) -> None:
    mesh = ball(1)
    steps = LargeSteps(mesh.faces, len(mesh.vertices), smoothness)
    u = torch.randn(len(mesh.vertices), 3, generator=rng(), dtype=torch.float64, requires_grad=True)
    wanted = torch.linalg.solve(dense(mesh, smoothness), u.detach())
    torch.testing.assert_close(steps(u).detach(), wanted)
    weights = torch.randn(u.shape, generator=rng(1), dtype=torch.float64)
    (steps(u) * weights).sum().backward()
    torch.testing.assert_close(u.grad, torch.linalg.solve(dense(mesh, smoothness), weights))


def test_corners_of_a_border_and_of_no_face_are_solved_too() -> None:
    mesh = Mesh(torch.rand(5, 3, generator=rng()), torch.tensor([[0, 1, 2], [2, 1, 3]]))
    u = torch.randn(5, 3, generator=rng(1), dtype=torch.float64)
    found = LargeSteps(mesh.faces, 5, 3.0)(u)
    torch.testing.assert_close(found, torch.linalg.solve(dense(mesh, 3.0), u))
    assert torch.equal(found[4], u[4])  # joined to nothing


def test_the_mesh_begins_where_it_was_given_to_the_last_bit() -> None:
    mesh = ball()
    begun = scene(mesh).mesh()
    assert torch.equal(begun.vertices, mesh.vertices) and torch.equal(begun.faces, mesh.faces)


def test_corners_move_by_the_solution() -> None:
    mesh, made = ball(1), scene(ball(1), 4.0)
    u = torch.randn(made.u.shape, generator=rng()) * 0.1
    with torch.no_grad():
        made.u.copy_(u)
    wanted = mesh.vertices.double() + torch.linalg.solve(dense(mesh, 4.0), u.double())
    torch.testing.assert_close(made.vertices().double(), wanted, atol=1e-6, rtol=0)
    assert not made.mesh().vertices.requires_grad


# ---- what the loop asks ----


@pytest.mark.parametrize("appearance", [SMALL, VoxelFieldConfig(resolution=4), SDFFieldConfig(levels=2)])
def test_every_learned_parameter_is_in_one_group(appearance: HashGridFieldConfig) -> None:
    made = MeshSceneConfig().build(ball(0), appearance.build(rng()))
    groups = made.parameter_groups()
    listed = [name for names in groups.values() for name in names]
    assert sorted(listed) == sorted(name for name, p in made.named_parameters() if p.requires_grad)
    assert groups["geometry"] == ["u"] and made.uniform_groups <= set(groups)
    assert set(groups) == {"geometry", *made.appearance.parameter_groups()}


def test_it_is_what_loop_renderer_and_losses_ask_for() -> None:
    made = scene()
    assert isinstance(made, Optimisable) and isinstance(made, HasTriangles)
    assert isinstance(made, HasUniformGroups)


def test_colours_are_the_appearances() -> None:
    made, x = scene(), torch.rand(9, 3, generator=rng()) - 0.5
    assert torch.equal(made.albedo(x), SMALL.build(rng())(x)[1])


def changed(made: MeshScene) -> MeshScene:
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=rng(5)) * 0.1)
    return made


def same(a: MeshScene, b: MeshScene) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_scene_of_any_mesh_takes_over_a_state_of_other_topology() -> None:
    theirs = changed(scene(ball(2)))
    mine = scene(mesh_of(trimesh.creation.box()), seed=3)
    mine.load_state_dict({k: v.clone() for k, v in theirs.state_dict().items()})
    assert same(mine, theirs)
    torch.testing.assert_close(mine.vertices(), theirs.vertices(), rtol=0, atol=0)
    mine.vertices().square().sum().backward()
    assert mine.u.grad is not None and mine.u.grad.shape == theirs.u.shape
    mine.restart(rng())  # the mesh that it goes back to is theirs too
    assert torch.equal(mine.mesh().vertices, ball(2).vertices)


def test_faces_that_were_renumbered_are_another_topology() -> None:
    mesh = ball(1)
    other = Mesh(mesh.vertices, mesh.faces.flip(0)[:-3])
    mine = scene(Mesh(mesh.vertices, mesh.faces[:-3]))
    mine.load_state_dict(changed(scene(other)).state_dict())
    torch.testing.assert_close(mine.vertices(), changed(scene(other)).vertices(), rtol=0, atol=0)


def test_a_state_of_another_scene_does_not_load() -> None:
    with pytest.raises(KeyError):
        scene().load_state_dict(SMALL.build(rng()).state_dict())
    wide = MeshSceneConfig().build(ball(), SMALL.model_copy(update={"width": 16}).build(rng()))
    with pytest.raises(RuntimeError):
        scene().load_state_dict(wide.state_dict())


def test_restart_brings_back_shape_and_colours() -> None:
    made = changed(scene())
    assert not same(made, scene())
    generator = rng()
    made.restart(generator, 2.0)
    assert same(made, scene()) and torch.equal(generator.get_state(), rng().get_state())


def test_a_copy_does_not_follow() -> None:
    made = scene()
    frozen = copy.deepcopy(made)
    changed(made)
    assert same(frozen, scene()) and torch.equal(frozen.vertices(), scene().vertices())


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(InputError, match="no faces"):
        scene(Mesh(torch.rand(4, 3), torch.zeros(0, 3, dtype=torch.int64)))


# ---- folds ----


def folds(vertices: torch.Tensor, faces: torch.Tensor) -> int:
    """How many neighbours are bent back on each other."""
    a, b, c = vertices[faces].unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    first, second = face_pairs(faces).unbind(1)
    return int(((normal[first] * normal[second]).sum(-1) < FOLDED).sum())


def aside(mesh: Mesh, corner: int) -> torch.Tensor:
    """Along the surface, twice as far as the next corners."""
    way = torch.linalg.cross(mesh.vertices[corner], torch.tensor([0.3, 1.0, 0.2]))
    return 0.5 * way / way.norm()


def test_a_corner_that_went_over_its_ring_is_brought_back_and_none_further_away() -> None:
    mesh = ball(2)
    after = mesh.vertices * 1.1
    after[7] += aside(mesh, 7)
    assert folds(after, mesh.faces) > 0
    mended = unfolded(mesh.vertices, after, mesh.faces)
    assert folds(mended, mesh.faces) == 0
    near = (mesh.vertices - mesh.vertices[7]).norm(dim=-1) < 0.5  # three rings
    assert 0 < int((~near).sum()) and torch.equal(mended[~near], after[~near])


def test_moves_that_fold_nothing_stay_to_the_last_bit() -> None:
    mesh = ball(2)
    after = mesh.vertices * torch.tensor([1.3, 0.6, 0.9])
    assert torch.equal(unfolded(mesh.vertices, after, mesh.faces), after)


def test_a_face_does_not_shrink_to_nothing() -> None:
    mesh = ball(1)
    after = mesh.vertices.clone()
    after[mesh.faces[0]] = after[mesh.faces[0]].mean(0)
    a, b, c = unfolded(mesh.vertices, after, mesh.faces)[mesh.faces[0]]
    assert torch.linalg.cross(b - a, c - a).norm() > 1e-3


def test_any_moves_come_to_an_end_and_what_was_folded_may_stay() -> None:
    mesh = ball(2)
    noise = torch.randn(mesh.vertices.shape, generator=rng())
    assert folds(unfolded(mesh.vertices, mesh.vertices + noise, mesh.faces), mesh.faces) == 0
    tangled = mesh.vertices + noise * 0.2
    moved = unfolded(tangled, tangled + 0.1, mesh.faces)
    assert folds(moved, mesh.faces) == folds(tangled, mesh.faces) > 0
    torch.testing.assert_close(moved, tangled + 0.1)


def test_a_scene_gives_its_mesh_without_folds() -> None:
    made = scene(ball(2), smoothness=0.0)
    with torch.no_grad():
        made.u[3] = aside(ball(2), 3)
    assert folds(made.vertices().detach(), made.faces) > 0
    assert folds(made.mesh().vertices, made.faces) == 0
