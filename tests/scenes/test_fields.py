"""Laws that hold for every field, and what is particular to one."""

import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from dreamlab.core.types import Field
from dreamlab.scenes import (
    DensityConfig,
    FieldConfig,
    HashGridField,
    HashGridFieldConfig,
    MLPField,
    MLPFieldConfig,
    SDFFieldConfig,
    VoxelField,
    VoxelFieldConfig,
)

AnyField = HashGridField | MLPField | VoxelField
CONFIGS = [
    HashGridFieldConfig(levels=4, log2_table_size=10, finest_resolution=64, width=16),
    MLPFieldConfig(blocks=2, width=16, frequencies=3),
    VoxelFieldConfig(resolution=12),
    SDFFieldConfig(levels=4, log2_table_size=10, finest_resolution=64, width=16),
]
EVERY_FIELD = pytest.mark.parametrize("config", CONFIGS, ids=[c.kind for c in CONFIGS])
EVERY_DENSITY = pytest.mark.parametrize("config", CONFIGS[:3], ids=[c.kind for c in CONFIGS[:3]])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int = 500, reach: float = 1.0) -> torch.Tensor:
    return (torch.rand(n, 3, generator=rng(5)) * 2 - 1) * reach


@EVERY_FIELD
def test_field_keeps_the_protocol_and_its_ranges(config: FieldConfig) -> None:
    field = config.build(rng())
    assert isinstance(field, Field)
    sigma, rgb = field(points())
    assert sigma.shape == (500,) and rgb.shape == (500, 3)
    assert (sigma >= 0).all() and (rgb >= 0).all() and (rgb <= 1).all()
    torch.testing.assert_close(field.density(points()), sigma)


@EVERY_FIELD
def test_field_starts_as_a_soft_ball_in_the_middle(config: FieldConfig) -> None:
    field = config.build(rng())
    radius = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8])
    direction = torch.nn.functional.normalize(points(64), dim=-1)
    sigma = torch.stack([field.density(direction * r).mean() for r in radius])
    assert (sigma.diff() < 0).all()
    assert sigma[0] > 5 and sigma[-1] < 1.2


@EVERY_FIELD
def test_nothing_is_outside_the_unit_sphere(config: FieldConfig) -> None:
    field = config.build(rng())
    beyond = torch.nn.functional.normalize(points(64), dim=-1) * 1.001
    assert torch.equal(field.density(beyond), torch.zeros(64))
    assert torch.equal(field.density(beyond * 5), torch.zeros(64))


@EVERY_FIELD
def test_same_generator_same_field(config: FieldConfig) -> None:
    a, b, other = (config.build(rng(s)).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], other[k]) for k in a)


@EVERY_DENSITY
def test_state_carries_the_whole_field(config: FieldConfig) -> None:
    a, b = config.build(rng(1)), config.build(rng(2))
    a.activation.blob_factor.fill_(1.7)
    b.load_state_dict(a.state_dict())
    for x, y in zip(a(points()), b(points()), strict=True):
        assert torch.equal(x, y)


@EVERY_FIELD
def test_every_parameter_gets_gradient_from_density_and_colour(config: FieldConfig) -> None:
    field = config.build(rng())
    sigma, rgb = field(points(4000, 0.7))
    (sigma.sum() + rgb.square().sum()).backward()
    for name, parameter in field.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@EVERY_FIELD
def test_every_parameter_has_one_group(config: FieldConfig) -> None:
    field = config.build(rng())
    grouped = [name for names in field.parameter_groups().values() for name in names]
    assert sorted(grouped) == sorted(name for name, _ in field.named_parameters())


@EVERY_DENSITY
def test_a_density_does_not_change_with_the_stage(config: FieldConfig) -> None:
    field = config.build(rng())
    before = {k: v.clone() for k, v in field.state_dict().items()}
    field.advance(1.0)
    assert all(torch.equal(v, before[k]) for k, v in field.state_dict().items())


