"""The state of a training in few small files, for the way home: 16 bits a number, no file above 15 MB."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load, load_file, save
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.priors.embedded.prior import read_vocabulary
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.studio.train import Trainer

PART = 15_000_000


def split(folder: Path, name: str, data: bytes) -> list[Path]:
    """Write bytes as NAME.0, NAME.1 ...; what lies there of an earlier time goes."""
    for old in folder.glob(f"{name}.*"):
        old.unlink()
    paths = []
    for number, start in enumerate(range(0, max(1, len(data)), PART)):
        paths.append(folder / f"{name}.{number}")
        write_atomic(paths[-1], data[start : start + PART])
    return paths


def joined(folder: Path, name: str) -> bytes:
    """What `split` wrote. Raises InputError where it is not there."""
    parts = sorted(folder.glob(f"{name}.*"), key=lambda path: int(path.suffix[1:]))
    if not parts or [int(path.suffix[1:]) for path in parts] != list(range(len(parts))):
        raise InputError(f"{folder} does not hold all of {name}", got=", ".join(p.name for p in parts))
    return b"".join(path.read_bytes() for path in parts)


def write_state(trainer: Trainer) -> bytes:
    """Network and momenta; the moving averages come home as weights. The network is written in half
    precision, momenta in bfloat16, for they may be large or very small."""
    state = {f"network.{name}": value.half() for name, value in trainer.network.state_dict().items()}
    for parameters, optimiser in trainer.optimisers:
        for name, parameter in parameters.items():
            for key, value in optimiser.state[parameter].items():
                state[f"{key}:{name}"] = value.bfloat16() if value.ndim else value
    state["step"] = torch.tensor(trainer.step)
    return save({name: value.detach().cpu().contiguous() for name, value in state.items()})


def read_state(trainer: Trainer, folder: Path, state_name: str, weights_name: str) -> None:
    """Put a trainer where another stood, up to what 16 bits leave out.

    Raises InputError where a part is missing.
    """
    state = load(joined(folder, state_name))
    weights = folder / f"joined-{weights_name}"
    write_atomic(weights, joined(folder, weights_name))
    vocabulary = read_vocabulary(weights) or Vocabulary()
    trainer.step = int(state["step"])
    trainer.network.load_state_dict(
        {name[8:]: value.float() for name, value in state.items() if name.startswith("network.")}
    )
    trainer.begin_from(trainer.network, vocabulary)
    trainer.average = {name: value.float() for name, value in load_file(weights).items()}
    weights.unlink()
    for parameters, optimiser in trainer.optimisers:
        for entry, value in state.items():
            key, _, name = entry.partition(":")
            if name in parameters:
                optimiser.state[parameters[name]][key] = _as(parameters[name], value)


def _as(parameter: Tensor, value: Tensor) -> Tensor:
    """A momentum in the precision and layout of its parameter; a counter of steps as it is."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
