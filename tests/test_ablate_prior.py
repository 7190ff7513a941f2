"""The ablation: every arm can be trained, and renders look to its prior as photographs did in training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from dreamlab.core.types import RenderOutput
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.studio.corpus import Corpus, CorpusConfig, gather

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import ablate_prior as script
from ablate_prior import ARMS, ChannelsPrior, ChannelsTrainer, bent, opaque

from dreamlab.core.cameras import turntable


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return gather(CorpusConfig(nouns=("banana", "car"), per_noun=2, scenes=0))[0]


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_differs_from_the_base_and_can_be_trained(name: str, corpus: Corpus) -> None:
    arm, base = ARMS[name], ARMS["base"]
    assert name == "base" or arm.config(2) != base.config(2) or arm.channels is not base.channels
    trainer = ChannelsTrainer(arm.config(2), arm.channels)
    (event,) = trainer.steps(corpus, 1)
    assert 0 < event.loss < 3


@pytest.mark.parametrize("name", ["base", "rgba", "rgb", "normals"])
def test_a_render_is_seen_as_a_photograph_was(name: str) -> None:
    random = torch.Generator().manual_seed(0)
    opacity = torch.rand(2, 64, 64, 1, generator=random)
    color = torch.rand(2, 64, 64, 3, generator=random) * opacity
    behind = torch.rand(2, 1, 1, 3, generator=random)
    cameras = turntable(2, 0.3, 2.5, 0.7, (64, 64))
    depth = 2.5 * opacity
    backdrop = behind.expand_as(color)
    render = RenderOutput(color + (1 - opacity) * behind, opacity, depth, backdrop)
    prior = ChannelsPrior(ChannelsTrainer(ARMS[name].config(2), ARMS[name].channels))
    got = prior.encode(render, cameras).x
    plain = to_model_space(color, opacity, torch.zeros_like(opacity))
    wanted = ARMS[name].channels(plain, behind.movedim(-1, 1))
    assert torch.allclose(got[:, :4], wanted[:, :4], atol=1e-5)
    assert bool(got[:, 4].abs().max() > 0) is (name in ("base", "normals"))
    assert (got[:, 3].abs().max() == 0) == (ARMS[name].channels is opaque)


def test_the_normals_of_a_ball_point_away_from_its_centre() -> None:
    y, x = torch.meshgrid(*[(torch.arange(64) + 0.5) / 32 - 1] * 2, indexing="ij")
    ball = (x**2 + y**2 < 0.8**2).float()
    z = (0.8**2 - x**2 - y**2).clamp_min(0).sqrt()
    seen = to_model_space(ball.expand(1, 3, 64, 64).movedim(1, -1), ball[None, ..., None], z[None, ..., None])
    got = bent(seen, torch.zeros(1, 3, 1, 1))[0, 4:]
    inner = x**2 + y**2 < 0.6**2
    wanted = torch.stack([x, -y, z]) / 0.8
    assert (got - wanted)[:, inner].abs().max() < 0.02
    assert (got[:, ball == 0] == 0).all() and bool((got.norm(dim=0) > 0.99)[ball == 1].all())


def test_an_arm_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([str(tmp_path / "out.json"), "--arms", "base,rgbd"]) == 2
    assert "rgbd" in capsys.readouterr().err and not (tmp_path / "out.json").exists()
