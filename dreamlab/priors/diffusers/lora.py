"""LoRA: low-rank adaptations, merged into a model's weights once after loading, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from torch import Tensor

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.single_file import SAFETENSORS, header
from dreamlab.priors.diffusers.source import LoraConfig

_NONE = "none of its layers are in the model"
_MEND = "Use one that was trained for this kind of model"
_OTHER_KINDS = {
    "hada_": "a LoHa",
    "lokr_": "a LoKr",
    "oft_": "an OFT",
    ".on_input": "an IA3",
    ".diff": "a set of full differences",
    ".w_norm": "a set of full differences",
    ".a1.weight": "a GLoRA",
    "lora_mid": "a LoCon with a middle factor",
    "dora_scale": "a DoRA in the layout of LyCORIS",
}
_FACTOR = re.compile(
    r"[._](?:lora_(?P<peft>[AB])|lora(?:_linear_layer)?\.(?P<old>down|up)|lora_magnitude_vector)(?:\.\w+)*$"
)


def merge_loras(pipe: Any, loras: Sequence[LoraConfig], model: str) -> Any:
    """The pipeline with all adaptations added to its weights; nothing of them is left to train.

    Raises InputError for a file that is no LoRA, or of which any part does not fit the model.
    """
    if not loras:
        return pipe
    need_peft()
    networks = [getattr(pipe, part, None) for part in ("unet", "transformer")]
    takes = hasattr(pipe, "lora_state_dict") and all(
        hasattr(n, "load_lora_adapter") for n in networks if n is not None
    )
    if not takes:
        raise InputError(f"models of the kind of {model} take no LoRA here", got=type(pipe).__name__)
    names = [f"lora{i}" for i in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        _load(pipe, name, lora, model)
    pipe.set_adapters(names, [lora.scale for lora in loras])
    fused = [part for part, adapters in pipe.get_list_adapters().items() if adapters]
    pipe.fuse_lora(components=fused)
    pipe.unload_lora_weights()
    return pipe


def _load(pipe: Any, name: str, lora: LoraConfig, model: str) -> None:
    from safetensors.torch import load_file

    if not lora.file.is_file() or lora.file.suffix not in SAFETENSORS:
        raise InputError(f"{lora.file} is not a LoRA", expected="a .safetensors file that exists")
    refuse_other_kinds(header(lora.file)[0], f"{lora.file}")
    state = load_file(lora.file)
    with listening() as heard:
        try:
            factors = _factors(pipe, state)
            pipe.load_lora_weights(dict(state), adapter_name=name)
            reason = "" if any(name in some for some in pipe.get_list_adapters().values()) else _NONE
        except (ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
            factors, reason = {}, (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if not reason and any("unexpected keys" in line.lower() for line in heard):
        reason = _strangers(pipe, factors)
    if not reason:
        reason = _left_out(pipe, name, factors)
    if reason:
        raise InputError(f"the LoRA {lora.file} does not fit {model}", got=reason, mend=_MEND)


def refuse_other_kinds(names: Iterable[str], what: str) -> None:
    """Raises InputError for adaptations that are no LoRA, of which diffusers would read a part or nothing."""
    for name in names:
        for part, kind in _OTHER_KINDS.items():
            if part in name:
                raise InputError(
                    f"{what} is {kind}, which is not read here",
                    got=f"the weight {name}",
                    mend="Merge it into the model with the tool that made it, or take a LoRA",
                )


def _factors(pipe: Any, state: dict[str, Tensor]) -> dict[str, set[str]]:
    """By layer, in the names that diffusers gives the file's weights, which factors are there."""
    more = {"unet_config": pipe.unet.config} if getattr(pipe, "unet", None) is not None else {}
    renamed = pipe.lora_state_dict(dict(state), **more)
    found: dict[str, set[str]] = {}
    for name in renamed[0] if isinstance(renamed, tuple) else renamed:
        if match := _FACTOR.search(name):
            kind = {"A": "down", "B": "up"}.get(match["peft"] or "", match["old"] or "magnitude")
            found.setdefault(name[: match.start()], set()).add(kind)
    return found


def _strangers(pipe: Any, factors: dict[str, set[str]]) -> str:
    """Which of the file's layers the network lacks."""
    there = {
        f"{part}.{name}"
        for part in ("unet", "transformer")
        if getattr(pipe, part, None) is not None
        for name, _ in getattr(pipe, part).named_modules()
    }
    strange = [
        layer for layer in factors if layer.startswith(("unet.", "transformer.")) and layer not in there
    ]
    such = f"{len(strange)} of {len(factors)} " if strange else ""
    return f"{such}layers that the model does not have" + (f": {', '.join(strange[:2])}" if strange else "")


def _left_out(pipe: Any, name: str, factors: dict[str, set[str]]) -> str:
    """What of the file is not on the model now; "" where all is."""
    halves = [layer for layer, kinds in factors.items() if not {"down", "up"} <= kinds]
    if halves:
        return f"{len(halves)} of {len(factors)} layers with one of two factors, such as {halves[0]}"
    adapted = {part for part, some in pipe.get_list_adapters().items() if name in some}
    strange = [layer for layer in factors if layer.partition(".")[0] not in adapted]
    if strange:
        first = ", ".join(strange[:2])
        return f"{len(strange)} of {len(factors)} layers of parts that the model lacks, such as {first}"
    modules = (module for part in adapted for module in getattr(pipe, part).modules())
    loaded = sum(name in getattr(module, "lora_A", ()) for module in modules)
    if loaded < len(factors):
        return f"{len(factors) - loaded} of {len(factors)} layers that the model does not have"
    return ""


def need_peft() -> None:
    """Raises UnavailableError where peft is not installed."""
    if find_spec("peft") is None:
        raise UnavailableError("LoRA needs the package peft", mend="pip install peft")
