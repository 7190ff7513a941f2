"""The measure of memorising: it tells a prior that remembers its corpus from one that does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from dreamlab.evaluate.prompts import VIEWS, render_mesh_views
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.embedded.unet import UNet, UNetConfig
from dreamlab.studio.corpus import CorpusConfig, gather

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import memorised as script


class Rememberer(EmbeddedPrior):
    """Predictions with photographs of certain objects, one after the other."""

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__(UNet(UNetConfig(channels=(16, 16, 16), embedding=32, head=16)))
        self.x = x

    def mean(self, condition, cameras):
        return self.x

    def denoise(self, z_t, t, condition, views=None):
        return self.x


def test_a_prior_that_remembers_its_corpus_errs_on_fresh_objects_alone() -> None:
    corpus = gather(CorpusConfig(nouns=("mug",), per_noun=1, scenes=0))[0]
    known = render_mesh_views(*corpus.mesh(0), script._CAMERAS)
    rows = script.measured(Rememberer(known), corpus, 1)
    assert len(known) == VIEWS and set(rows["corpus"].values()) == {0.0}
    assert min(rows["fresh"].values()) > 0.001


def test_the_loss_of_v_is_the_error_of_x0_over_the_noise() -> None:
    corpus = gather(CorpusConfig(nouns=("mug",), per_noun=1, scenes=0))[0]
    known = render_mesh_views(*corpus.mesh(0), script._CAMERAS)
    found = script.measured(Rememberer(known + 0.1), corpus, 1)["corpus"]
    assert found["mean"] == pytest.approx(0.01, rel=1e-3)
    assert found["v 0.5"] == pytest.approx(0.02, rel=1e-3)  # sigma^2 = 1/2


def test_a_corpus_without_procedural_objects_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gather(CorpusConfig(nouns=("mug", "table"), per_noun=0, scenes=1))[0].save(tmp_path)
    assert script.main([str(tmp_path)]) == 2
    assert "--per-noun" in capsys.readouterr().err
