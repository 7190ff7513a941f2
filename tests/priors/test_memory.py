"""Memory tiers by what they set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from count_memory import kept_bytes, row

from dreamlab.core.errors import UnavailableError
from dreamlab.priors import SD3PriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.memory import MemoryPlan, Tier, eight_bits, place, plan, thrifty_vae

GIB = 2**30


@pytest.mark.parametrize(
    ("tier", "gib", "t5", "wanted"),
    [
        (None, 24, True, MemoryPlan()),
        (24, 5, True, MemoryPlan(True)),
        (24, 23, True, MemoryPlan(True, "block_level")),
        (12, 2, True, MemoryPlan(True)),
        (12, 7, False, MemoryPlan(True, "block_level")),
        (8, 2, False, MemoryPlan(True)),
        (8, 5, True, MemoryPlan(True, "block_level", encoder_8bit=True)),
        (6, 2, False, MemoryPlan(True)),
        (6, 4, True, MemoryPlan(True, "leaf_level", encoder_8bit=True)),
    ],
)
def test_a_tier_sets_what_it_says(tier: Tier | None, gib: int, t5: bool, wanted: MemoryPlan) -> None:
    assert plan(tier, gib * GIB, t5) == wanted


def test_a_tier_has_the_gradient_of_none(tmp_path: Path) -> None:
    folder = str(tiny.stable_diffusion(tmp_path))
    plain, tiered = (
        tiny.one_step(StableDiffusionPriorConfig(model=folder, vram=tier).build()) for tier in (None, 6)
    )
    assert torch.equal(plain.gradient, tiered.gradient)


def test_of_a_vae_of_real_shape_a_tier_keeps_a_small_part() -> None:
    from diffusers import AutoencoderKL

    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ).eval().requires_grad_(False)  # fmt: skip
    whole = kept_bytes(vae, 512)
    less = kept_bytes(thrifty_vae(vae, plan(8, GIB, False)), 512)
    assert whole > 2.5 * GIB and less < 0.4 * GIB


def test_what_tiers_mean_for_a_real_shape_is_counted_without_making_it() -> None:
    name, side, weights, whole, less, *tiers = row("sdxl")
    assert (name, side, weights) == ("sdxl", "1024", "4.8") and float(less) < 0.15 * float(whole)
    assert tiers == ["waits in layers", "waits in blocks", "stays", "stays"]


def test_a_crowded_network_waits_in_main_memory_and_answers_the_same() -> None:
    class Noted(torch.nn.Module):
        def enable_group_offload(self, **output: Any) -> None:
            self.output = output

    for kind, blocks in (("block_level", {"num_blocks_per_group": 1}), ("leaf_level", {})):
        network = place(Noted(), MemoryPlan(offload=kind), torch.device("meta"))
        assert (
            network.output
            == {
                "onload_device": torch.device("meta"),
                "offload_device": torch.device("cpu"),
                "offload_type": kind,
            }
            | blocks
        )


@pytest.mark.parametrize("kind", ["block_level", "leaf_level"])
def test_diffusers_takes_these_settings(kind: str) -> None:
    network = tiny.unet().eval()
    inputs = (torch.randn(1, 4, 16, 16), 500, torch.randn(1, 3, tiny.WIDTH))
    with torch.no_grad():
        wanted = network(*inputs).sample
        blocks = {"num_blocks_per_group": 1} if kind == "block_level" else {}
        network.enable_group_offload(
            onload_device=torch.device("cpu"), offload_device=torch.device("cpu"), offload_type=kind, **blocks
        )
        assert torch.equal(network(*inputs).sample, wanted)


def test_eight_bits_without_bitsandbytes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlab.priors.diffusers.memory.find_spec", lambda _: None)
    prior = SD3PriorConfig(model=str(tiny.sd3(tmp_path)), vram=6).build()
    with pytest.raises(
        UnavailableError, match=r"bitsandbytes is not installed\. pip install bitsandbytes, or choose"
    ):
        prior.embed(["a cube"])


def test_eight_bits_are_asked_for_the_t5_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlab.priors.diffusers.memory.find_spec", lambda _: object())
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("diffusers.quantizers.PipelineQuantizationConfig", lambda **kw: asked.append(kw))
    eight_bits(("text_encoder_3",))
    assert asked[0]["components_to_quantize"] == ["text_encoder_3"]
    assert asked[0]["quant_kwargs"] == {"load_in_8bit": True}


def test_only_vaes_that_are_known_to_overflow_are_kept_in_float32(tmp_path: Path) -> None:
    """Configs older than SDXL say nothing of "force_upcast", which diffusers reads as true."""
    config = {"model": str(tiny.stable_diffusion(tmp_path / "sd")), "dtype": "float16"}
    prior = StableDiffusionPriorConfig.model_validate(config).build()
    assert prior.space.vae.config.force_upcast and prior.space.dtype == torch.float16
    assert prior.space.encode(torch.rand(1, 3, 32, 32)).isfinite().all()
    sd3 = SD3PriorConfig(model=str(tiny.sd3(tmp_path / "sd3")), dtype="float16").build()
    assert sd3.space.dtype == torch.float16
