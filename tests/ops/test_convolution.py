"""The 3x3 convolution: the native one against torch's in float64, its laws, and when torch's runs instead."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.errors import InputError
from dreamlab.ops.conv import native as native_convolution
from dreamlab.ops.field import native, reference
from dreamlab.priors.embedded.unet import UNet, UNetConfig

# Winograd's sums cancel: errors are a few 1e-6 of a result's norm here, direct convolution's 3e-7.
TOLERANCE = 2e-5

SHAPES = [  # images, inputs, outputs, height, width: whole tiles and rests, whole chunks and rests
    (2, 16, 16, 8, 8),
    (1, 1, 1, 1, 1),
    (3, 20, 64, 5, 7),
    (2, 64, 20, 12, 9),
    (1, 3, 5, 1, 9),
    (2, 17, 33, 9, 4),
    (4, 130, 40, 6, 6),
    (7, 8, 24, 3, 2),
    (2, 256, 260, 5, 4),  # weights that are cut by channels
]


@pytest.fixture(params=["base", "avx2", "avx512"])
def instruction_set(request):
    """Each set of kernels that this CPU can run."""
    before = native.instruction_set()
    if native.library().dl_set_isa(request.param.encode()):
        pytest.skip(f"this CPU has no {request.param}")
    yield request.param
    assert native.library().dl_set_isa(before.encode()) == 0


def drawn(n, inputs, outputs, height, width, seed=0):
    """x, weight, bias and a gradient of the output."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(n, inputs, height, width), (outputs, inputs, 3, 3), (outputs,), (n, outputs, height, width)]
    x, weight, bias, gradient = (torch.randn(shape, generator=generator) for shape in shapes)
    return x, weight / (9 * inputs) ** 0.5, bias, gradient


def with_gradients(convolution, x, weight, bias, gradient):
    leaves = [
        t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in (x, weight, bias)
    ]
    out = convolution(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, gradient)]


def error(mine, theirs):
    """Of the norm; absolute where there is none."""
    scale = theirs.norm().item()
    return (mine.double() - theirs).norm().item() / (scale if scale > 1e-3 else 1.0)


def check(x, weight, bias, gradient, tolerance=TOLERANCE):
    mine = with_gradients(native_convolution.conv3x3, x, weight, bias, gradient)
    doubles = [t.double() for t in (x, weight, bias, gradient)]
    theirs = with_gradients(reference.conv3x3, *doubles)
    for name, a, b in zip(("out", "x", "weight", "bias"), mine, theirs, strict=True):
        assert a.shape == b.shape and error(a, b) < tolerance, name
    return mine


# ---- values and gradients ----


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_torch_in_float64(shape, instruction_set):
    check(*drawn(*shape))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 14),
    st.integers(1, 14),
    st.data(),
)
def test_any_shape_and_layout_will_do(n, inputs, outputs, height, width, data):
    tensors = list(drawn(n, inputs, outputs, height, width))
    for i in (0, 1, 3):
        layout = data.draw(st.sampled_from(["contiguous", "channels last", "turned", "strided"]))
        if layout == "channels last":
            tensors[i] = tensors[i].contiguous(memory_format=torch.channels_last)
        elif layout == "turned":
            tensors[i] = tensors[i].transpose(2, 3).contiguous().transpose(2, 3)
        elif layout == "strided":
            tensors[i] = tensors[i].repeat_interleave(2, dim=1)[:, ::2]
    check(*tensors)


def test_more_tiles_than_are_taken_at_once():
    check(*drawn(3, 16, 32, 40, 41))


def test_large_weights_with_more_tiles_than_are_taken_at_once():
    check(*drawn(56, 272, 256, 8, 8))


def test_the_result_is_channels_last_and_gradients_lie_as_what_they_belong_to():
    x, weight, bias, gradient = drawn(2, 16, 24, 8, 8)
    for format in (torch.contiguous_format, torch.channels_last):
        weight = weight.contiguous(memory_format=format)
        out, _, g_weight, _ = with_gradients(ops.conv3x3, x, weight, bias, gradient)
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert g_weight.stride() == weight.stride()


