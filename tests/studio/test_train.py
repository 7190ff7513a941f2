"""Corpus, batches and training: the same seed gives the same bytes, and a killed training goes on
exactly.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamlab.core.errors import InputError
from dreamlab.core.types import Condition
from dreamlab.priors.embedded.text import encode_text
from dreamlab.priors.embedded.unet import UNetConfig
from dreamlab.studio import captions
from dreamlab.studio.batches import BatchConfig, Batches, sample_cameras, two_rings
from dreamlab.studio.captions import CaptionTable
from dreamlab.studio.corpus import Corpus, CorpusConfig, gather
from dreamlab.studio.train import PICTURE_LEVELS, TrainConfig, Trainer, train

SMALL = TrainConfig(
    network=UNetConfig(channels=(16, 16, 16), embedding=32, head=16, light_field=(32, 2)),
    batch=BatchConfig(images=8, views=(4,), single=0.5),
    warmup=2,
    mean_first=0,
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return gather(CorpusConfig(nouns=("mushroom", "car"), per_noun=3, scenes=2))[0]


def batches(corpus: Corpus) -> Batches:
    first = np.cumsum([0, *(len(c) for c in corpus.captions)])[:-1]
    return Batches(corpus, first, SMALL.batch, 0)


def test_the_same_config_gathers_the_same_bytes(corpus: Corpus) -> None:
    again = gather(CorpusConfig(nouns=("mushroom", "car"), per_noun=3, scenes=2))[0]
    assert np.array_equal(again.vertices, corpus.vertices) and again.captions == corpus.captions


def test_a_corpus_survives_the_disk(corpus: Corpus, tmp_path: Path) -> None:
    corpus.save(tmp_path)
    back = Corpus.load(tmp_path)
    assert back.captions == corpus.captions and back.nouns == corpus.nouns
    for index in range(len(corpus)):
        for a, b in zip(back.mesh(index), corpus.mesh(index), strict=True):
            assert np.array_equal(a, b)


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="studio gather"):
        Corpus.load(tmp_path)


def test_a_batch_depends_on_its_number_alone(corpus: Corpus) -> None:
    one, two = batches(corpus), batches(corpus)
    one[3]
    for a, b in zip(one[5], two[5], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one[5].x, one[6].x)


def test_held_out_objects_are_never_drawn(corpus: Corpus) -> None:
    held = np.zeros(len(corpus), bool)
    held[:3] = True  # all mushrooms
    shy = Corpus(**{**corpus.__dict__, "held_out": held})
    first = np.cumsum([0, *(len(c) for c in shy.captions)])[:-1]
    drawn = torch.cat([Batches(shy, first, SMALL.batch, 0)[step].caption for step in range(20)])
    assert int(drawn.min()) >= first[3]


def test_views_of_a_group_fit_the_picture() -> None:
    azimuth, elevation, distance, fovy = sample_cameras(np.random.default_rng(0), 500, 4)
    assert 0 <= azimuth.min() and azimuth.max() <= 2 * np.pi
    assert elevation.min() < 0 and elevation.max() > 1.2
    assert np.all(distance * np.sin(fovy / 2) >= 0.92 - 1e-6)


def test_two_rings_stand_evenly_one_above_the_other() -> None:
    azimuth, elevation = two_rings(np.random.default_rng(0), 50, 12)
    for ring, turn in ((slice(0, 8), 2 * np.pi / 8), (slice(8, 12), 2 * np.pi / 4)):
        np.testing.assert_allclose(np.diff(azimuth[:, ring]), turn)
        np.testing.assert_allclose(
            elevation[:, ring], elevation[:, ring][:, :1].repeat(ring.stop - ring.start, 1)
        )
    rise = np.degrees(elevation[:, 8] - elevation[:, 0])
    assert rise.min() >= 25 and rise.max() <= 45


def test_groups_of_twelve_are_often_two_rings() -> None:
    _, elevation, _, _ = sample_cameras(np.random.default_rng(0), 400, 12)
    groups = elevation.reshape(400, 12)
    level = np.isclose(groups[:, :8], groups[:, :1]).all(1) & (groups[:, 8] > groups[:, 0] + 0.4)
    assert 0.5 < level.mean() < 0.7


def test_captions_come_back_as_they_were_encoded(corpus: Corpus) -> None:
    from dreamlab.priors.embedded.text import encode_text

    table = CaptionTable(corpus)
    flat = [c for captions in corpus.captions for c in captions]
    rows = torch.tensor([0, len(flat) - 1])
    got, want = table[table.row[rows]], encode_text([flat[int(r)] for r in rows])
    assert torch.equal(got.mask, want.mask)
    torch.testing.assert_close(got.tokens, want.tokens * want.mask[..., None], atol=5e-3, rtol=5e-3)


def test_captions_are_encoded_once_for_all_trainings_on_them(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "captions.safetensors"
    first = CaptionTable(corpus, file)
    asked: list[str] = []

    def encode(prompts: list[str]) -> Condition:
        asked.extend(prompts)
        return encode_text(prompts)

    monkeypatch.setattr(captions, "encode_text", encode)
    again = CaptionTable(corpus, file)
    assert not asked
    for name in ("tokens", "length", "pooled"):
        assert torch.equal(getattr(first, name), getattr(again, name))


@pytest.mark.parametrize("fault", ["other captions", "cut off", "no file"])
def test_kept_captions_that_do_not_fit_are_encoded_anew(corpus: Corpus, tmp_path: Path, fault: str) -> None:
    file = tmp_path / "captions.safetensors"
    if fault == "other captions":
        other = replace(corpus, captions=tuple(("a thing",) for _ in corpus.captions))
        CaptionTable(other, file)
    elif fault == "cut off":
        CaptionTable(corpus, file)
        file.write_bytes(file.read_bytes()[:-100])
    table, expected = CaptionTable(corpus, file), CaptionTable(corpus)
    assert torch.equal(table.tokens, expected.tokens) and torch.equal(table.length, expected.length)
    assert torch.equal(CaptionTable(corpus, file).tokens, expected.tokens)


def test_a_resumed_training_equals_the_uninterrupted_one(corpus: Corpus, tmp_path: Path) -> None:
    whole = Trainer(SMALL)
    list(train(whole, corpus, tmp_path / "whole", 4))
    list(train(Trainer(SMALL), corpus, tmp_path / "parts", 2))
    parts = Trainer.load(tmp_path / "parts")
    assert parts.step == 2
    list(train(parts, corpus, tmp_path / "parts", 4))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, parts.network.state_dict()[name]), name
        assert torch.equal(whole.average[name], parts.average[name]), name


def test_a_training_killed_outright_goes_on_from_its_last_save(corpus: Corpus, tmp_path: Path) -> None:
    whole = Trainer(SMALL)
    list(train(whole, corpus, tmp_path / "whole", 4))
    corpus.save(tmp_path / "corpus")
    child = (
        "import os, signal, sys, torch; from pathlib import Path; from dreamlab.studio.corpus import Corpus\n"
        "torch.set_num_threads(int(sys.argv[3]))  # sums depend on it\n"
        "from dreamlab.studio.train import PICTURE_LEVELS, TrainConfig, Trainer, train\n"
        "home = Path(sys.argv[1]); config = TrainConfig.model_validate_json(sys.argv[2])\n"
        "for event in train(Trainer(config), Corpus.load(home / 'corpus'), home / 'run', 4, save_every=0):\n"
        "    if event.step == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    threads = str(torch.get_num_threads())
    line = [sys.executable, "-c", child, str(tmp_path), SMALL.model_dump_json(), threads]
    assert subprocess.run(line, timeout=300).returncode == -signal.SIGKILL
    (tmp_path / "run" / "training.partial").write_bytes(b"half a file")  # as if it had died while saving
    resumed = Trainer.load(tmp_path / "run")
    assert resumed.step == 3
    list(train(resumed, corpus, tmp_path / "run", 4))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_the_log_forgets_steps_that_were_never_saved(corpus: Corpus, tmp_path: Path) -> None:
    list(train(Trainer(SMALL), corpus, tmp_path, 2))
    (tmp_path / "log.jsonl").write_text('{"step": 2, "loss": 1}\n{"step": 20, "loss": 0.5}\n')
    list(train(Trainer.load(tmp_path), corpus, tmp_path, 3))
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 2, "loss": 1}\n'


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(os.kill, id="the process", marks=pytest.mark.slow),
        pytest.param(os.killpg, id="its whole group"),
    ],
)
def test_a_training_that_is_asked_to_stop_saves_its_last_step(
    corpus: Corpus, tmp_path: Path, number: signal.Signals, tell: Callable[[int, int], None]
) -> None:
    corpus.save(tmp_path / "corpus")
    (tmp_path / "config.json").write_text(SMALL.model_dump_json())
    line = [
        sys.executable,
        "-m",
        "dreamlab",
        "studio",
        "train",
        str(tmp_path / "corpus"),
        str(tmp_path / "run"),
    ]
    child = subprocess.Popen(
        [*line, "--config", str(tmp_path / "config.json"), "--json"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["step"] == 20  # so it is under way
    tell(child.pid, number)
    output = [json.loads(row) for row in child.communicate(timeout=120)[0].splitlines()]
    assert child.returncode == 128 + number
    assert output[-1]["event"] == "stopped"
    assert Trainer.load(tmp_path / "run").step == output[-1]["step"] >= 20


def test_at_first_only_the_mean_pictures_are_learned(corpus: Corpus) -> None:
    trainer = Trainer(SMALL.model_copy(update={"mean_first": 2}))
    moved = []
    for _ in range(2):
        before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
        list(trainer.steps(corpus, trainer.step + 2))
        after = trainer.network.named_parameters()
        moved.append({name for name, p in after if not torch.equal(p, before[name])})
    assert moved[0] and all(name.startswith("light_field.") for name in moved[0])
    assert "middle.conv_out.weight" in moved[1] and "light_field.leave.weight" in moved[1]


def test_the_mean_pictures_learn_from_their_own_error_alone(corpus: Corpus) -> None:
    """One step with and without the U-Net beside moves them alike, up to the common clipping of gradients."""
    moved = []
    for first in (0, 9):
        trainer = Trainer(SMALL.model_copy(update={"mean_first": first}))
        torch.nn.init.normal_(trainer.network.leave.weight)
        list(trainer.steps(corpus, 1))
        field = trainer.network.light_field
        gradient = torch.cat([p.grad.flatten() for p in field.parameters() if p.grad is not None])
        moved.append(gradient / gradient.norm())
    assert torch.allclose(*moved, atol=1e-6)


def test_training_lowers_the_loss_and_logs_it(corpus: Corpus, tmp_path: Path) -> None:
    trainer = Trainer(SMALL.model_copy(update={"learning_rate": 3e-3}))
    losses = [event.loss for event in train(trainer, corpus, tmp_path, 60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60]


def test_the_rate_warms_up_and_decays() -> None:
    trainer = Trainer(SMALL.model_copy(update={"warmup": 10, "decay": (20, 40)}))
    rates = []
    for trainer.step in range(45):
        rates.append(trainer.rate() / SMALL.learning_rate)
    assert (
        rates[0] == pytest.approx(0.1)
        and rates[15] == 1
        and rates[30] == pytest.approx(0.5)
        and rates[44] == 0
    )


def test_pictures_are_the_first_views_of_a_share_of_groups_and_cleaner_than_the_rest() -> None:
    trainer = Trainer(SMALL.model_copy(update={"pictures": 0.3}))
    t = torch.full((4000,), 0.5)
    levels = trainer._with_pictures(t, 4, torch.Generator().manual_seed(1)).view(-1, 4)
    low, high = PICTURE_LEVELS
    shown = levels[:, 0] < 0.5
    assert torch.equal(levels[:, 1:], t.view(-1, 4)[:, 1:])
    assert 0.25 < shown.float().mean() < 0.35
    assert levels[shown, 0].max() <= 0.5 * high and levels[shown, 0].min() >= max(0.5 * low, 1e-3)
    single = trainer._with_pictures(t, 1, torch.Generator().manual_seed(1))
    assert torch.equal(single, t)


def test_without_pictures_training_samples_what_it_always_did() -> None:
    trainer, random = Trainer(SMALL), torch.Generator().manual_seed(1)
    before = random.get_state()
    t = torch.full((8,), 0.5)
    assert torch.equal(trainer._with_pictures(t, 4, random), t)
    assert torch.equal(random.get_state(), before)