@EVERY_DENSITY
def test_restart_forgets_and_makes_the_ball_denser(config: FieldConfig) -> None:
    field = config.build(rng(3))
    fresh = {k: v.clone() for k, v in field.state_dict().items()}
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(1.0)
    field.restart(rng(3))
    assert all(torch.equal(v, fresh[k]) for k, v in field.state_dict().items())
    centre, far = torch.zeros(1, 3), torch.tensor([[0.9, 0.0, 0.0]])
    before = field.density(centre), field.density(far)
    field.restart(rng(3), blob_factor=2.0)
    assert field.density(centre) > 1.9 * before[0]
    assert field.density(far) < 2 * before[1] + 1e-3


@pytest.mark.parametrize("raw", [-3.0, 0.0, 4.0])
@pytest.mark.parametrize("activation", ["softplus", "exp"])
@pytest.mark.parametrize("blob", ["linear", "gaussian"])
def test_density_is_its_formula(raw: float, activation: str, blob: str) -> None:
    config = DensityConfig.model_validate(
        {"activation": activation, "blob": blob, "strength": 4.0, "radius": 0.4, "scale": 3.0}
    )
    r = 0.3
    added = 4 * (1 - r / 0.4) if blob == "linear" else 4 * math.exp(-(r**2) / (2 * 0.4**2))
    pre = raw + added
    expected = 3 * (math.log1p(math.exp(pre)) if activation == "softplus" else math.exp(pre))
    got = config.build()(torch.tensor([raw]), torch.tensor([[0.0, r, 0.0]]))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_exp_density_does_not_overflow() -> None:
    density = DensityConfig(activation="exp", blob="gaussian").build()
    raw = torch.tensor([200.0], requires_grad=True)
    density(raw, torch.zeros(1, 3)).sum().backward()
    assert density(raw, torch.zeros(1, 3)).isfinite().all() and raw.grad is not None
    assert raw.grad.isfinite().all()


def test_box_bound_reaches_the_corners() -> None:
    density = DensityConfig(bound="box", strength=0.0).build()
    x = torch.tensor([[0.99, 0.99, 0.99], [1.01, 0.0, 0.0]])
    assert (density(torch.ones(2), x) > 0).tolist() == [True, False]


def test_voxels_reproduce_a_linear_function_on_the_right_axes() -> None:
    field = VoxelFieldConfig(resolution=5, density=DensityConfig(strength=0.0)).build(rng())
    axis = torch.linspace(-1, 1, 5)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    with torch.no_grad():
        field.grid.copy_(torch.stack([x, y, z, x + 2 * y + 3 * z])[None])
    p = points(200, 0.9)
    expected = torch.cat([p, (p * torch.tensor([1.0, 2.0, 3.0])).sum(-1, keepdim=True)], dim=-1)
    torch.testing.assert_close(field.raw(p), expected, atol=1e-5, rtol=0)


def test_hash_grid_covers_the_box_from_corner_to_corner() -> None:
    """One dense level of grid = x: the encoding must rise from -1 to 1 along x, as its vertices do."""
    field = HashGridFieldConfig(levels=1, base_resolution=8, log2_table_size=12).build(rng())
    spec, resolution = field.spec, field.spec.resolutions[0]
    vertex = torch.arange(resolution**3) % resolution
    with torch.no_grad():
        field.table.zero_()
        field.table[: resolution**3, 0] = vertex.float()
        # A width-16 identity on the first feature.
        for weight in field.weights:
            weight.zero_()
            weight[:, 0] = 1.0
    x = torch.linspace(-0.8, 0.8, 9)
    with torch.no_grad():
        raw = field.raw(torch.stack([x, torch.zeros(9), torch.zeros(9)], dim=-1))[:, 0]
    steps = raw.diff()
    assert (steps > 0).all()
    torch.testing.assert_close(steps, steps[:1].expand(8), rtol=1e-3, atol=1e-3)
    # A step of 0.2 in world units is 0.1 of the scale in vertices.
    assert float(steps[0]) == pytest.approx(spec.scales[0] / 10, rel=1e-3)


def test_kind_chooses_the_field() -> None:
    adapter: TypeAdapter[FieldConfig] = TypeAdapter(FieldConfig)
    assert isinstance(adapter.validate_python({"kind": "voxel", "resolution": 8}), VoxelFieldConfig)
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "octree"})
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "mlp", "levels": 3})
