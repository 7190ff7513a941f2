"""Training on a GPU that is lent for minutes, rehearsed on the CPU: what travels, slices, the way home."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from gpu_training_pack import PackSettings, read_encoder, read_models, read_settings, write_pack
from gpu_training_parts import PART, joined, read_state, split, write_state
from train_on_gpu import main

from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.prior import load_network, read_vocabulary, save_network
from dreamlab.priors.embedded.text import encode_text
from dreamlab.priors.embedded.unet import UNet, UNetConfig
from dreamlab.studio.assets import Asset
from dreamlab.studio.batches import BatchConfig
from dreamlab.studio.corpus import CorpusConfig
from dreamlab.studio.train import TrainConfig, Trainer

NETWORK = UNetConfig(channels=(16, 16, 16), embedding=32, head=16, light_field=(32, 2))
TRAIN = TrainConfig(network=NETWORK, batch=BatchConfig(images=8, views=(4,)), warmup=2, mean_first=0)
SETTINGS = PackSettings(corpus=CorpusConfig(nouns=("mushroom", "car"), per_noun=2, scenes=1), train=TRAIN)


def model(seed: int, held_out: bool) -> Asset:
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-1, 1, (9 + seed, 3)).astype(np.float32)
    faces = rng.integers(0, len(vertices), (7, 3)).astype(np.int32)
    colors = (rng.integers(0, 256, (7, 3)) / 255).astype(np.float32)
    return Asset(f"{seed}.glb", vertices, faces, colors, ("a fine cup", "a cup"), "cup", "kitchen", held_out)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights to begin from, of the small network."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_network(path, NETWORK, UNet(NETWORK).state_dict(), Trainer(TRAIN).vocabulary)
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "train.json").write_text(TRAIN.model_dump_json())
    line = ["pack", str(folder / "pack"), "--nouns", "mushroom,car", "--per-noun", "2", "--scenes", "1"]
    assert main([*line, "--train", str(folder / "train.json")]) == 0
    return folder / "pack"


def slice_line(pack: Path, home: Path, start: Path, *more: str) -> list[str]:
    places = ["--out", str(home / "back"), "--work", str(home / "work"), "--weights", str(start)]
    return ["slice", str(pack), *places, "--device", "cpu", "--workers", "2", *more]


def test_models_survive_the_pack_but_for_what_16_bits_leave_out(tmp_path: Path) -> None:
    models = [model(0, False), model(1, True)]
    write_pack(tmp_path, SETTINGS, models, ["a cup"])
    for before, after in zip(models, read_models(tmp_path), strict=True):
        np.testing.assert_allclose(after.vertices, before.vertices, atol=0.6 / 32767)
        assert np.array_equal(after.faces, before.faces)
        np.testing.assert_allclose(after.face_colors, before.face_colors, atol=1e-6)
        assert (after.captions, after.noun, after.held_out) == (before.captions, before.noun, before.held_out)
    assert read_settings(tmp_path) == SETTINGS


def test_the_cut_encoder_says_what_the_whole_one_says_and_refuses_other_words(tmp_path: Path) -> None:
    known = ["a red mushroom", "a blue car beside a tree", ""]
    files = write_pack(tmp_path, SETTINGS, [], known)
    encode = read_encoder(tmp_path, "cpu")
    ours, theirs = encode(known), encode_text(known)
    assert torch.equal(ours.mask, theirs.mask)
    known_words = theirs.mask[..., None]
    torch.testing.assert_close(ours.tokens * known_words, theirs.tokens * known_words, atol=0.02, rtol=0.02)
    torch.testing.assert_close(ours.summary, theirs.summary, atol=2e-3, rtol=0)
    assert files["encoder/cut.safetensors"] < 23e6
    with pytest.raises(InputError, match="a zebra"):
        encode(["a red car", "a zebra"])


@pytest.mark.parametrize("size", [0, 10, PART, PART + 1, 2 * PART + 5])
def test_parts_join_to_what_was_split_and_leave_nothing_of_before(tmp_path: Path, size: int) -> None:
    split(tmp_path, "w", bytes(3 * PART))
    data = np.random.default_rng(0).bytes(size)
    paths = split(tmp_path, "w", data)
    assert joined(tmp_path, "w") == data and all(path.stat().st_size <= PART for path in paths)
    if len(paths) > 1:
        paths[0].unlink()
        with pytest.raises(InputError, match="does not hold all of w"):
            joined(tmp_path, "w")


def test_slices_go_on_from_each_other_and_what_comes_home_are_weights(
    pack: Path, start: Path, tmp_path: Path
) -> None:
    assert main(slice_line(pack, tmp_path, start, "--steps", "20")) == 0
    assert main(slice_line(pack, tmp_path, start, "--steps", "25", "--last")) == 0
    assert main(["join", str(tmp_path / "back"), str(tmp_path / "trained")]) == 0
    facts = json.loads((tmp_path / "trained" / "facts.json").read_text())
    assert (facts["steps"], facts["step"]) == (5, 25) and facts["pictures_a_second"] > 0
    assert [json.loads(line)["step"] for line in (tmp_path / "trained" / "log.jsonl").open()] == [20]
    trained, before = (load_network(p) for p in (tmp_path / "trained" / "embedded.safetensors", start))
    assert not torch.equal(trained.leave.weight, before.leave.weight)
    vocabulary = read_vocabulary(tmp_path / "trained" / "embedded.safetensors")
    assert vocabulary is not None and {"mushroom", "car"} <= vocabulary.nouns.keys()
    assert not list((tmp_path / "back").glob("*.glb")) and len(list((tmp_path / "back").iterdir())) <= 8


def test_slices_are_one_training(pack: Path, start: Path, tmp_path: Path) -> None:
    """Two slices on one machine give the bytes of one; the pictures are those of the steps."""
    assert main(slice_line(pack, tmp_path / "two", start, "--steps", "2")) == 0
    assert main(slice_line(pack, tmp_path / "two", start, "--steps", "4")) == 0
    assert main(slice_line(pack, tmp_path / "one", start, "--steps", "4")) == 0
    one, two = (joined(tmp_path / name / "back", "state.safetensors") for name in ("one", "two"))
    assert one == two


def test_a_fresh_machine_goes_on_from_what_came_home(pack: Path, start: Path, tmp_path: Path) -> None:
    assert main(slice_line(pack, tmp_path / "first", start, "--steps", "3")) == 0
    line = slice_line(pack, tmp_path / "second", start, "--steps", "4")
    assert main([*line, "--state", str(tmp_path / "first" / "back")]) == 0
    facts = json.loads((tmp_path / "second" / "back" / "facts.json").read_text())
    assert (facts["steps"], facts["step"]) == (1, 4)


def test_the_state_of_16_bits_is_the_state_but_for_rounding(tmp_path: Path) -> None:
    trainer = Trainer(TRAIN)
    for p in trainer.network.parameters():
        p.grad = torch.randn_like(p)
    for _, optimiser in trainer.optimisers:
        optimiser.step()
    trainer.step = 7
    split(tmp_path, "s", write_state(trainer))
    save_network(tmp_path / "w", NETWORK, trainer.average, trainer.vocabulary)
    split(tmp_path, "w", (tmp_path / "w").read_bytes())
    other = Trainer(TRAIN.model_copy(update={"seed": 9}))
    read_state(other, tmp_path, "s", "w")
    assert other.step == 7
    for name, value in trainer.network.state_dict().items():
        torch.testing.assert_close(other.network.state_dict()[name], value, atol=1e-4, rtol=1e-3)
    for (names, mine), (same, theirs) in zip(trainer.optimisers, other.optimisers, strict=True):
        for name in names:
            for key, value in mine.state[names[name]].items():
                found = theirs.state[same[name]][key]
                torch.testing.assert_close(found, value, atol=1e-6, rtol=1e-2)


def test_the_last_slice_needs_one_before_it(pack: Path, start: Path, tmp_path: Path, capsys) -> None:
    assert main(slice_line(pack, tmp_path, start, "--steps", "2", "--last")) == 2
    assert "needs a slice before it" in capsys.readouterr().err


def test_a_training_that_diverged_stands_where_it_began(
    pack: Path, start: Path, tmp_path: Path, capsys
) -> None:
    assert main(slice_line(pack, tmp_path, start, "--steps", "2")) == 0
    training = tmp_path / "work" / "training"
    before = (training / "training.safetensors").read_bytes()
    assert main(slice_line(pack, tmp_path, start, "--steps", "9", "--rate", "1e30")) == 2
    assert "--rate 5e+29" in capsys.readouterr().err
    assert (training / "training.safetensors").read_bytes() == before


def test_no_gpu_is_said(pack: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["slice", str(pack), "--out", str(tmp_path)]) == 2
    assert "--device cpu rehearses" in capsys.readouterr().err


def test_a_slice_ends_by_the_clock(pack: Path, start: Path, tmp_path: Path) -> None:
    """Of twenty-one seconds twenty are kept for the way home; of steps there is no end."""
    assert main(slice_line(pack, tmp_path, start, "--minutes", "0.35")) == 0
    assert json.loads((tmp_path / "back" / "facts.json").read_text())["seconds"] < 20
