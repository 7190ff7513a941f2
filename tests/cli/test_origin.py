"""Where a result comes from stands in it: the prior's weights, the code, prompt and seed."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior, small_config

from dreamlab import __version__
from dreamlab.core import version
from dreamlab.mesh.io.load import load
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPriorConfig
from dreamlab.run import machine, origin, pipeline
from dreamlab.run.begin import new_run
from dreamlab.run.events import Note
from dreamlab.run.run_dir import RunDir
from tests.cli.shelf import command, make_run

SHIPPED_SUM = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
FEW = {"threads": 1, "stages": {"shape": {"steps": 2}, "colour": {"steps": 1}}}


def asset_of_glb(data: bytes) -> dict[str, Any]:
    """The `asset` of a GLB, read by hand."""
    length = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + length])["asset"]


def finished(root: Path, prior: Any = None, **changes: Any) -> RunDir:
    run = new_run(small_config(**{**FEW, **changes}), root, prior)
    list(pipeline.generate(run.config(), run, prior))
    return run


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[RunDir]:
    """The same run in two places, by the known prior in the place of the embedded one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
        return [finished(tmp_path_factory.mktemp(name)) for name in ("here", "there")]


def test_a_glb_says_what_made_it_and_neither_when_nor_where(two: list[RunDir]) -> None:
    first, second = ((run.path / "mesh.glb").read_bytes() for run in two)
    assert first == second
    asset = asset_of_glb(first)
    assert asset["version"] == "2.0" and asset["generator"] == f"dreamlab {__version__}"
    prior = {"kind": "embedded", "sha256": SHIPPED_SUM}
    assert asset["extras"] == {"dreamlab": __version__, "prompt": "a red ball", "seed": 3, "prior": prior}
    assert len(load(two[0].path / "mesh.glb").faces) > 10


def test_a_run_writes_down_weights_commit_and_versions(two: list[RunDir]) -> None:
    environment = two[0].environment()
    assert environment is not None and environment["prior"] == {"kind": "embedded", "sha256": SHIPPED_SUM}
    assert environment["dreamlab"] == __version__ and environment["packages"]["numpy"] != "missing"
    here = version.commit()
    assert environment.get("commit") == (here and here.sha)


def test_an_export_says_what_its_run_says_even_without_the_weights(
    two: list[RunDir], tmp_path: Path
) -> None:
    path = two[1].path / "environment.json"
    before = path.read_text()
    path.write_text(before.replace(SHIPPED_SUM, "5" * 64))  # a file that is not on this machine
    try:
        to = str(tmp_path / "ball.glb")
        assert command("export", str(two[1].path), "--to", to, "--quiet") == 0
    finally:
        path.write_text(before)
    asset = asset_of_glb(Path(to).read_bytes())
    assert asset["extras"]["prior"]["sha256"] == "5" * 64 and asset["extras"]["seed"] == 3


def test_a_prior_of_a_program_is_called_by_its_class(tmp_path: Path) -> None:
    run = finished(tmp_path, red_ball_prior())
    facts = {"kind": "TargetImagesPrior", "given": True}
    environment = run.environment()
    assert environment is not None and environment["prior"] == facts
    assert asset_of_glb((run.path / "mesh.glb").read_bytes())["extras"]["prior"] == facts


