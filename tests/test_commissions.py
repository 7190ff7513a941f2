"""Runs of many prompts for contact sheets and measurements: made once, gone on with, failures told."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.priors.embedded.prior import save_network
from dreamlab.priors.embedded.unet import UNet, UNetConfig
from dreamlab.priors.embedded.vocabulary import Vocabulary

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import contact_sheet
from commissions import Commission, fulfil, nouns_to_sample, random_prompts


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A stand-in for `dreamlab run`: a tetrahedron, a failure for dragons, and death for ghosts."""
    made: list[list[str]] = []

    def run(line: list[str], **_: Any) -> SimpleNamespace:
        made.append(line)
        home = Path(line[line.index("--out") + 1]) / "0001-thing"
        home.mkdir(exist_ok=True)
        if "ghost" in str(home):
            (home / "config.yaml").write_text("")
            return SimpleNamespace(returncode=-9, stdout='{"event": "phase"}\n')
        if "a dragon" in line:
            output = {"event": "error", "message": "the volume is empty", "exit_code": 2}
            return SimpleNamespace(returncode=2, stdout=json.dumps(output) + "\n")
        corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        write(Mesh(corners, faces, colors=torch.full((4, 3), 0.5)), home / "mesh.glb")
        files = {"glb": str(home / "mesh.glb")}
        output = {"event": "finished", "files": files, "seconds": {"optimise": 1.234}}
        return SimpleNamespace(returncode=0, stdout=json.dumps(output) + "\n")

    monkeypatch.setattr(subprocess, "run", run)
    return made


def test_what_is_made_is_kept_and_what_failed_says_what(tmp_path: Path, calls: list[list[str]]) -> None:
    orders = [Commission("a cup"), Commission("a dragon"), Commission("a cup", seed=1)]
    first = list(fulfil(orders, tmp_path))
    assert len(calls) == 3 and [bool(o.glb) for o in first] == [True, False, True]
    assert first[1].failure == "the volume is empty" and first[0].seconds["optimise"] == 1.23
    assert list(fulfil(orders, tmp_path)) == first and len(calls) == 3


def test_everything_that_decides_the_result_decides_the_folder(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"1")
    orders = [
        Commission("a cup"), Commission("a mug"), Commission("a cup", "default"), Commission("a cup", seed=1),
        Commission("a cup", settings=("seed=3",)), Commission("a cup", weights=weights),
    ]  # fmt: skip
    before = [order.folder(tmp_path) for order in orders]
    assert len(set(before)) == len(orders)
    weights.write_bytes(b"2")
    assert orders[-1].folder(tmp_path) != before[-1] and orders[0].folder(tmp_path) == before[0]


def test_a_run_that_was_killed_leaves_no_record_and_goes_on(tmp_path: Path, calls: list[list[str]]) -> None:
    order = Commission("a ghost")
    for command in ("run", "resume"):
        with pytest.raises(SystemExit, match="signal 9"):
            list(fulfil([order], tmp_path))
        assert calls[-1][3] == command and not (order.folder(tmp_path) / "outcome.json").exists()


def test_a_mesh_that_was_deleted_is_a_failure(tmp_path: Path, calls: list[list[str]]) -> None:
    (made,) = fulfil([Commission("a cup")], tmp_path)
    assert made.glb is not None
    made.glb.unlink()
    (again,) = fulfil([Commission("a cup")], tmp_path)
    assert again.glb is None and "gone" in again.failure and len(calls) == 1


def test_drawn_prompts_differ_repeat_by_seed_and_begin_alike() -> None:
    nouns = ("mushroom", "car", "chair")
    some, more = random_prompts(nouns, 5, 3), random_prompts(nouns, 20, 3)
    assert more[:5] == some and len({q.prompt for q in more}) == 20 and random_prompts(nouns, 5, 4) != some
    with pytest.raises(InputError, match="cannot be sampled"):
        random_prompts(("car",), 21, 0)


def test_nouns_are_those_that_the_weights_have_learned_or_those_that_are_named(tmp_path: Path) -> None:
    config = UNetConfig(channels=(16, 16, 16), embedding=32, head=16)
    weights, state = tmp_path / "w.safetensors", UNet(config).state_dict()
    save_network(weights, config, state)
    with pytest.raises(InputError, match="do not say"):
        nouns_to_sample(argparse.Namespace(nouns=None, weights=weights))
    taught = {"car": (900.0, 0.0), "mug": (20.0, 0.0), "dragon": (0.0, 900.0)}
    save_network(weights, config, state, Vocabulary(nouns=taught))
    assert nouns_to_sample(argparse.Namespace(nouns=None, weights=weights)) == ("car",)
    assert nouns_to_sample(argparse.Namespace(nouns="mug, car", weights=None)) == ("mug", "car")
    with pytest.raises(InputError, match="draws this"):
        nouns_to_sample(argparse.Namespace(nouns="dragon", weights=None))


def test_a_sheet_has_a_tile_for_every_prompt_and_failures_are_told(
    tmp_path: Path, calls: list[list[str]]
) -> None:
    from PIL import Image

    picture = tmp_path / "out" / "sheet.png"
    line = [str(picture), "a cup", "a dragon", "--grid", "small", "--runs", str(tmp_path / "runs")]
    assert contact_sheet.main(line) == 0
    report = json.loads(picture.with_suffix(".json").read_text())
    assert report["prompts"] == "given" and [o["failure"] for o in report["objects"]] == [
        "",
        "the volume is empty",
    ]
    assert all(o["seconds"]["wall"] >= 0 for o in report["objects"])
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    left, right = pixels[:150, 8:158], pixels[:150, 166:316]
    assert (left.min(-1) < 200).any() and (right[..., 0] - right[..., 1] > 60).any()  # red letters


def test_a_sheet_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        contact_sheet.main([str(tmp_path / "sheet.png")])
    assert contact_sheet.main([str(tmp_path / "s.png"), "--random", "3", "--nouns", "dragon"]) == 2
    assert contact_sheet.main([str(tmp_path / "s.png"), "--preset", "fsat", "a red mushroom"]) == 2
