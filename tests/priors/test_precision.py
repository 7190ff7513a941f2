"""Which floating point type "auto" is, by device and family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.priors import FluxPriorConfig, SanaPriorConfig, SD3PriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.source import PretrainedConfig
from dreamlab.priors.precision import has_bfloat16_units


@pytest.mark.parametrize(
    ("kind", "device", "units", "wanted"),
    [
        (StableDiffusionPriorConfig, "cpu", True, torch.bfloat16),
        (StableDiffusionPriorConfig, "cpu", False, torch.float32),
        (StableDiffusionPriorConfig, "cuda", False, torch.float16),
        (SD3PriorConfig, "cuda", True, torch.bfloat16),
        (SD3PriorConfig, "cuda", False, torch.float32),
        (FluxPriorConfig, "cuda:1", False, torch.float32),
        (SanaPriorConfig, "cuda", False, torch.float32),
        (SD3PriorConfig, "mps", False, torch.float32),
    ],
)
def test_precision_is_that_of_the_machines_units(
    kind: type[PretrainedConfig],
    device: str,
    units: bool,
    wanted: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dreamlab.priors.diffusers.source.has_bfloat16_units", lambda _: units)
    assert kind(model="x/y").torch_dtype(device) == wanted
    assert kind(model="x/y", dtype="float16").torch_dtype(device) == torch.float16


def test_every_card_is_asked_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards of which the second only emulates, while torch answers for the current one."""
    current = [0]

    @contextmanager
    def device(wanted: torch.device | str) -> Iterator[None]:
        before, current[0] = current[0], torch.device(wanted).index or 0
        yield
        current[0] = before

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or current[0] == 0

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert [has_bfloat16_units(name) for name in ("cuda", "cuda:0", "cuda:1")] == [True, True, False]


def test_a_card_that_is_not_there_has_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not has_bfloat16_units("cuda:3")


@pytest.mark.parametrize(
    ("kind", "make"),
    [(SD3PriorConfig, tiny.sd3), (FluxPriorConfig, tiny.flux), (SanaPriorConfig, tiny.sana)],
)
def test_where_bfloat16_is_emulated_the_text_alone_is_encoded_in_it_and_that_is_said(
    kind: type[PretrainedConfig],
    make: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a processor that is taken for such a card."""
    monkeypatch.setattr(PretrainedConfig, "emulates", lambda self, device: self.dtype == "auto")
    folder = str(make(tmp_path / "model"))
    said = r"cpu only emulates bfloat16: .* computes in float32\. prior\.dtype=bfloat16 takes half"
    with pytest.warns(UserWarning, match=said):
        prior = kind(model=folder, resolution=32).build("cpu")
    assert prior.embed(["a cube"]).tokens.dtype == torch.bfloat16
    assert prior.network.dtype == torch.float32 and prior.space.dtype == torch.float32
    tiny.check_step(prior, weighting="velocity")
    asked = kind(model=folder, resolution=32, dtype="bfloat16").build("cpu")
    assert asked.network.dtype == torch.bfloat16
