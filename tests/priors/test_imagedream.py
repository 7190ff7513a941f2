"""ImageDream on diffusers' parts: a picture as sixteen tokens and as a fifth view of every group."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny
from safetensors.torch import load_file, save_file

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Condition, Views
from dreamlab.priors import ImageDreamPriorConfig
from dreamlab.priors.diffusers.imagedream import ImageDreamPrior
from dreamlab.priors.diffusers.mvdream import camera_numbers
from dreamlab.priors.diffusers.recognise import kind_of

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.imagedream(tmp_path_factory.mktemp("imagedream"))


@pytest.fixture()
def prior(folder: Path, tmp_path: Path) -> ImageDreamPrior:
    return config_of(folder, tmp_path).build()


def config_of(folder: Path, tmp_path: Path, **more: Any) -> ImageDreamPriorConfig:
    settings = {"image": tiny.picture(tmp_path / "front.png"), "resolution": 32, "cache_prompts": False}
    return ImageDreamPriorConfig.model_validate({"model": str(folder), **settings, **more})


def asked(
    prior: ImageDreamPrior, condition: Condition, z: torch.Tensor | None = None
) -> tuple[torch.Tensor, Views]:
    """A ring of views for each four rows of the condition, and the prior's answer at level .5."""
    n = len(condition)
    azimuth = torch.arange(n) * (math.pi / 2)
    cameras = orbit_cameras(azimuth, torch.zeros(n), torch.full((n,), 3.0), torch.full((n,), 0.7), (8, 8))
    z = torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(0)) if z is None else z
    views = Views(z, cameras)
    return prior.denoise(z, torch.full((n,), 0.5), condition, views), views


def test_one_step_moves_the_image_and_nothing_in_the_model(prior: ImageDreamPrior) -> None:
    tiny.check_step(prior)


def test_its_folder_is_told_from_mvdreams_of_the_same_class(folder: Path, tmp_path: Path) -> None:
    assert kind_of(str(folder)) == "imagedream"
    assert kind_of(str(tiny.mvdream(tmp_path / "mvdream"))) == "mvdream"


def test_the_network_is_shown_the_picture_clean_as_a_fifth_view_without_a_camera(
    prior: ImageDreamPrior, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, Any] = {}
    forward = prior.network.forward

    def listening(z: torch.Tensor, timestep: torch.Tensor, **rest: Any) -> Any:
        heard.update(rest, z=z, timestep=timestep, views=prior.attention.views)
        return forward(z, timestep, **rest)

    monkeypatch.setattr(prior.network, "forward", listening)
    condition = prior.embed(["a cube"] * 8)
    answer, views = asked(prior, condition)
    extras = dict(condition.extras)
    assert answer.shape == (8, 4, 16, 16) and heard["views"] == 5 and len(heard["z"]) == 10
    own = torch.tensor([0, 1, 2, 3, 5, 6, 7, 8])
    assert torch.equal(heard["z"][own], views.x)
    assert torch.equal(heard["z"][[4, 9]], extras["image"][:2])
    assert torch.equal(heard["class_labels"][own], camera_numbers(views.cameras))
    assert heard["class_labels"][[4, 9]].abs().max() == 0
    seen = heard["added_cond_kwargs"]["image_embeds"][0]
    assert seen.shape == (10, 1, 17, 16) and torch.equal(seen[[4, 9], 0], extras["embedding"][:2])


def test_a_camera_of_zeros_is_embedded_as_published_and_not_as_none(prior: ImageDreamPrior) -> None:
    """Theirs goes through the embedding's biases; MVDream's own folder has a mask for "no camera"."""
    state = load_file(Path(prior.config.model) / WEIGHTS)
    first = state["camera_embed.0.bias"]
    wanted = torch.nn.functional.silu(first) @ state["camera_embed.2.weight"].T + state["camera_embed.2.bias"]
    torch.testing.assert_close(prior.network.class_embedding(torch.zeros(1, 16))[0], wanted)