def test_only_what_is_asked_for_is_computed():
    x, weight, bias, gradient = drawn(2, 16, 16, 8, 8)
    whole = with_gradients(ops.conv3x3, x, weight, bias, gradient)
    for i in range(3):
        leaves = [t.clone().requires_grad_(i == j) for j, t in enumerate((x, weight, bias))]
        (alone,) = torch.autograd.grad(ops.conv3x3(*leaves), leaves[i], gradient)
        assert torch.equal(alone, whole[i + 1])
    with torch.no_grad():
        assert ops.conv3x3(*(t.requires_grad_() for t in (x, weight, bias))).grad_fn is None


def test_a_second_derivative_is_refused():
    x, weight, bias, _ = drawn(2, 16, 16, 8, 8)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(ops.conv3x3(x, weight, bias).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


# ---- laws ----


def test_both_gradients_are_adjoints_of_the_convolution():
    x, weight, _, y = (t.double().float() for t in drawn(3, 24, 40, 11, 6))
    out, g_x, g_weight, _ = with_gradients(ops.conv3x3, x, weight, torch.zeros(40), y)
    inner = (out.double() * y).sum().item()
    scale = (out.norm() * y.norm()).item()
    assert abs((g_x.double() * x).sum().item() - inner) < 1e-5 * scale
    assert abs((g_weight.double() * weight).sum().item() - inner) < 1e-5 * scale


def test_it_is_linear_in_x_and_in_the_weight():
    x, weight, _, _ = drawn(2, 20, 16, 9, 9)
    other, kernel, _, _ = drawn(2, 20, 16, 9, 9, seed=1)
    together = ops.conv3x3(2 * x - other, weight)
    apart = 2 * ops.conv3x3(x, weight) - ops.conv3x3(other, weight)
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)
    together, apart = ops.conv3x3(x, weight + kernel), ops.conv3x3(x, weight) + ops.conv3x3(x, kernel)
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_moving_the_image_by_a_tile_moves_the_result():
    x, weight, bias, _ = drawn(1, 16, 16, 12, 16)
    inner = torch.zeros(1, 16, 20, 24)
    inner[:, :, 4:16, 4:20] = x
    moved = ops.conv3x3(inner, weight, bias)[:, :, 5:15, 5:19]
    assert torch.equal(moved, ops.conv3x3(x, weight, bias)[:, :, 1:11, 1:15])


def test_an_image_does_not_depend_on_its_batch():
    x, weight, bias, _ = drawn(9, 32, 48, 8, 8)
    whole = native_convolution.conv3x3(x, weight, bias)
    assert all(
        torch.equal(native_convolution.conv3x3(x[i : i + 1], weight, bias)[0], whole[i]) for i in range(9)
    )


@pytest.mark.parametrize("shape", [(6, 20, 64, 16, 12), (9, 256, 272, 8, 8), (17, 32, 16, 32, 32)])
def test_any_number_of_threads_gives_the_same_bytes(shape):
    before, tensors, seen = torch.get_num_threads(), drawn(*shape), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            seen.append(with_gradients(ops.conv3x3, *tensors))
    finally:
        torch.set_num_threads(before)
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


# ---- numbers at the edge ----


def test_an_empty_batch_has_an_empty_result_and_no_gradient():
    out, g_x, g_weight, g_bias = check(*drawn(0, 16, 24, 8, 8))
    assert out.shape == (0, 24, 8, 8) and g_x.shape == (0, 16, 8, 8)
    assert not g_weight.any() and not g_bias.any()


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_huge_and_denormal_images_keep_their_accuracy(scale):
    x, weight, bias, _ = drawn(2, 16, 16, 8, 8)
    mine = ops.conv3x3(x * scale, weight, bias * scale).double()
    theirs = reference.conv3x3((x * scale).double(), weight.double(), (bias * scale).double())
    least = 1e-43 * theirs.numel() ** 0.5  # denormal numbers have fewer digits
    assert (mine - theirs).norm() < TOLERANCE * theirs.norm() + least


def test_what_is_not_finite_stays_within_its_tiles():
    x, weight, bias, _ = drawn(2, 16, 16, 16, 16)
    x[0, 3, 9, 9] = torch.nan
    seen = ops.conv3x3(x, weight, bias).isnan()
    assert seen[0, :, 8:11, 8:11].all(), "all that depends on it is lost"
    seen[0, :, 4:16, 4:16] = False
    assert not seen.any()


# ---- what runs, and what is refused ----


@pytest.fixture
def never(monkeypatch):
    def fail(*_):
        raise AssertionError("the native convolution ran")

    monkeypatch.setattr(native_convolution, "conv3x3", fail)


