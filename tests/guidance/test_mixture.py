"""Mixtures, the union of all methods, and the refusals of single ones."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError, DamagedError, UnavailableError
from dreamlab.guidance import (
    AnchorDSConfig,
    CFGConfig,
    DDSConfig,
    GuidanceConfig,
    MixtureConfig,
    NFSDConfig,
    NoiseConfig,
    SDSConfig,
)
from dreamlab.guidance.protocol import Guidance
from dreamlab.priors.analytic import TargetImagesPrior

TWO = ((1.0, 0.2, 0.4, "red"), (-1.0, 0.0, 0.6, "blue"))
POINTS = torch.tensor([[0.3, 0.1], [-0.2, 0.4]], dtype=torch.float64)
KINDS = (
    "sds",
    "sjc",
    "x0",
    "vsd",
    "csd",
    "nfsd",
    "ism",
    "sdi",
    "asd",
    "dds",
    "anchords",
    "rfds",
)


def parse(settings):
    return TypeAdapter(GuidanceConfig).validate_python(settings)


def mixture(*parts, mode="sum") -> MixtureConfig:
    return parse({"kind": "mixture", "mode": mode, "parts": list(parts)})


FIXED = {"kind": "sds"}
LEVEL = NoiseConfig(t_min=0.4, t_max=0.4)
PLAIN = CFGConfig(text=1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_is_chosen_by_its_kind_and_survives_a_round_trip(kind, toy):
    settings = {"kind": kind} | ({"source_prompt": "blue"} if kind == "dds" else {})
    config = parse(settings)
    assert config.kind == kind
    assert parse(config.model_dump(mode="json")) == config
    scene = toy(*TWO)
    guidance = config.build(scene.prior)
    assert isinstance(guidance, Guidance) and guidance.config is config


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValidationError, match=r"'sds'.*'mixture'"):
        parse({"kind": "magic"})


def test_a_sum_is_the_sum_of_its_parts_times_their_weights(toy):
    scene = toy(*TWO)
    one = SDSConfig()
    config = mixture(
        {"guidance": one.model_dump(), "weight": {"start": 0.0, "end": 4.0}},
        {"guidance": one.model_dump(), "weight": 0.5},
    )
    # x0_hat must not depend on the noise here, which the parts draw each for itself.
    scene.prior.denoise = lambda z, t, condition, cameras=None: torch.zeros_like(z)
    got = scene.tell(config.build(scene.prior, PLAIN, LEVEL), POINTS, progress=0.5)[0]
    assert torch.allclose(got, (2.0 + 0.5) * POINTS)


def test_a_part_without_weight_is_not_run(toy):
    scene = toy(*TWO, watch=1)
    config = mixture({"guidance": FIXED, "weight": 0.0}, {"guidance": FIXED})
    metrics = scene.tell(config.build(scene.prior, PLAIN, LEVEL), POINTS)[1].metrics
    assert len(scene.prior.calls) == 1
    assert set(metrics) == {"1.sds.residual", "1.sds.t", "1.sds.grad_norm", "residual", "t"}
    assert metrics["residual"] == metrics["1.sds.residual"]


def test_no_part_at_all_gives_no_gradient_but_a_loss_to_call_backward_on(toy):
    scene = toy(*TWO)
    for mode in ("sum", "sample"):
        guidance = mixture({"guidance": FIXED, "weight": 0.0}, mode=mode).build(scene.prior)
        assert not scene.tell(guidance, POINTS)[0].any()


def test_drawn_parts_come_as_often_as_their_share(toy):
    scene = toy(*TWO)
    parts = ({"guidance": FIXED, "weight": 3.0}, {"guidance": {"kind": "csd"}, "weight": 1.0})
    guidance = mixture(*parts, mode="sample").build(scene.prior)
    kinds = [sorted(scene.tell(guidance, POINTS, seed=s)[1].metrics)[0] for s in range(200)]
    assert all(k.startswith(("0.sds", "1.csd")) for k in kinds)
    assert 0.65 < sum(k.startswith("0.sds") for k in kinds) / 200 < 0.85


def test_a_part_can_ask_another_prior(toy):
    main, other = toy(*TWO, watch=1), toy((0.0, 3.0, 0.3, "red"), watch=1)
    config = mixture({"guidance": FIXED}, {"guidance": FIXED, "prior": "views"})
    main.tell(config.build(main.prior, priors={"views": other.prior}), POINTS)
    assert len(main.prior.calls) == 1 and len(other.prior.calls) == 1
    assert other.prior.calls[0]["tokens"].shape[1] == 1, "embedded by the other prior"


def test_a_part_that_names_no_known_prior_is_refused(toy):
    scene = toy(*TWO)
    with pytest.raises(ConfigError, match="'views'"):
        mixture({"guidance": FIXED, "prior": "views"}).build(scene.prior)


def test_a_mixture_may_hold_mixtures(toy):
    scene = toy(*TWO)
    inner = {"kind": "mixture", "parts": [{"guidance": FIXED}]}
    flat = mixture({"guidance": FIXED}).build(scene.prior)
    nested = mixture({"guidance": inner}).build(scene.prior)
    assert torch.equal(scene.tell(flat, POINTS)[0], scene.tell(nested, POINTS)[0])


def test_an_empty_mixture_is_refused():
    with pytest.raises(ValidationError):
        mixture()


def test_learnt_state_of_parts_is_kept_and_checked(toy):
    scene = toy(*TWO, dtype=torch.float32)
    config = mixture({"guidance": FIXED}, {"guidance": {"kind": "vsd"}})
    first, second = config.build(scene.prior), config.build(scene.prior)
    scene.tell(first, POINTS.float())
    second.load_state_dict(first.state_dict())
    assert torch.equal(scene.tell(first, POINTS.float())[0], scene.tell(second, POINTS.float())[0])
    with pytest.raises(DamagedError, match="another mixture"):
        mixture({"guidance": {"kind": "vsd"}}).build(scene.prior).load_state_dict(first.state_dict())


def test_nfsd_speaks_of_bad_pictures_where_the_run_has_no_negative_prompt(toy):
    parts = (*TWO, (0.0, -1.0, 0.5, "bad"))
    output, untold = toy(*parts, negative="bad"), toy(*parts)
    method = NFSDConfig(bad_pictures="bad")
    expected = output.tell(method.build(output.prior), POINTS)[0]
    assert torch.equal(untold.tell(method.build(untold.prior), POINTS)[0], expected)
    other = NFSDConfig(bad_pictures="blue").build(output.prior)
    assert torch.equal(output.tell(other, POINTS)[0], expected), "the run's own words come first"


def test_dds_asks_for_its_source(toy):
    scene = toy(*TWO)
    with pytest.raises(ConfigError, match="source"):
        scene.tell(DDSConfig(source_prompt="blue").build(scene.prior), POINTS)
    with pytest.raises(ValidationError):
        DDSConfig.model_validate({})


def test_anchords_asks_for_a_prior_that_sees_images():
    zero = torch.zeros(1)
    prior = TargetImagesPrior(torch.zeros(1, 3, 1, 1), orbit_cameras(zero, zero, zero + 1, zero + 1, (1, 1)))
    with pytest.raises(UnavailableError, match="TargetImagesPrior"):
        AnchorDSConfig().build(prior)


def test_anchords_leaves_out_views_that_the_prior_did_not_take_in(toy):
    scene = toy(*TWO)
    far = torch.tensor([[1.0, 0.2], [30.0, 30.0]], dtype=torch.float64)
    level = NoiseConfig(t_min=0.3, t_max=0.3)
    gradient, everything = (
        scene.tell(AnchorDSConfig(max_deviation=most).build(scene.prior, noise=level), far)[0]
        for most in (4.0, None)
    )
    assert torch.equal(gradient[0], everything[0]) and everything[1].any() and not gradient[1].any()
