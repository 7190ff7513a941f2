"""The judge that is shipped beside the prior's weights: trained once on all procedural nouns.

`scripts/train_judge.py` makes the file and measures it on objects that it has never seen; the figures lie in
the file's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.core.files import atomic_path
from dreamlab.evaluate.classifier import FORMAT, Judge
from dreamlab.studio import shapes

SHIPPED = Path(__file__).parent.parent / "weights" / "judge.safetensors"


@dataclass(frozen=True)
class KeptJudge:
    """A judge read from a file. identity: the first digits of the file's SHA-256. measured: its figures on
    held-out objects, as its training wrote them down."""

    judge: Judge
    identity: str
    measured: Mapping[str, float]


def read_judge(path: Path = SHIPPED) -> KeptJudge:
    """Raises UnavailableError where there is no file, DamagedError for one that holds no judge of today's
    format and colours."""
    from safetensors import SafetensorError, safe_open

    mend = "scripts/train_judge.py makes one"
    if not path.is_file():
        raise UnavailableError("the judge's weights are not there", expected=str(path), mend=mend)
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("judge", "{}"))
            state = {name: file.get_tensor(name).float() for name in file.keys()}
        if header.get("format") != FORMAT or header.get("colors") != [c.word for c in shapes.COLORS]:
            got = str(header.get("format"))
            raise DamagedError(f"{path} holds no judge of this version", expected=FORMAT, got=got, mend=mend)
        judge = Judge(header["nouns"])
        judge.load_state_dict(state)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        got = str(error).splitlines()[0]
        raise DamagedError(f"{path} cannot be read as a judge", got=got, mend=mend) from error
    return KeptJudge(judge.eval(), identity(path), header.get("measured", {}))


def write_judge(judge: Judge, path: Path, about: Mapping[str, Any], measured: Mapping[str, float]) -> None:
    """Write a judge in half precision. about: how it was trained."""
    from safetensors.torch import save_file

    header = {
        "format": FORMAT,
        "nouns": judge.nouns,
        "colors": [color.word for color in shapes.COLORS],
        "about": dict(about),
        "measured": dict(measured),
    }
    state = {name: t.half() if t.dtype == torch.float32 else t for name, t in judge.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata={"judge": json.dumps(header)})


def identity(path: Path) -> str:
    """The first digits of the file's SHA-256."""
    return sha256(path.read_bytes()).hexdigest()[:16]