def test_native_runs_where_it_should(never):
    x, weight, bias, _ = drawn(2, 16, 16, 8, 8)
    with pytest.raises(AssertionError, match="native convolution ran"):
        ops.conv3x3(x, weight, bias)


@pytest.mark.parametrize(
    "shape",
    [
        (2, 15, 16, 8, 8),
        (2, 16, 15, 8, 8),
        (2, 16, 16, 5, 5),
        (9, 16, 16, 2, 2),
        (1, 16, 16, 1, 64),
        (1, 16, 16, 8, 8),
        (1, 16, 16, 4, 28),
        (0, 16, 16, 8, 8),
    ],
)
def test_torch_runs_where_tiles_pay_little(never, shape):
    x, weight, bias, _ = drawn(*shape)
    assert torch.equal(ops.conv3x3(x, weight, bias), F.conv2d(x, weight, bias, padding=1))


def test_torch_runs_on_the_reference_back_end_and_in_other_dtypes(never):
    x, weight, bias, _ = drawn(2, 16, 16, 8, 8)
    with ops.use_backend("reference"):
        assert torch.equal(ops.conv3x3(x, weight, bias), F.conv2d(x, weight, bias, padding=1))
    for dtype in (torch.float64, torch.bfloat16):
        cast = [t.to(dtype) for t in (x, weight, bias)]
        assert torch.equal(ops.conv3x3(*cast), F.conv2d(*cast, padding=1))


def test_torch_runs_under_autocast(never):
    x, weight, bias, _ = drawn(2, 16, 16, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert ops.conv3x3(x, weight, bias).dtype == torch.bfloat16
        assert ops.conv3x3(x.bfloat16(), weight, bias).dtype == torch.bfloat16


def test_torch_runs_on_other_devices(never):
    x, weight, bias, _ = (t.to("meta") for t in drawn(2, 16, 16, 8, 8))
    assert ops.conv3x3(x, weight, bias).shape == (2, 16, 8, 8)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda x, w, b: (x[0], w, b), "x does not fit"),
        (lambda x, w, b: (x.int(), w, b), "x does not fit"),
        (lambda x, w, b: (x, w[:, :8], b), "weight does not fit"),
        (lambda x, w, b: (x, w[..., :2], b), "weight does not fit"),
        (lambda x, w, b: (x, w.double(), b), "weight does not match"),
        (lambda x, w, b: (x, w.to("meta"), b), "weight does not match"),
        (lambda x, w, b: (x, w, b[:-1]), "bias does not fit"),
        (lambda x, w, b: (x, w, b.double()), "bias does not match"),
    ],
)
def test_what_does_not_fit_is_named(change, named):
    x, weight, bias, _ = drawn(2, 16, 24, 8, 8)
    undecorated = getattr(ops.conv3x3, "__wrapped__", ops.conv3x3)
    with pytest.raises(InputError, match=named):
        undecorated(*change(x, weight, bias))


# ---- the network ----


def network_outputs(network, backend):
    generator = torch.Generator().manual_seed(1)
    b, side = 4, network.config.image_size
    images = torch.randn(b, 5, side, side, generator=generator)
    text, pooled = torch.randn(b, 6, 384, generator=generator), torch.randn(b, 384, generator=generator)
    camera, rays = torch.randn(b, 16, generator=generator), torch.randn(b, 6, 16, 16, generator=generator)
    network.zero_grad()
    with ops.use_backend(backend):
        mask, known = torch.ones(b, 6, dtype=torch.bool), torch.ones(b, dtype=torch.bool)
        mean = network.conditional_mean(text, mask, pooled, camera, rays, known)
        out = network(images, mean, torch.zeros(b), text, mask, pooled, camera, rays, known, 2)
    out.square().mean().backward()
    return [out.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)]


def test_the_network_and_its_training_agree_with_and_without_native_kernels():
    torch.manual_seed(0)
    network = UNet(UNetConfig(image_size=32, channels=(32, 48), depth=(1, 1), text_attention=(False, True),
                              view_attention=(False, True), embedding=32, head=16))  # fmt: skip
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)  # nothing starts at zero
    mine, theirs = network_outputs(network, "native"), network_outputs(network, "reference")
    assert len(mine) == len(theirs) > 30
    for a, b in zip(mine, theirs, strict=True):
        assert error(a, b.double()) < 1e-4
