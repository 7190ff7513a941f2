"""Interpolation and textures: values against closed forms, gradients against finite
differences.
"""

import inspect

import numpy as np
import pytest
import torch

from dreamlab import ops
from dreamlab.core.errors import InputError
from dreamlab.ops.field import native
from dreamlab.ops.raster.rasterise import interpolate, rasterise, sample_texture

BACKENDS = [
    pytest.param("reference", id="reference"),
    pytest.param(
        "native", id="native", marks=pytest.mark.skipif(bool(native.why_not()), reason="no native kernels")
    ),
]


def bare(function):
    """Without the run-time check of annotations that tests switch on: the function's own words."""
    return inspect.unwrap(function)


@pytest.fixture(params=BACKENDS)
def chosen_backend(request):
    with ops.use_backend(request.param):
        yield request.param


def scene(seed=1, views=2, vertices=40, n_faces=50):
    """Random faces, some of them through or behind the camera."""
    generator = torch.Generator().manual_seed(seed)
    clip = 0.7 * torch.randn(views, vertices, 4, generator=generator)
    clip[..., 3] = 0.8 * clip[..., 3] + 1.0
    return clip, torch.randint(0, vertices, (n_faces, 3), generator=generator)


# ---- gradients of the reference, by finite differences ----


def test_reference_gradients_are_the_slopes_of_its_values():
    clip, faces = scene(vertices=12, n_faces=6)
    clip = clip.double().requires_grad_()
    attributes = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    texture = torch.rand(5, 4, 2, dtype=torch.float64, requires_grad=True)
    with ops.use_backend("reference"):
        frozen = rasterise(clip.detach(), faces, (6, 7))
        # A step this small does not change who is visible, which gradcheck takes for granted.
        assert torch.equal(rasterise(clip.detach() + 1e-6, faces, (6, 7)).face_index, frozen.face_index)
        assert (frozen.face_index >= 0).float().mean() > 0.3

        def shade(clip, attributes, texture):
            fragments = rasterise(clip, faces, (6, 7))
            uv = interpolate(attributes, faces, fragments)
            lit = sample_texture(texture, uv[..., :2]) * fragments.depth[..., None]
            return torch.cat([lit, uv[..., 2:]], -1)

        assert torch.autograd.gradcheck(shade, (clip, attributes, texture), eps=1e-7, atol=1e-4, rtol=1e-3)


# ---- the native kernels against the reference in float64 ----


def both(function, *tensors):
    """Values and input gradients of the native kernels and of the reference in float64, for the same random
    loss.
    """
    results = []
    for name, dtype in (("reference", torch.float64), ("native", torch.float32)):
        with ops.use_backend(name):
            inputs = [t.detach().to(dtype).requires_grad_() for t in tensors]
            outputs = function(*inputs)
            generator = torch.Generator().manual_seed(9)
            loss = sum((o * torch.randn(o.shape, generator=generator).to(dtype)).sum() for o in outputs)
            loss.backward()
            results.append([*outputs, *(t.grad for t in inputs)])
    return zip(*results, strict=True)


def assert_twins(function, *tensors, tolerance=2e-6):
    for slow, fast in both(function, *tensors):
        assert fast.dtype == torch.float32
        scale = max(1.0, float(slow.detach().abs().max())) if slow.numel() else 1.0
        assert torch.allclose(fast.double(), slow, rtol=1e-4, atol=tolerance * scale)


needs_native = pytest.mark.skipif(bool(native.why_not()), reason="no native kernels")


@needs_native
@pytest.mark.parametrize("size", [(37, 53), (64, 64), (1, 1), (90, 3)])
def test_native_visibility_is_the_references_on_every_pixel(size):
    clip, faces = scene()
    with ops.use_backend("reference"):
        slow = rasterise(clip.double(), faces, size)
    with ops.use_backend("native"):
        fast = rasterise(clip, faces, size)
    assert torch.equal(slow.face_index, fast.face_index)
    assert_twins(lambda c: rasterise(c, faces, size)[1:], clip)


@needs_native
def test_native_visibility_is_exact_where_pixels_lie_on_edges():
    grid = torch.linspace(-1, 1, 9)
    xy = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).reshape(-1, 2)
    clip = torch.cat([xy, torch.zeros(81, 1), torch.ones(81, 1)], 1)[None]
    corner = (torch.arange(8)[:, None] * 9 + torch.arange(8)).reshape(-1, 1)
    faces = torch.cat([corner + torch.tensor([0, 1, 10]), corner + torch.tensor([10, 9, 0])])
    index = []
    for name in ("reference", "native"):
        with ops.use_backend(name):
            index.append(rasterise(clip, faces, (17, 17)).face_index)
    assert torch.equal(*index) and (index[0] >= 0).all()


@needs_native
@pytest.mark.parametrize("shared", [True, False])
def test_native_interpolation_is_the_references(shared):
    clip, faces = scene()
    with ops.use_backend("native"):
        fragments = rasterise(clip, faces, (31, 22))
    attributes = torch.randn(*([] if shared else [2]), 40, 5)

    def run(attributes, barycentric):
        return (interpolate(attributes, faces, fragments._replace(barycentric=barycentric)),)

    assert_twins(run, attributes, fragments.barycentric)


