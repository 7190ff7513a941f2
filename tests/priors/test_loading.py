"""Where models come from, and what is said when they cannot be had."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import ConfigError, DamagedError, DreamlabError, InputError, UnavailableError
from dreamlab.priors import SD3PriorConfig, SDXLPriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.aliases import ALIASES, Alias
from dreamlab.priors.diffusers.hub_errors import translated
from dreamlab.priors.diffusers.recognise import FAMILIES, kind_of
from dreamlab.priors.diffusers.single_file import model_type
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, cached, find, snapshot


@pytest.fixture()
def hub(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds one model, owner/here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    home = tmp_path / "hub" / "models--owner--here"
    shutil.copytree(good, home / "snapshots" / ("c" * 40))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("c" * 40)
    return home


def one_line(error: DreamlabError) -> str:
    text = str(error)
    assert "\n" not in text and len(text) < 500
    return text


# ---- places ----


def test_a_folder_names_its_kind_and_loads(good: Path) -> None:
    assert kind_of(str(good)) == "stable-diffusion"
    assert StableDiffusionPriorConfig(model=str(good)).build().resolution == 32


def test_a_hub_id_is_found_in_the_cache_when_offline(hub: Path) -> None:
    assert cached("owner/here") and snapshot("owner/here") == hub / "snapshots" / ("c" * 40)
    assert kind_of("owner/here") == "stable-diffusion"
    assert StableDiffusionPriorConfig(model="owner/here").build().resolution == 32


def test_a_hub_id_that_is_not_here_says_what_to_do(hub: Path) -> None:
    with pytest.raises(
        UnavailableError,
        match=r"owner/else is not on this machine .*`hf download owner/else --local-dir else`.*--prior else",
    ) as output:
        StableDiffusionPriorConfig(model="owner/else").build()
    one_line(output.value)


def test_a_hub_whose_name_means_nothing_here_is_not_tried_again(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", asked)
    with pytest.raises(UnavailableError, match=r"owner/else is not on this machine .*hf download") as output:
        StableDiffusionPriorConfig(model="owner/else").build()
    one_line(output.value)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")  # which knows more names than we do
    with pytest.raises(AssertionError, match="the hub was asked"):
        StableDiffusionPriorConfig(model="owner/else").build()


def test_an_alias_takes_the_mirror_that_is_here(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Alias("two", "stable-diffusion", ("owner/gone", "owner/here"), "MIT", 1.0, "")
    monkeypatch.setattr("dreamlab.priors.diffusers.aliases.ALIASES", (known,))
    assert find(PretrainedConfig(model="two")) == Source("owner/here")


def test_an_alias_goes_on_to_the_mirror_that_answers(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def class_name(_: Any, source: Source) -> str:
        asked.append(source.place)
        raise UnavailableError("gone")

    known = Alias("two", "stable-diffusion", ("owner/gone", "owner/mirror"), "MIT", 1.0, "")
    monkeypatch.setattr("dreamlab.priors.diffusers.aliases.ALIASES", (known,))
    monkeypatch.setattr("dreamlab.priors.diffusers.source.is_offline", lambda _: False)
    monkeypatch.setattr("dreamlab.priors.diffusers.source.class_name", class_name)
    assert find(PretrainedConfig(model="two")) == Source("owner/mirror") and asked == ["owner/gone"]


def test_aliases_have_unique_names_and_known_families() -> None:
    kinds = {family.model_fields["kind"].default for family in FAMILIES}
    assert len({known.name for known in ALIASES}) == len(ALIASES)
    assert {known.family for known in ALIASES} <= kinds
    assert all(hub.count("/") == 1 for known in ALIASES for hub in known.hubs)
    assert all(kind_of(known.name) == known.family for known in ALIASES)


@pytest.mark.parametrize("name", ["sd15x", "./nowhere", "a/b/c", "~/nothing"])
def test_what_is_no_model_is_said(name: str) -> None:
    with pytest.raises(InputError, match="there is no model"):
        kind_of(name)


def test_pickled_weights_are_refused(tmp_path: Path, copy: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(InputError, match="pickled weights can run code"):
        kind_of(str(tmp_path / "model.ckpt"))
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(InputError, match=r"unet/diffusion_pytorch_model\.bin of .* are pickled"):
        StableDiffusionPriorConfig(model=str(copy)).build()


# ---- the wrong kind ----


def test_a_model_of_another_kind_is_said(good: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"another kind; expected StableDiffusionXLPipeline .*got StableDiffusionP"
    ):
        SDXLPriorConfig(model=str(good)).build()


def test_a_pipeline_that_is_not_known_is_said(copy: Path) -> None:
    (copy / "model_index.json").write_text('{"_class_name": "StableAudioPipeline"}')
    with pytest.raises(InputError, match="a model of a kind that cannot be used"):
        kind_of(str(copy))


def test_a_folder_without_an_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a pipeline's folder"):
        kind_of(str(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"unet": []}'])
def test_a_damaged_index_is_said(copy: Path, text: str) -> None:
    (copy / "model_index.json").write_text(text)
    with pytest.raises(DamagedError, match=r"model_index\.json is damaged"):
        kind_of(str(copy))


# ---- damaged weights ----


def test_truncated_weights_are_said(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50000])
    with pytest.raises(DamagedError, match="damaged") as output:
        StableDiffusionPriorConfig(model=str(copy)).build()
    one_line(output.value)


def test_a_missing_shard_is_said(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    shard = weights.with_name("diffusion_pytorch_model-00001-of-00002.safetensors")
    weights.rename(shard)
    names = ["conv_in.weight", "conv_out.weight"]
    files = [shard.name, shard.name.replace("00001-of", "00002-of")]
    index = {"metadata": {"total_size": 1}, "weight_map": dict(zip(names, files, strict=True))}
    (copy / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DamagedError) as output:
        StableDiffusionPriorConfig(model=str(copy)).build()
    assert "missing or damaged" in one_line(output.value)


@pytest.mark.parametrize(
    "part", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"]
)
def test_weights_that_a_file_lacks_are_not_made_up(copy: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    file = copy / f"{part}.safetensors"
    state = load_file(file)
    del state[next(name for name in sorted(state) if name.endswith("weight"))]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(DamagedError, match="lacks some of its weights"):
        StableDiffusionPriorConfig(model=str(copy)).build().embed(["a cube"])


def test_a_part_of_another_size_is_said(copy: Path) -> None:
    tiny.unet(block_out_channels=(8, 16)).save_pretrained(copy / "other")
    shutil.copy(copy / "other" / "diffusion_pytorch_model.safetensors", copy / "unet")
    with pytest.raises(DamagedError) as output:
        StableDiffusionPriorConfig(model=str(copy)).build()
    one_line(output.value)


def test_the_safety_checker_is_not_loaded(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (copy / "model_index.json").write_text(json.dumps(index))  # and there is no such folder
    assert StableDiffusionPriorConfig(model=str(copy)).build().embed([""]).tokens.isfinite().all()


# ---- the hub's own complaints ----


def test_the_hubs_errors_become_one_line_with_something_to_do() -> None:
    from importlib import import_module
    from importlib.util import find_spec

    from huggingface_hub import errors as hub_errors

    httpx = import_module("httpx2" if find_spec("httpx2") else "httpx")  # whichever the hub's client uses

    def hub_error(kind: type[Exception]) -> Exception:
        made = kind.__new__(kind)
        Exception.__init__(made, "the hub's long story\nof many lines")
        return made

    cases: list[tuple[Exception, str]] = [
        (hub_error(hub_errors.GatedRepoError), "is gated: its licence must be accepted first. Accept it on"),
        (hub_error(hub_errors.RepositoryNotFoundError), "the hub has no owner/x, or it is private"),
        (hub_error(hub_errors.RevisionNotFoundError), "no such revision"),
        (hub_errors.OfflineModeIsEnabled("offline"), "is not on this machine"),
        (httpx.ConnectError("no route"), "could not be reached for owner/x; got no route"),
        (ConnectionError("reset"), "could not be reached"),
    ]
    for raised, wanted in cases:
        wrapped = OSError("diffusers could not load it")
        for error in (raised, wrapped):
            wrapped.__cause__ = raised
            with pytest.raises(UnavailableError) as output, translated("owner/x"):
                raise error
            if error is raised or "reached" not in wanted:
                assert wanted in one_line(output.value)


def test_what_is_not_understood_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated("owner/x"):
        raise ZeroDivisionError


# ---- single files ----


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SD3 in one file, under the names of the original code."""
    from safetensors.torch import save_file

    file = tmp_path_factory.mktemp("single") / "model.safetensors"
    names = ["model.diffusion_model.joint_blocks.37.x_block.mlp.fc1.weight", "first_stage_model.x"]
    names += [f"text_encoders.{name}.x" for name in ("clip_l", "clip_g", "t5xxl")]
    save_file({name: torch.zeros(4) for name in names}, file)
    return file


