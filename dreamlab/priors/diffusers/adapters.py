"""LoRA and textual inversion: small files on top of a model, merged once after loading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.single_file import header
from dreamlab.priors.diffusers.source import LoraConfig


def merge_loras(pipe: Any, loras: Sequence[LoraConfig], model: str) -> Any:
    """The pipeline with all adaptations added to its weights; nothing of them is left to train.

    Raises InputError for a file that is no LoRA or was made for a model of another kind.
    """
    if not loras:
        return pipe
    need_peft()
    names = [f"lora{i}" for i in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        _load(pipe, name, lora, model)
    pipe.set_adapters(names, [lora.scale for lora in loras])
    fused = [part for part, adapters in pipe.get_list_adapters().items() if adapters]
    pipe.fuse_lora(components=fused)
    pipe.unload_lora_weights()
    return pipe


def _load(pipe: Any, name: str, lora: LoraConfig, model: str) -> None:
    header(_safetensors(lora.file, "a LoRA"))
    reason = "none of its layers are in the model"
    with listening() as heard:
        try:
            pipe.load_lora_weights(str(lora.file.parent), weight_name=lora.file.name, adapter_name=name)
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0][:200]
    found = [part for part, adapters in pipe.get_list_adapters().items() if name in adapters]
    strangers = any("unexpected keys" in line.lower() for line in heard)
    if not found or strangers or reason != "none of its layers are in the model":
        raise InputError(
            f"the LoRA {lora.file} does not fit {model}",
            got=reason if not strangers else "layers that the model does not have",
            mend="Use one that was trained for this kind of model",
        )


def learn_words(pipe: Any, files: Sequence[Path], model: str) -> Any:
    """The text pipeline with the words that textual inversion files bring; a word is its file's name.

    Raises InputError for files that do not fit.
    """
    for file in files:
        _safetensors(file, "a textual inversion")
        if not hasattr(pipe, "load_textual_inversion"):
            raise InputError(f"{model} cannot learn words from textual inversion files")
        with listening():
            try:
                _learn(pipe, file)
            except (ValueError, RuntimeError, KeyError, OSError) as error:
                raise InputError(
                    f"the textual inversion {file} does not fit {model}",
                    got=str(error).strip().splitlines()[0][:200],
                ) from error
    return pipe


def _learn(pipe: Any, file: Path) -> None:
    shapes, _ = header(file)
    if "clip_l" not in shapes:
        pipe.load_textual_inversion(str(file.parent), weight_name=file.name, token=file.stem)
        return
    from safetensors.torch import load_file

    vectors = load_file(file)  # SDXL: one set of vectors for each encoder
    for name, suffix in (("clip_l", ""), ("clip_g", "_2")):
        encoder, tokeniser = (getattr(pipe, part + suffix) for part in ("text_encoder", "tokenizer"))
        pipe.load_textual_inversion(vectors[name], token=file.stem, text_encoder=encoder, tokenizer=tokeniser)


def _safetensors(file: Path, what: str) -> Path:
    if not file.is_file() or file.suffix != ".safetensors":
        raise InputError(f"{file} is not {what}", expected="a .safetensors file that exists")
    return file


def need_peft() -> None:
    """Raises UnavailableError where peft is not installed."""
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise UnavailableError("LoRA needs the package peft", mend="pip install peft")