def test_every_weight_of_the_adapter_arrives_where_it_belongs(prior: ImageDreamPrior) -> None:
    """By the original names, undone by hand in tests/priors/tiny.py."""
    state = load_file(Path(prior.config.model) / WEIGHTS)
    layers = [name for name in prior.network.attn_processors if name.endswith("attn2.processor")]
    for name in layers:
        processor, layer = prior.network.attn_processors[name], name.removesuffix(".processor")
        for part in ("to_k_ip", "to_v_ip"):
            wanted = state[tiny.original_unet_name(f"{layer}.{part}.weight")]
            assert torch.equal(getattr(processor, part)[0].weight, wanted)
    assert len(layers) == 4
    resampler = prior.network.encoder_hid_proj.image_projection_layers[0]
    tokens = torch.randn(2, 17, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(resampler(tokens), resampled(state, tokens), atol=1e-5, rtol=1e-5)


def resampled(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The resampler written out: four times attention of the latents to picture and latents, and an MLP."""
    state = {k.removeprefix("image_embed."): v for k, v in state.items() if k.startswith("image_embed.")}

    def norm(name: str, value: torch.Tensor) -> torch.Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return torch.nn.functional.layer_norm(value, weight.shape, weight, bias)

    latents = state["latents"].repeat(len(x), 1, 1)
    x = x @ state["proj_in.weight"].T + state["proj_in.bias"]
    for i in range(4):
        at, ff = f"layers.{i}.0", f"layers.{i}.1"
        own = norm(f"{at}.norm2", latents)
        keys, values = (torch.cat([norm(f"{at}.norm1", x), own], 1) @ state[f"{at}.to_kv.weight"].T).chunk(
            2, -1
        )
        weights = ((own @ state[f"{at}.to_q.weight"].T) @ keys.mT / math.sqrt(64)).softmax(-1)
        latents = latents + weights @ values @ state[f"{at}.to_out.weight"].T
        inner = torch.nn.functional.gelu(norm(f"{ff}.0", latents) @ state[f"{ff}.1.weight"].T)
        latents = latents + inner @ state[f"{ff}.3.weight"].T
    return norm("norm_out", latents @ state["proj_out.weight"].T + state["proj_out.bias"])


def test_the_empty_and_the_negative_prompt_do_not_see_the_picture(folder: Path, tmp_path: Path) -> None:
    prior = config_of(folder, tmp_path, negative_prompt="ugly").build()
    condition = prior.embed(["", "ugly", "a cube"])
    for _, value in condition.extras:
        assert value[:2].abs().max() == 0 and value[2].abs().max() > 0
    assert (condition.tokens[0] - condition.tokens[1]).abs().max() > 0
    other = config_of(folder, tmp_path, negative_prompt="ugly")
    tiny.picture(tmp_path / "front.png", side=24)
    changed = other.build()
    for prompt, same in (("ugly", True), ("a cube", False)):
        ours, theirs = (asked(p, p.embed([prompt] * 4))[0] for p in (prior, changed))
        assert torch.equal(ours, theirs) is same


def test_the_picture_changes_every_view_and_views_of_another_group_do_not(prior: ImageDreamPrior) -> None:
    condition = prior.embed(["a cube"] * 8)
    answer, views = asked(prior, condition)
    other = dict(condition.extras)
    other["image"] = other["image"].clone()
    other["image"][:4] += 1.0
    changed = Condition(condition.tokens, condition.mask, condition.pooled, tuple(other.items()))
    moved = (asked(prior, changed)[0] - answer).abs().flatten(1).amax(1)
    assert (moved > 1e-6).tolist() == [True] * 4 + [False] * 4
    z = views.x.clone()
    z[1] += 1.0
    moved = (asked(prior, condition, z)[0] - answer).abs().flatten(1).amax(1)
    assert (moved > 1e-6).tolist() == [True] * 4 + [False] * 4


def test_it_answers_neither_without_cameras_nor_for_three_views(prior: ImageDreamPrior) -> None:
    z, t, condition = torch.zeros(4, 4, 16, 16), torch.full((4,), 0.5), prior.embed(["a cube"] * 4)
    with pytest.raises(ConfigError, match="cannot answer without cameras"):
        prior.denoise(z, t, condition)
    _, cameras = tiny.views(3)
    with pytest.raises(ConfigError, match="expected a multiple of 4 views, got 3"):
        prior.denoise(z[:3], t[:3], condition[:3], Views(z[:3], cameras))


def test_it_wants_a_picture(folder: Path) -> None:
    with pytest.raises(ConfigError, match="ImageDream has no picture"):
        ImageDreamPriorConfig(model=str(folder)).build()


@pytest.mark.parametrize("lost", ["image_embed.", "to_k_ip"])
def test_weights_without_an_adapter_are_said(folder: Path, tmp_path: Path, lost: str) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    state = {k: v for k, v in load_file(folder / WEIGHTS).items() if lost not in k}
    save_file(state, copy / WEIGHTS)
    with pytest.raises(DamagedError, match="no weights for a picture"):
        config_of(copy, tmp_path).build()
