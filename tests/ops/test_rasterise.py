"""Visibility: what each pixel sees, against rays and planes, in both back ends."""

import inspect
import math

import pytest
import torch

from dreamlab import ops
from dreamlab.core.errors import InputError
from dreamlab.ops.field import native
from dreamlab.ops.raster.rasterise import rasterise

BACKENDS = [
    pytest.param("reference", id="reference"),
    pytest.param(
        "native", id="native", marks=pytest.mark.skipif(bool(native.why_not()), reason="no native kernels")
    ),
]


def bare(function):
    """Without the run-time check of annotations that tests switch on: the function's own words."""
    return inspect.unwrap(function)


@pytest.fixture(params=BACKENDS, autouse=True)
def chosen_backend(request):
    with ops.use_backend(request.param):
        yield request.param


def flat(points, z=0.0):
    """One view of points in normalised device coordinates, w = 1."""
    xy = torch.tensor(points, dtype=torch.float32)
    zs = torch.full_like(xy[:, :1], z)
    return torch.cat([xy, zs, torch.ones_like(zs)], 1)[None]


def projection(fovy=0.9, near=0.1, far=20.0):
    f = 1 / math.tan(fovy / 2)
    matrix = torch.zeros(4, 4, dtype=torch.float64)
    matrix[0, 0] = matrix[1, 1] = f
    matrix[2, 2], matrix[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    matrix[3, 2] = -1
    return matrix


def to_clip(points):
    """Camera-space points [V,3] (looking along -z) to clip space [1,V,4]."""
    return (torch.nn.functional.pad(points.double(), (0, 1), value=1.0) @ projection().T).float()[None]


def pixel_rays(height, width, fovy=0.9):
    """Directions [H,W,3] with z = -1 through pixel centres of a square frustum."""
    t = math.tan(fovy / 2)
    x = ((torch.arange(width) + 0.5) / width * 2 - 1) * t
    y = (1 - (torch.arange(height) + 0.5) / height * 2) * t
    return torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), -torch.ones(height, width)], -1
    )


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (64, 64), (33, 1)])
def test_two_faces_that_share_an_edge_cover_each_pixel_exactly_once(size):
    quad = flat([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    both = torch.tensor([[0, 1, 2], [0, 3, 2]])  # opposite windings
    counts = sum((rasterise(quad, face[None], size).face_index >= 0).int() for face in both)
    assert torch.equal(counts, torch.ones_like(counts))


def test_a_fan_around_a_pixel_centre_covers_it_exactly_once():
    spokes = [(math.cos(a), math.sin(a)) for a in torch.linspace(0, 2 * math.pi, 9)[:-1].tolist()]
    clip = flat([(0.0, 0.0), *spokes])
    faces = torch.tensor([[0, k + 1, (k + 1) % 8 + 1] for k in range(8)])
    hits = sum(int(rasterise(clip, face[None], (5, 5)).face_index[0, 2, 2] >= 0) for face in faces)
    assert hits == 1


def test_row_zero_is_the_top_and_columns_go_right():
    clip = flat([(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)])
    index = rasterise(clip, torch.tensor([[0, 1, 2], [0, 2, 3]]), (4, 8)).face_index[0]
    assert (index >= 0).nonzero().tolist() == [[0, 6], [0, 7]]


def test_barycentrics_are_perspective_correct():
    corners = torch.tensor([[-2.0, -1.5, -2.0], [2.5, -1.0, -6.0], [0.0, 3.0, -4.0]])
    fragments = rasterise(to_clip(corners), torch.tensor([[0, 1, 2]]), (40, 40))
    hit = fragments.face_index[0] == 0
    assert hit.sum() > 200
    rays = pixel_rays(40, 40)
    normal = torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0])
    distance = (corners[0] @ normal) / (rays @ normal)
    expected = (rays * distance[..., None])[hit]
    assert torch.allclose(fragments.barycentric[0][hit] @ corners, expected, atol=2e-5)
    z = expected[:, 2].double()
    m = projection()
    assert torch.allclose(fragments.depth[0][hit].double(), (m[2, 2] * z + m[2, 3]) / -z, atol=1e-6)


def test_barycentrics_are_weights():
    generator = torch.Generator().manual_seed(0)
    fragments = rasterise(to_clip(torch.randn(30, 3, generator=generator) - torch.tensor([0, 0, 4.0])),
                          torch.randint(0, 30, (20, 3), generator=generator), (50, 41))  # fmt: skip
    hit = fragments.face_index >= 0
    assert 0 < hit.float().mean() < 1
    assert (fragments.barycentric >= 0).all()
    assert torch.allclose(fragments.barycentric.sum(-1), hit.float(), atol=1e-6)
    assert (fragments.depth[~hit] == 1).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_face_wins_in_any_order(order):
    near, far = flat([(-1, -1), (1, -1), (0, 1)], z=-0.2), flat([(-1, 1), (1, 1), (0, -1)], z=0.3)
    clip, faces = torch.cat([near, far], 1), torch.tensor([[0, 1, 2], [3, 4, 5]])
    alone = rasterise(clip, faces[:1], (32, 32)).face_index >= 0
    index = rasterise(clip, faces[list(order)], (32, 32)).face_index
    assert torch.equal(index == order.index(0), alone)
    assert (index == order.index(1)).any()


