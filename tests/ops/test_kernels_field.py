"""Hash encoding and MLP: every back end against the reference in float64, values and gradients."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_sets import BACKENDS, TRITON

from dreamlab import ops
from dreamlab.core.errors import InputError
from dreamlab.ops import interface
from dreamlab.ops.field import native, reference
from dreamlab.ops.interface import HashGridSpec

SPECS = {
    "dense": HashGridSpec(levels=2, log2_table_size=14, base_resolution=5, finest_resolution=11),
    "mixed": HashGridSpec(levels=5, log2_table_size=10, base_resolution=4, finest_resolution=37),
    "one level": HashGridSpec(
        levels=1, features=1, log2_table_size=6, base_resolution=9, finest_resolution=9
    ),
    "wide rows": HashGridSpec(
        levels=3, features=8, log2_table_size=8, base_resolution=3, finest_resolution=20
    ),
    "four": HashGridSpec(levels=3, features=4, log2_table_size=9, base_resolution=3, finest_resolution=20),
    "sixteen": HashGridSpec(levels=16, log2_table_size=9, base_resolution=4, finest_resolution=60),
}
SIZES = {"native": (0, 1, 15, 16, 17, 47, 48, 49, 997), "triton": (0, 301)}  # the interpreter is slow


def twin(tensor):
    return tensor.detach().double().requires_grad_(tensor.requires_grad)


def inputs(spec, n, seed=0):
    """Points on a fine binary lattice: their float32 products with the scales lose little, so twins can be
    compared.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 1025, (n, 3), generator=generator) / 1024
    table = torch.randn(spec.table_rows, spec.features, generator=generator)
    return x.requires_grad_(), table.requires_grad_()


def layers(*widths, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(o, i, generator=generator) / i**0.5).requires_grad_()
        for i, o in itertools.pairwise(widths)
    ]


def compare(result, expected, pairs, tolerance=2e-4):
    """Values, and after a backward pass of random gradients, the gradients of all pairs of leaves."""
    torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)
    gradient = torch.randn(result.shape, generator=torch.Generator().manual_seed(7))
    result.backward(gradient)
    expected.backward(gradient.double())
    for mine, theirs in pairs:
        scale = float(theirs.grad.abs().max()) if theirs.grad.numel() else 1.0
        torch.testing.assert_close(
            mine.grad.double(), theirs.grad, atol=tolerance * max(scale, 1), rtol=tolerance
        )


@pytest.mark.parametrize("name", SPECS)
def test_encoding_and_its_gradients_equal_the_float64_twin(name, kernels):
    spec = SPECS[name]
    for n in SIZES[kernels]:
        x, table = inputs(spec, n)
        x64, table64 = twin(x), twin(table)
        with ops.use_backend(kernels):
            result = ops.hash_encode(x, table, spec)
        compare(result, reference.hash_encode(x64, table64, spec), [(x, x64), (table, table64)])


@pytest.mark.parametrize(
    "widths", [(1, 1), (3, 5, 2), (16, 64, 64, 4), (10, 33, 17, 5, 1), (128, 128, 128), (16, 48, 80)]
)
def test_mlp_and_its_gradients_equal_the_float64_twin(widths, kernels):
    for n in SIZES[kernels]:
        weights = layers(*widths)
        x = torch.randn(n, widths[0], generator=torch.Generator().manual_seed(n)).requires_grad_()
        x64, weights64 = twin(x), [twin(w) for w in weights]
        assert_no_relu_at_its_corner(x64, weights64)
        with ops.use_backend(kernels):
            result = ops.mlp(x, weights)
        compare(result, reference.mlp(x64, weights64), [(x, x64), *zip(weights, weights64, strict=True)])


def assert_no_relu_at_its_corner(x, weights):
    """Where a sum is nearly 0, float32 and float64 may take different sides of the ReLU: move those weights
    away.
    """
    with torch.no_grad():
        for weight in weights[:-1]:
            x = x @ weight.T
            assert not x.numel() or x.abs().min() > 1e-7, "another seed, please"
            x = x.relu()


