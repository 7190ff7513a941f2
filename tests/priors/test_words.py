"""Textual inversion on tiny pipelines: learnt words reach every text encoder, and no pickle is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.priors import SDXLPriorConfig, StableDiffusionPriorConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))


def test_a_learnt_word_is_read(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "<gnome>.safetensors"
    save_file({"<gnome>": torch.randn(2, tiny.WIDTH)}, file)
    plain = StableDiffusionPriorConfig(model=str(folder)).build()
    taught = StableDiffusionPriorConfig(model=str(folder), textual_inversion=(file,)).build()
    torch.testing.assert_close(plain.embed(["a cube"]).tokens, taught.embed(["a cube"]).tokens)
    assert not torch.allclose(plain.embed(["a <gnome>"]).tokens, taught.embed(["a <gnome>"]).tokens)


def test_a_word_of_another_width_does_not_fit(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "gnome.safetensors"
    save_file({"gnome": torch.randn(2, 7)}, file)
    prior = StableDiffusionPriorConfig(model=str(folder), textual_inversion=(file,)).build()
    with pytest.raises(InputError, match=r"the textual inversion .*gnome\.safetensors does not fit"):
        prior.embed(["a gnome"])


def taught(
    folder: Path, file: Path, config: Any = StableDiffusionPriorConfig, prompt: str = "a gnome"
) -> Any:
    prior = config(model=str(folder), textual_inversion=(file,), cache_prompts=False).build()
    return prior.embed([prompt]).tokens


VECTORS = torch.randn(2, tiny.WIDTH, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize(
    "held",
    [
        {"<gnome>": VECTORS},
        {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.nn.Parameter(VECTORS)}, "name": "x"},
    ],
)
@pytest.mark.parametrize("ending", ["pt", "bin"])
def test_pickled_words_read_as_safetensors_do(
    folder: Path, tmp_path: Path, held: dict[str, Any], ending: str
) -> None:
    from safetensors.torch import save_file

    save_file({"emb_params": VECTORS}, tmp_path / "gnome.safetensors")
    torch.save(held, tmp_path / f"gnome.{ending}")
    wanted = taught(folder, tmp_path / "gnome.safetensors")
    torch.testing.assert_close(taught(folder, tmp_path / f"gnome.{ending}"), wanted)
    plain = StableDiffusionPriorConfig(model=str(folder), cache_prompts=False).build().embed(["a gnome"])
    assert not torch.allclose(wanted, plain.tokens)


class Payload:
    """Runs code when a pickle of it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_pickle_that_runs_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    torch.save({"x": Payload(tmp_path / "ran")}, tmp_path / "gnome.pt")
    with pytest.raises(DamagedError, match=r"holds more than tensors\. Get it as \.safetensors"):
        taught(folder, tmp_path / "gnome.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_is_bounded_in_size(folder: Path, tmp_path: Path, packed: bool) -> None:
    """Packed, 20 MB of zeros are a few kB on disk."""
    import zipfile

    torch.save({"x": torch.zeros(5 * 2**20)}, tmp_path / "gnome.pt")
    if packed:
        with (
            zipfile.ZipFile(tmp_path / "gnome.pt") as before,
            zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as after,
        ):
            for name in before.namelist():
                after.writestr(name, before.read(name))
        (tmp_path / "small.pt").replace(tmp_path / "gnome.pt")
        assert (tmp_path / "gnome.pt").stat().st_size < 2**20
    with pytest.raises(
        InputError, match="too large for a textual inversion; expected at most 16 MB, got 20 MB"
    ):
        taught(folder, tmp_path / "gnome.pt")


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04 no archive"])
def test_a_damaged_pickle_is_one_line(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gnome.pt").write_bytes(content)
    with pytest.raises(DamagedError) as error:
        taught(folder, tmp_path / "gnome.pt")
    assert "\n" not in str(error.value)


def test_words_of_xl_reach_both_text_encoders(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder, file = tiny.sdxl(tmp_path / "xl"), tmp_path / "gnome.safetensors"
    both = {name: torch.randn(2, tiny.WIDTH) for name in ("clip_l", "clip_g")}
    plain = SDXLPriorConfig(model=str(folder), cache_prompts=False).build().embed(["a gnome"]).tokens
    for ending in ("safetensors", "pt"):
        save = save_file if ending == "safetensors" else torch.save
        save(both, tmp_path / f"gnome.{ending}")
        learnt = taught(folder, tmp_path / f"gnome.{ending}", SDXLPriorConfig)
        for half in (slice(0, tiny.WIDTH), slice(tiny.WIDTH, None)):  # the encoders side by side
            assert not torch.allclose(learnt[..., half], plain[..., half])
    one = StableDiffusionPriorConfig(model=str(tiny.stable_diffusion(tmp_path / "sd")))
    with pytest.raises(InputError, match=r"vectors for 2 text encoder\(s\), where the model has 1"):
        taught(Path(one.model), file)
    save_file({"emb_params": torch.randn(2, tiny.WIDTH)}, file)
    with pytest.raises(InputError, match=r"vectors for 1 text encoder\(s\), where the model has 2"):
        taught(folder, file, SDXLPriorConfig)


@pytest.mark.parametrize("held", [{"clip_l": VECTORS}, {"a": VECTORS, "b": VECTORS}])
def test_what_is_no_textual_inversion_is_said(folder: Path, tmp_path: Path, held: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file({name: value.clone() for name, value in held.items()}, tmp_path / "gnome.safetensors")
    with pytest.raises(
        InputError, match="is not a textual inversion; expected one tensor, or clip_l and clip_g"
    ):
        taught(folder, tmp_path / "gnome.safetensors")
