"""What a training has shown: expected images by noun and word, through saving, resuming and starting anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dreamlab.cli import main
from dreamlab.priors.embedded.prior import load_network, read_vocabulary, save_network
from dreamlab.priors.embedded.unet import UNetConfig
from dreamlab.studio.batches import BatchConfig, Batches
from dreamlab.studio.corpus import Corpus, CorpusConfig, gather
from dreamlab.studio.train import TrainConfig, Trainer, train
from dreamlab.studio.vocabulary_counts import vocabulary_counts

BATCH = BatchConfig(images=8, single=0.5, shares=(0.6, 0.2, 0.2))
SMALL = TrainConfig(
    network=UNetConfig(channels=(16, 16, 16), embedding=32, head=16, light_field=(32, 2)),
    batch=BATCH,
    warmup=2,
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Three mushrooms, three cars and two scenes; the last car is called a model of a folder."""
    drawn = gather(CorpusConfig(nouns=("mushroom", "car"), per_noun=3, scenes=2))[0]
    source = drawn.source.copy()
    source[5] = 2
    return Corpus(**{**drawn.__dict__, "source": source})


def test_an_object_is_seen_with_the_share_of_its_source(corpus: Corpus) -> None:
    taught = vocabulary_counts(corpus, BATCH)
    assert taught.nouns["mushroom"] == pytest.approx((8 * 0.6 * 3 / 5, 0))
    assert taught.nouns["car"] == pytest.approx((8 * 0.6 * 2 / 5, 8 * 0.2))
    assert taught.steps == 1 and taught.images == 8 and "dark red" in taught.colors


def test_expected_counts_are_those_of_many_batches(corpus: Corpus) -> None:
    counts = [len(c) for c in corpus.captions]
    first = np.cumsum([0, *counts])[:-1]
    batches = Batches(corpus, first, BATCH.model_copy(update={"single": 1.0, "size": 4}), 0)
    flat = [caption for captions in corpus.captions for caption in captions]
    drawn = [flat[int(row)] for step in range(150) for row in batches[step].caption]
    share = np.mean(["mushroom" in caption.split() for caption in drawn])
    expected = vocabulary_counts(corpus, BATCH).words["mushroom"] / 8
    assert share == pytest.approx(expected, abs=0.05)


def test_held_out_objects_teach_nothing(corpus: Corpus) -> None:
    held = np.arange(len(corpus)) < 3  # all mushrooms
    assert "mushroom" not in vocabulary_counts(Corpus(**{**corpus.__dict__, "held_out": held}), BATCH).nouns


def test_weights_tell_what_they_were_taught_through_every_beginning(corpus: Corpus, tmp_path: Path) -> None:
    each = vocabulary_counts(corpus, BATCH)
    list(train(Trainer(SMALL), corpus, tmp_path / "one", 2))
    assert read_vocabulary(tmp_path / "one/embedded.safetensors") == each.plus(each)
    resumed = Trainer.load(tmp_path / "one")
    list(train(resumed, corpus, tmp_path / "one", 3))
    three = read_vocabulary(tmp_path / "one/embedded.safetensors")
    assert three is not None and three.steps == 3 and three.images == 24
    anew = Trainer(SMALL)
    anew.begin_from(load_network(tmp_path / "one/embedded.safetensors"), three)
    assert anew.step == 0
    list(train(anew, corpus, tmp_path / "two", 1))
    four = read_vocabulary(tmp_path / "two/embedded.safetensors")
    assert four is not None and four.steps == 4
    assert four.words["mushroom"] == pytest.approx(4 * each.words["mushroom"], abs=0.05)


def test_older_weights_are_given_a_vocabulary_from_their_corpus(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "w.safetensors"
    save_network(weights, SMALL.network, Trainer(SMALL).average)
    corpus.save(tmp_path / "corpus")
    assert main(["studio", "vocabulary", str(weights), str(tmp_path / "corpus"), "--steps", "400"]) == 0
    assert "6 nouns, 6 of them learned" in capsys.readouterr().out
    found = read_vocabulary(weights)
    assert found is not None and found.steps == 400 and found.learned()[:2] == ("car", "mushroom")
    assert set(found.learned()[2:]) == {"automobile", "sedan", "toadstool", "fungus"}