@pytest.mark.parametrize("name", SPECS)
def test_the_fused_kernel_equals_encoding_then_mlp(name, instruction_set):
    spec = SPECS[name]
    x, table = inputs(spec, 301)
    weights = layers(spec.width, 32, 5)
    leaves = [x, table, *weights]
    gradient = torch.randn(301, 5, generator=torch.Generator().manual_seed(3))
    with ops.use_backend("native"):
        fused = ops.encode_mlp(x, table, spec, weights)
        apart = ops.mlp(ops.hash_encode(x, table, spec), weights)
        assert torch.equal(fused, apart)
        with torch.no_grad():
            assert torch.equal(ops.encode_mlp(x, table, spec, weights), fused)
    for mine, other in zip(
        torch.autograd.grad(fused, leaves, gradient),
        torch.autograd.grad(apart, leaves, gradient),
        strict=True,
    ):
        assert torch.equal(mine, other)


def test_keeping_hidden_activations_or_computing_them_again_gives_the_same_bytes(
    monkeypatch, instruction_set
):
    spec = SPECS["mixed"]
    x, table = inputs(spec, 301)
    weights = layers(spec.width, 64, 33, 5)
    leaves = [x, table, *weights]
    outcomes, asked = [], []
    call = native.call
    monkeypatch.setattr(native, "call", lambda name, *args: asked.append((name, args)) or call(name, *args))
    for limit in (native._MOST_HIDDEN_BYTES, 0):
        monkeypatch.setattr(native, "_MOST_HIDDEN_BYTES", limit)
        with ops.use_backend("native"):
            fused = ops.encode_mlp(x, table, spec, weights)
            alone = ops.mlp(x, layers(3, 20, 20, 2))
        outcomes.append(
            [
                fused,
                alone,
                *torch.autograd.grad(fused.square().sum(), leaves),
                *torch.autograd.grad(alone.square().sum(), x),
            ]
        )
    kept = [args[5] is not None for name, args in asked if name == "dl_mlp_backward"]
    assert kept == [True, True, False, False], "the limit decides"
    assert all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True))


def test_without_gradients_long_inputs_go_through_in_parts_with_the_same_bytes():
    spec = HashGridSpec(levels=2, log2_table_size=9, base_resolution=3, finest_resolution=20)
    generator = torch.Generator().manual_seed(4)
    x, weights = torch.rand((1 << 16) + 101, 3, generator=generator), layers(spec.width, 5, 2)
    table = torch.randn(spec.table_rows, 2, generator=generator)
    with ops.use_backend("native"):
        whole = ops.encode_mlp(x, table, spec, weights)
        with torch.no_grad():
            parts = ops.encode_mlp(x, table, spec, weights)
    assert torch.equal(whole, parts)


def test_several_graphs_may_wait_for_their_backward_pass():
    spec = SPECS["mixed"]
    weights = layers(spec.width, 16, 2)
    results = []
    for seed in range(3):
        x, table = inputs(spec, 200, seed)
        results.append((table, ops.encode_mlp(x, table, spec, weights)))
    for seed, (table, result) in enumerate(results):
        (first,) = torch.autograd.grad(result.sum(), table, retain_graph=True)
        (again,) = torch.autograd.grad(result.sum(), table)
        x, other = inputs(spec, 200, seed)
        (alone,) = torch.autograd.grad(reference.encode_mlp(x, other, spec, weights).sum(), other)
        assert torch.equal(first, again)
        torch.testing.assert_close(first, alone, atol=1e-4, rtol=1e-4)