def test_a_single_file_tells_its_kind_by_its_names(single: Path) -> None:
    assert model_type(single) == "sd35_large"
    assert kind_of(str(single)) == "sd3"


def test_a_single_file_offline_wants_a_layout(single: Path) -> None:
    with pytest.raises(UnavailableError, match=r"does not hold its own configuration.*prior\.layout=FOLDER"):
        SD3PriorConfig(model=str(single)).build()


def test_a_single_file_loads_with_a_folder_for_layout(good: Path, tmp_path: Path) -> None:
    """Stable Diffusion under the original names, which are undone here and redone by diffusers."""
    file = tiny.single_file(good, tmp_path / "model.safetensors")
    assert kind_of(str(file)) == "stable-diffusion"
    prior = StableDiffusionPriorConfig(model=str(file), layout=str(good)).build()
    wanted = StableDiffusionPriorConfig(model=str(good)).build()
    z, t = torch.randn(1, 4, 16, 16), torch.tensor([0.5])
    condition = wanted.embed(["a cube"])
    torch.testing.assert_close(prior.denoise(z, t, condition), wanted.denoise(z, t, condition))
    torch.testing.assert_close(prior.embed(["a cube"]).tokens, condition.tokens)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\x10\0\0\0\0\0\0\0not json at all."])
def test_a_file_that_is_no_safetensors_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged; expected a safetensors file"):
        kind_of(str(tmp_path / "model.safetensors"))


def test_a_lora_given_as_the_model_is_said(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"unet.x.lora_A.weight": torch.zeros(1)}, tmp_path / "style.safetensors")
    with pytest.raises(
        InputError, match=r"is a LoRA, not a model\. Give the model with --prior and this with --lora"
    ):
        kind_of(str(tmp_path / "style.safetensors"))


def test_a_file_of_something_else_is_said(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"encoder.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"a model of a kind that cannot be used; .*got unknown"):
        kind_of(str(tmp_path / "other.safetensors"))


def test_weights_of_the_embedded_prior_are_known() -> None:
    from dreamlab.priors.embedded.prior import SHIPPED

    assert kind_of(str(SHIPPED)) == "embedded"