def test_of_equally_near_faces_the_first_wins():
    clip, face = flat([(-1, -1), (3, -1), (-1, 3)]), [0, 1, 2]
    assert (rasterise(clip, torch.tensor([face, face, face]), (9, 9)).face_index == 0).all()


def test_a_floor_through_the_camera_ends_at_the_horizon():
    floor = torch.tensor([[-500.0, -1, 500], [500, -1, 500], [500, -1, -500], [-500, -1, -500]])
    fragments = rasterise(to_clip(floor), torch.tensor([[0, 1, 2], [0, 2, 3]]), (64, 64))
    rays = pixel_rays(64, 64)
    z = 1.0 / rays[..., 1].clamp(max=-1e-9)  # where the ray meets y = -1, along -z
    visible = (rays[..., 1] < 0) & (z.abs() > 0.1) & (z.abs() < 20.0)
    assert torch.equal(fragments.face_index[0] >= 0, visible)
    corners = floor[torch.tensor([[0, 1, 2], [0, 2, 3]])[fragments.face_index[0].clamp(min=0)]]
    point = torch.einsum("hwk,hwkc->hwc", fragments.barycentric[0], corners)
    assert torch.allclose(point[visible][:, 2], z[visible], rtol=1e-3, atol=1e-3)


def test_what_lies_behind_the_camera_or_outside_the_depth_range_is_not_drawn():
    triangle = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    face = torch.tensor([[0, 1, 2]])
    for z, seen in [(-2.0, True), (2.0, False), (-0.05, False), (-25.0, False)]:
        clip = to_clip(triangle + torch.tensor([0, 0, z]))
        assert bool((rasterise(clip, face, (16, 16)).face_index >= 0).any()) == seen


def test_degenerate_faces_draw_nothing_and_disturb_nothing():
    good = flat([(-0.9, -0.9), (0.9, -0.9), (0.0, 0.9)])
    bad = flat([(0, 0), (0.1, 0.1), (0.2, 0.2), (float("nan"), 0), (float("inf"), 0)])
    clip = torch.cat([good, bad], 1).requires_grad_()
    faces = torch.tensor([[3, 4, 5], [0, 0, 1], [1, 1, 1], [0, 1, 6], [0, 1, 7], [0, 1, 2]])
    fragments = rasterise(clip, faces, (21, 21))
    alone = rasterise(good, torch.tensor([[0, 1, 2]]), (21, 21))
    assert torch.equal(fragments.face_index == 5, alone.face_index == 0)
    assert set(fragments.face_index.unique().tolist()) == {-1, 5}
    (fragments.barycentric.square().sum() + fragments.depth.sum()).backward()
    assert clip.grad is not None and clip.grad.isfinite().all()
    assert clip.grad[0, 3:].abs().sum() == 0


@pytest.mark.parametrize(("views", "n_faces"), [(1, 0), (3, 0), (0, 2)])
def test_nothing_to_draw_is_an_empty_image(views, n_faces):
    clip, faces = torch.ones(views, 3, 4), torch.zeros(n_faces, 3, dtype=torch.int64)
    fragments = rasterise(clip, faces, (5, 7))
    assert fragments.face_index.shape == (views, 5, 7) and fragments.barycentric.shape == (views, 5, 7, 3)
    assert (fragments.face_index == -1).all() and (fragments.depth == 1).all()


def test_views_do_not_see_each_other():
    generator = torch.Generator().manual_seed(3)
    clip = torch.cat(
        [to_clip(torch.randn(12, 3, generator=generator) - torch.tensor([0, 0, 4.0])) for _ in range(3)]
    )
    faces = torch.randint(0, 12, (9, 3), generator=generator)
    together = rasterise(clip, faces, (24, 24))
    for k in range(3):
        for whole, single in zip(together, rasterise(clip[k : k + 1], faces, (24, 24)), strict=True):
            assert torch.equal(whole[k], single[0])


def test_wrong_arguments_are_named():
    clip, faces = torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]])
    with pytest.raises(InputError, match="clip_positions"):
        bare(rasterise)(clip[0], faces, (4, 4))
    with pytest.raises(InputError, match="faces does not fit"):
        bare(rasterise)(clip, faces.int(), (4, 4))
    with pytest.raises(InputError, match=r"faces out of range.*0\.\.2"):
        bare(rasterise)(clip, faces + 1, (4, 4))
    with pytest.raises(InputError, match="out of range"):
        bare(rasterise)(clip, faces - 1, (4, 4))
    with pytest.raises(InputError, match="image size"):
        bare(rasterise)(clip, faces, (0, 4))


def test_the_native_back_end_refuses_doubles_aloud(chosen_backend):
    clip, faces = torch.ones(1, 3, 4, dtype=torch.float64), torch.tensor([[0, 1, 2]])
    if chosen_backend == "reference":
        assert rasterise(clip, faces, (2, 2)).depth.dtype == torch.float64
    else:
        with pytest.raises(InputError, match="float32"):
            bare(rasterise)(clip, faces, (2, 2))