def test_other_weights_than_at_the_start_are_told(
    two: list[RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notes() -> list[str]:
        config = two[1].config()
        return [event.text for event in pipeline.generate(config, two[1]) if isinstance(event, Note)]

    assert not any("weights" in note for note in notes())
    monkeypatch.setattr(origin, "SHIPPED", tmp_path / "other")
    (tmp_path / "other").write_bytes(b"others")
    assert sum("weights are others than when this run began" in note for note in notes()) == 1


def test_weights_that_come_while_a_run_begins_are_written_down_then(tmp_path: Path) -> None:
    run = RunDir(make_run(tmp_path))
    path = run.path / "environment.json"
    path.write_text(json.dumps({"dreamlab": "0.1.0", "prior": {"kind": "sd", "model": "a/b"}}))
    more = {"kind": "sd", "model": "a/b", "hub": "a/b", "revision": "f" * 40}
    run.note_prior(more)
    assert run.environment() == {"dreamlab": "0.1.0", "prior": more}
    run.note_prior({"kind": "sd"})
    assert run.environment() == {"dreamlab": "0.1.0", "prior": more}
    path.write_text("damaged")
    run.note_prior(more)
    assert path.read_text() == "damaged"


def test_a_single_file_and_a_folder_are_known_by_their_sums_and_not_by_their_place(tmp_path: Path) -> None:
    file = tmp_path / "secret-name" / "style.safetensors"
    (file.parent / "unet").mkdir(parents=True)
    file.write_bytes(b"weights")
    (file.parent / "unet" / "a.safetensors").write_bytes(b"more")
    config = small_config()
    for path in (file, file.parent):
        facts = origin.prior_facts(StableDiffusionPriorConfig(model=str(path)))
        shown = origin.asset_facts(config, facts)["prior"]
        assert shown["model"] == path.name and str(tmp_path) not in json.dumps(shown)
        assert len(shown["sha256"]) == 64 and "files" not in shown
    assert origin.prior_facts(StableDiffusionPriorConfig(model=str(file)))["sha256"] == (
        hashlib.sha256(b"weights").hexdigest()
    )
    before = origin.prior_facts(StableDiffusionPriorConfig(model=str(file.parent)))
    assert before["files"]["unet/a.safetensors"] == hashlib.sha256(b"more").hexdigest()
    (file.parent / "unet" / "a.safetensors").write_bytes(b"other")
    after = origin.prior_facts(StableDiffusionPriorConfig(model=str(file.parent)))
    assert before["sha256"] != after["sha256"]


def test_a_model_of_the_hub_is_known_by_its_commit_and_the_names_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = tmp_path / "blobs" / ("a" * 64)
    commit = tmp_path / "snapshots" / ("b" * 40)
    for folder in (blob.parent, commit):
        folder.mkdir(parents=True)
    blob.write_bytes(b"not hashed again")
    (commit / "unet.safetensors").symlink_to(blob)
    monkeypatch.setattr(origin, "snapshot", lambda hub, revision=None: commit if hub == "own/er" else None)
    facts = origin.prior_facts(StableDiffusionPriorConfig(model="own/er"))
    assert facts == {
        "kind": "stable-diffusion", "model": "own/er", "hub": "own/er", "revision": "b" * 40,
        "files": {"unet.safetensors": "a" * 64},
    }  # fmt: skip
    assert origin.prior_facts(StableDiffusionPriorConfig(model="no/body")) == {
        "kind": "stable-diffusion",
        "model": "no/body",
    }


def test_weights_that_are_not_there_are_not_known_and_block_nothing(tmp_path: Path) -> None:
    facts = origin.prior_facts(EmbeddedPriorConfig(weights=tmp_path / "gone.safetensors"))
    assert facts == {"kind": "embedded"}


def git(folder: Path, *arguments: str) -> None:
    line = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)


def test_a_clone_is_known_by_its_commit_and_whether_its_code_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version.commit(tmp_path) is None
    (tmp_path / "dreamlab").mkdir()
    (tmp_path / "dreamlab" / "a.py").write_text("1")
    (tmp_path / "pyproject.toml").write_text("")
    git(tmp_path, "init", "-q")
    version.commit.cache_clear()
    assert version.commit(tmp_path) is None  # nothing was committed
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "one")
    version.commit.cache_clear()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as in a hook of another repository
    clean = version.commit(tmp_path)
    assert clean is not None and len(clean.sha) == 40 and clean.changed is False
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "x").write_text("no code")
    version.commit.cache_clear()
    assert version.commit(tmp_path) == clean
    (tmp_path / "dreamlab" / "b.py").write_text("2")
    version.commit.cache_clear()
    assert version.commit(tmp_path) == version.Commit(clean.sha, True)
    monkeypatch.setenv("PATH", "")
    version.commit.cache_clear()
    assert version.commit(tmp_path) is None
    version.commit.cache_clear()


def test_another_commit_than_at_the_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "code_facts", lambda: {"dreamlab": __version__, "commit": "a" * 40})
    before = machine.environment()
    assert machine.changes(before) == []
    monkeypatch.setattr(machine, "code_facts", lambda: {"dreamlab": __version__, "commit": "b" * 40})
    assert [line.split()[0] for line in machine.changes(before)] == ["commit"]