@needs_native
@pytest.mark.parametrize("wrap", ["repeat", "clamp", "mirror", ("clamp", "repeat")])
@pytest.mark.parametrize("size", [(7, 5), (1, 1)])
def test_native_texture_lookup_is_the_references(wrap, size):
    generator = torch.Generator().manual_seed(2)
    uv = torch.rand(2, 13, 11, 2, generator=generator) * 4 - 1.5
    texture = torch.rand(*size, 3, generator=generator)
    assert_twins(lambda t, u: (sample_texture(t, u, wrap),), texture, uv)


@needs_native
def test_one_and_two_threads_give_the_same_bytes():
    clip, faces = scene(vertices=300, n_faces=400)
    texture, attributes = torch.rand(40, 30, 3), torch.rand(300, 2)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with ops.use_backend("native"):
                inputs = [t.clone().requires_grad_() for t in (clip, attributes, texture)]
                fragments = rasterise(inputs[0], faces, (150, 131))
                color = sample_texture(inputs[2], interpolate(inputs[1], faces, fragments))
                image = color + fragments.depth[..., None]
                (image * torch.linspace(-1, 1, image.numel()).reshape(image.shape)).sum().backward()
                results.append([*fragments, image, *(t.grad for t in inputs)])
    finally:
        torch.set_num_threads(before)
    for others in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], others, strict=True))


# ---- laws ----


def test_strides_do_not_matter(chosen_backend):
    clip, faces = scene()
    spread = torch.stack([clip, clip.flip(0)], -1)[..., 0]
    strided = torch.stack([faces, faces], -1)[..., 0]
    assert not spread.is_contiguous() and not strided.is_contiguous()
    one, two = rasterise(clip, faces, (20, 30)), rasterise(spread, strided, (20, 30))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    values = torch.rand(40, 6)
    assert torch.equal(
        interpolate(values[:, ::2], faces, one), interpolate(values[:, ::2].contiguous(), faces, one)
    )
    texture, uv = torch.rand(3, 8, 9).permute(1, 2, 0), torch.rand(2, 2, 20, 30).permute(0, 2, 3, 1)
    assert torch.equal(sample_texture(texture, uv), sample_texture(texture.contiguous(), uv.contiguous()))


def test_texel_centres_give_texels_with_v_up(chosen_backend):
    texture = torch.rand(3, 4, 2)
    u, v = (torch.arange(4) + 0.5) / 4, 1 - (torch.arange(3) + 0.5) / 3
    uv = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1)[None]
    assert torch.allclose(sample_texture(texture, uv)[0], texture, atol=1e-6)


def test_clamped_lookup_is_grid_sample(chosen_backend):
    texture, uv = torch.rand(6, 9, 3), torch.rand(1, 5, 8, 2) * 2 - 0.5
    grid = torch.stack([uv[..., 0] * 2 - 1, 1 - uv[..., 1] * 2], -1)
    expected = torch.nn.functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )
    assert torch.allclose(sample_texture(texture, uv, "clamp"), expected.permute(0, 2, 3, 1), atol=1e-5)


PADDED = {"repeat": "wrap", "mirror": "symmetric", "clamp": "edge"}  # numpy's words


@pytest.mark.parametrize("wrap_v", PADDED)
@pytest.mark.parametrize("wrap_u", PADDED)
def test_each_direction_is_wrapped_in_its_own_way(wrap_u, wrap_v, chosen_backend):
    """As a texture with its neighbours on every side, which numpy lays out."""
    texture, uv = torch.rand(6, 9, 3), torch.rand(1, 20, 20, 2) * 2.8 - 0.9
    laid = np.pad(texture.numpy(), ((6, 6), (0, 0), (0, 0)), PADDED[wrap_v])
    laid = torch.from_numpy(np.pad(laid, ((0, 0), (9, 9), (0, 0)), PADDED[wrap_u]))
    expected = sample_texture(laid, (uv + 1) / 3, "clamp")
    assert torch.allclose(sample_texture(texture, uv, (wrap_u, wrap_v)), expected, atol=1e-5)
    if wrap_u == wrap_v:
        assert torch.allclose(sample_texture(texture, uv, wrap_u), expected, atol=1e-5)


def test_repeated_lookup_has_period_one(chosen_backend):
    texture, uv = torch.rand(6, 9, 3), torch.rand(1, 5, 8, 2)
    moved = uv + torch.tensor([2.0, -3.0])
    assert torch.allclose(sample_texture(texture, moved), sample_texture(texture, uv), atol=2e-5)


def test_uv_that_are_not_finite_read_somewhere_and_never_crash(chosen_backend):
    uv = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30]).reshape(1, 1, 2, 2)
    assert sample_texture(torch.rand(3, 3, 2), uv).isfinite().all()


def test_wrong_partners_are_named(chosen_backend):
    clip, faces = scene()
    fragments = rasterise(clip, faces, (8, 8))
    with pytest.raises(InputError, match="attributes"):
        bare(interpolate)(torch.rand(3, 40, 2), faces, fragments)
    with pytest.raises(InputError, match="face_index out of range"):
        bare(interpolate)(torch.rand(40, 2), faces[:3], fragments)
    with pytest.raises(InputError, match="faces out of range"):
        bare(interpolate)(torch.rand(5, 2), faces, fragments)
    with pytest.raises(InputError, match="wrap"):
        bare(sample_texture)(torch.rand(2, 2, 1), torch.rand(1, 2, 2, 2), "border")
    with pytest.raises(InputError, match="texels"):
        bare(sample_texture)(torch.rand(0, 2, 1), torch.rand(1, 2, 2, 2))
