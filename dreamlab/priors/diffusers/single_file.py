"""What kind of model a single .safetensors file holds, read from its header alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from dreamlab.core.errors import DamagedError, InputError

SAFETENSORS = (".safetensors", ".sft")  # what files of weights end in
_LONGEST_HEADER = 100 * 2**20
_SIZES = "model.diffusion_model.label_emb.0.0.weight"  # diffusers knows XL by its text encoders alone
_BY_SIZES = {2816: "xl_base", 2560: "xl_refiner"}
_STABLE_DIFFUSION = "model.diffusion_model.input_blocks."


def header(path: str | Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes by tensor name, and metadata. Raises DamagedError if it is no safetensors file."""
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _LONGEST_HEADER:
                raise ValueError("no header")
            entries = json.loads(file.read(length))
        metadata = entries.pop("__metadata__", {})
        return {name: tuple(entry["shape"]) for name, entry in entries.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{path} is damaged", expected="a safetensors file", mend="Download it again"
        ) from error


@contextmanager
def as_safetensors(path: Path) -> Iterator[Path]:
    """The file under a name that ends in .safetensors: diffusers takes any other ending for a pickle."""
    if path.suffix == ".safetensors":
        yield path
        return
    with TemporaryDirectory() as folder:
        link = Path(folder, f"{path.stem}.safetensors")
        try:
            link.symlink_to(path.resolve())
        except OSError as error:
            raise InputError(
                f"cannot read {path} under its name", mend=f"Rename it to {link.name}"
            ) from error
        yield link


def model_type(path: str | Path) -> str:
    """diffusers' name for the kind of model, such as "v1" or "xl_base"; "unknown" where it does not know."""
    from diffusers.loaders.single_file_utils import infer_diffusers_model_type

    shapes, _ = header(path)
    try:
        found = infer_diffusers_model_type({k: SimpleNamespace(shape=s) for k, s in shapes.items()})
    except (KeyError, IndexError, UnboundLocalError):  # half of the names it looks for
        return "unknown"
    if found == "v1":  # what it says when nothing fits
        if not any(name.startswith(_STABLE_DIFFUSION) for name in shapes):
            return "unknown"
        return _BY_SIZES.get(shapes[_SIZES][-1], "v1") if _SIZES in shapes else "v1"
    return str(found)


def looks_like_lora(path: str | Path) -> bool:
    """Whether the file holds a low-rank adaptation and no model."""
    shapes, _ = header(path)
    return bool(shapes) and all("lora" in name or name.endswith("alpha") for name in shapes)


def refuse_lora(path: str | Path) -> None:
    """Raises InputError for a file that belongs to --lora."""
    if looks_like_lora(path):
        raise InputError(
            f"{path} is a LoRA, not a model", mend="Give the model with --prior and this with --lora"
        )
