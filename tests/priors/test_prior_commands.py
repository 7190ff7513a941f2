"""--prior, --lora, --vram and `dreamlab priors` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from priors import tiny

from dreamlab.cli import main
from dreamlab.cli.prior_option import lora_settings, prior_settings
from dreamlab.core.errors import InputError, UnavailableError

SMALL = [
    "stages.0.steps=2",
    "stages.0.size=16",
    "stages.extract.resolution=32",
    "stages.texture.into=vertices",
    "stages.turntable.frames=0",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))


def dreamlab(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def priors(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, dict[str, Any]]:
    assert dreamlab("priors", "--json", *more) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["priors"]}


def test_prior_takes_alias_folder_and_the_embedded_one(folder: Path) -> None:
    assert prior_settings("embedded") == {"kind": "embedded"}
    assert prior_settings("sd21") == {"kind": "stable-diffusion", "model": "sd21"}
    assert prior_settings(str(folder)) == {"kind": "stable-diffusion", "model": str(folder)}
    from dreamlab.priors.embedded.prior import SHIPPED

    assert prior_settings(str(SHIPPED)) == {"kind": "embedded", "weights": str(SHIPPED)}


def test_lora_takes_a_file_and_a_scale(tmp_path: Path) -> None:
    file = tmp_path / "a:style.safetensors"
    file.touch()
    assert lora_settings(f"{file}:0.8") == {"file": str(file), "scale": 0.8}
    assert lora_settings(str(file)) == {"file": str(file)}
    with pytest.raises(InputError, match="there is no LoRA nothing; expected FILE or FILE:SCALE"):
        lora_settings("nothing:1")


def test_a_run_through_diffusers_ends_with_files(folder: Path, tmp_path: Path) -> None:
    settings = [f"--set={setting}" for setting in SMALL]
    done = dreamlab(
        "run", "a red mushroom", "--prior", folder, "--vram", 8, "--out", tmp_path, "--quiet", *settings
    )
    (run,) = tmp_path.iterdir()
    assert done == 0 and (run / "mesh.glb").is_file()
    config = (run / "config.yaml").read_text()
    assert "kind: stable-diffusion" in config and "vram: 8" in config


def test_options_of_other_priors_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dreamlab("run", "x", "--prior", "embedded", "--vram", 8, "--out", tmp_path) == 2
    assert "unknown setting prior.vram" in capsys.readouterr().err
    assert dreamlab("run", "x", "--prior", "zero123-xl", "--out", tmp_path) == 2
    assert "prior.image is missing. Give it with --set prior.image=VALUE" in capsys.readouterr().err


def test_a_model_that_is_not_here_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dreamlab("run", "x", "--prior", "owner/nothing", "--out", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "owner/nothing is not on this machine and the hub cannot be asked" in line


def test_priors_are_listed_with_place_licence_and_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "dreamlab.priors.diffusers.source.snapshot", lambda hub, _: tmp_path if hub.endswith("v1-5") else None
    )
    rows = priors(capsys)
    assert rows["embedded"]["usable"] == "yes" and rows["sdxl"]["memory"] == "5.3 GB"
    assert (rows["sd15"]["usable"], rows["sd15"]["where"]) == ("yes", str(tmp_path))
    assert rows["flux-dev"]["usable"] == "offline"
    assert "gated" in rows["flux-dev"]["about"] and rows["flux-dev"]["licence"] == "FLUX.1 dev Non-Commercial"
    assert dreamlab("priors", "--quiet") == 0
    assert capsys.readouterr().out.split() == ["embedded", "sd15"]
    assert dreamlab("priors") == 0
    table = capsys.readouterr().out
    assert "mvdream" in table and table.count("HF_HUB_OFFLINE is set") == 1


def test_priors_can_ask_the_hub(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def reachable(hub: str, _: str | None) -> None:
        if hub != "kxic/zero123-xl":
            raise UnavailableError(f"the hub has no {hub}")

    monkeypatch.setattr("dreamlab.priors.diffusers.source.reachable", reachable)
    monkeypatch.setattr("dreamlab.priors.diffusers.source.is_offline", lambda _: False)
    assert priors(capsys)["sd15"]["usable"] == "download"
    rows = priors(capsys, "--check")
    assert (rows["zero123-xl"]["usable"], rows["zero123-xl"]["where"]) == ("download", "kxic/zero123-xl")
    assert rows["sd15"]["usable"] == "no" and rows["sd15"]["about"].startswith(
        "the hub has no stable-diffusion"
    )


def test_help_and_config_do_not_load_diffusers() -> None:
    import subprocess
    import sys

    code = (
        "import sys, dreamlab.run.config\n"
        "print([m for m in sys.modules if m in ('diffusers', 'transformers')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