def test_threads_do_not_change_a_byte():
    spec = SPECS["sixteen"]
    x, table = inputs(spec, 5000)
    weights = layers(spec.width, 64, 64, 4)
    outcomes = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with ops.use_backend("native"):
                result = ops.encode_mlp(x, table, spec, weights)
            outcomes.append([result, *torch.autograd.grad(result.square().sum(), [x, table, *weights])])
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        assert all(torch.equal(a, b) for a, b in zip(outcomes[0], other, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_outside_are_clamped_and_have_no_gradient(backend):
    spec = SPECS["mixed"]
    _, table = inputs(spec, 1)
    outside = torch.tensor(
        [[-3.0, 0.3, 0.6], [1e30, 0.3, 0.6], [0.2, float("-inf"), 0.6], [1e-42, 0.5, -1e-42]]
    )
    with ops.use_backend(backend):
        result = ops.hash_encode(outside.requires_grad_(), table, spec)
        assert torch.equal(result, ops.hash_encode(outside.detach().clamp(0, 1), table, spec))
    result.sum().backward()
    beyond = (outside.detach() < 0) | (outside.detach() > 1)
    assert (outside.grad[beyond] == 0).all()
    assert (outside.grad[~beyond] != 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_that_is_no_number_gives_no_number_and_harms_no_other(backend):
    spec = SPECS["mixed"]
    x, table = inputs(spec, 40)
    broken = x.detach().clone()
    broken[3, 1] = float("nan")
    weights = layers(spec.width, 8, 2)
    with ops.use_backend(backend):
        result, good = ops.encode_mlp(broken, table, spec, weights), ops.encode_mlp(x, table, spec, weights)
    others = torch.arange(40) != 3
    assert result[3].isnan().all()
    torch.testing.assert_close(result[others], good[others], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_huge_and_denormal_tables_pass_through(scale, kernels):
    spec = SPECS["mixed"]
    x, table = inputs(spec, 33)
    with torch.no_grad(), ops.use_backend(kernels):
        result = ops.hash_encode(x, table * scale, spec)
    expected = reference.hash_encode(x.double(), (table * scale).double(), spec)
    torch.testing.assert_close(result.double(), expected, atol=scale * 1e-4 + 1e-44, rtol=1e-3)


@given(
    levels=st.integers(1, 6),
    features=st.sampled_from([1, 2, 4, 8]),
    log2_table_size=st.integers(3, 12),
    base=st.integers(2, 20),
    growth=st.integers(0, 40),
    n=st.integers(0, 60),
)
@settings(max_examples=40, deadline=None)
def test_any_layout_agrees_with_the_twin(levels, features, log2_table_size, base, growth, n):
    spec = HashGridSpec(levels, features, log2_table_size, base, base + growth)
    x, table = inputs(spec, n)
    x64, table64 = twin(x), twin(table)
    with ops.use_backend("native"):
        compare(
            ops.hash_encode(x, table, spec), reference.hash_encode(x64, table64, spec), [(table, table64)]
        )


def test_non_contiguous_tensors_are_as_good_as_any():
    spec = SPECS["mixed"]
    x, table = inputs(spec, 50)
    weights = layers(spec.width, 20, 3)
    turned = [w.detach().T.contiguous().T.requires_grad_() for w in weights]
    strided = torch.stack([x.detach(), x.detach()], dim=1)[:, 1].requires_grad_()
    assert not strided.is_contiguous() and not turned[0].is_contiguous()
    with ops.use_backend("native"):
        plain = ops.encode_mlp(x, table, spec, weights)
        odd = ops.encode_mlp(strided, table, spec, turned)
    assert torch.equal(plain, odd)
    gradient = torch.ones(50, 6)[:, ::2]
    plain.backward(gradient)
    odd.backward(gradient)
    assert torch.equal(x.grad, strided.grad) and torch.equal(weights[0].grad, turned[0].grad)


def test_wrong_dtypes_and_shapes_are_refused_with_a_reason():
    spec = SPECS["mixed"]
    x, table = (t.detach() for t in inputs(spec, 4))
    weights = [w.detach() for w in layers(spec.width, 8, 2)]
    with ops.use_backend("native"):
        with pytest.raises(InputError, match="float32 on cpu, got float64"):
            ops.hash_encode(x.double(), table.double(), spec)
        with pytest.raises(InputError, match="float32 on cpu, got bfloat16"):
            ops.mlp(x.bfloat16(), [torch.zeros(2, 3).bfloat16()])
        with pytest.raises(InputError, match=r"widths 1\.\.128"):
            ops.mlp(x, [torch.zeros(129, 3), torch.zeros(2, 129)])
    with pytest.raises(InputError, match=r"table does not fit; expected float tensor \[\d+, 2\]"):
        interface.check_hash_encode(x, table[:-1], spec)
    with pytest.raises(InputError, match="x does not fit"):
        interface.check_hash_encode(x[:, :2], table, spec)
    with pytest.raises(InputError, match="does not match its partners"):
        interface.check_hash_encode(x.double(), table, spec)
    with pytest.raises(InputError, match=r"x does not fit.*int64"):
        interface.check_hash_encode(x.long(), table, spec)
    with pytest.raises(InputError, match=r"weights\[1\] does not fit"):
        interface.check_mlp(spec.width, x, [weights[0], weights[1][:, :-1]])
    with pytest.raises(InputError, match="at least one layer"):
        interface.check_mlp(3, x, [])


@pytest.mark.parametrize("backend", ["native", TRITON])
def test_a_second_derivative_is_refused_not_wrong(backend):
    spec = SPECS["mixed"]
    x, table = inputs(spec, 5)
    with ops.use_backend(backend):
        (first,) = torch.autograd.grad(ops.hash_encode(x, table, spec).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


# ---- the layout itself ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dense_level_reproduces_linear_functions(backend):
    spec = SPECS["dense"]
    table = torch.zeros(spec.table_rows, 2)
    for level in range(2):
        r = spec.resolutions[level]
        z, y, x = torch.meshgrid(*[torch.arange(r, dtype=torch.float32)] * 3, indexing="ij")
        values = torch.stack([x + 2 * y - 3 * z, y * 0 + 1], dim=-1).reshape(-1, 2)
        table[spec.offsets[level] : spec.offsets[level] + r**3] = values
    points = (
        torch.rand(100, 3, generator=torch.Generator().manual_seed(0)) * 0.8
    )  # inside the outer half cell
    with ops.use_backend(backend):
        result = ops.hash_encode(points, table, spec)
    for level in range(2):
        position = points * spec.scales[level] + 0.5
        torch.testing.assert_close(result[:, 2 * level], position @ torch.tensor([1.0, 2.0, -3.0]))
        torch.testing.assert_close(result[:, 2 * level + 1], torch.ones(100))


def test_hashed_rows_follow_the_published_hash():
    spec = HashGridSpec(levels=1, features=1, log2_table_size=7, base_resolution=33, finest_resolution=33)
    assert not spec.dense[0]
    vertex = np.array([[5, 11, 29], [0, 0, 1], [30, 2, 17]], dtype=np.uint32)
    primes = np.array([1, 2654435761, 805459861], dtype=np.uint32)
    rows = np.bitwise_xor.reduce(vertex * primes, axis=1) % 128
    points = (torch.from_numpy(vertex.astype(np.float32)) - 0.5) / spec.scales[0]
    table = torch.arange(128.0)[:, None]
    inside = points[:1]  # the other vertices lie in the outer half cell, where points are clamped
    torch.testing.assert_close(
        ops.hash_encode(inside, table, spec)[:, 0], torch.tensor([float(rows[0])]), atol=1e-3, rtol=0
    )
    for which in (0, 2):
        cell = torch.from_numpy(vertex[which].astype(np.int64)).view(1, 1, 3)
        levels = reference._levels(spec, cell.device, torch.float32)
        assert reference._rows(cell, levels)[0, 0, 0] == rows[which]


def test_layout_figures():
    spec = HashGridSpec(levels=3, features=2, log2_table_size=12, base_resolution=16, finest_resolution=64)
    assert spec.per_level_scale == pytest.approx(2.0)
    assert spec.resolutions == (16, 32, 64)
    assert spec.rows == (4096, 4096, 4096)
    assert spec.dense == (True, False, False)
    assert spec.offsets == (0, 4096, 8192, 12288)
    assert (spec.table_rows, spec.width) == (12288, 6)
    assert HashGridSpec(levels=1, base_resolution=5, finest_resolution=5).rows == (128,), (
        "125 rows padded to 8"
    )


@pytest.mark.parametrize("wrong", [{"levels": 0}, {"levels": 17}, {"features": 3}, {"log2_table_size": 30},
                                   {"base_resolution": 1}, {"finest_resolution": 3}])  # fmt: skip
def test_impossible_layouts_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        HashGridSpec(**wrong)
