"""What `--prior WHICH` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamlab.errors import InputError


def prior_settings(text: str) -> dict[str, Any]:
    """Settings of the prior that WHICH names: "embedded", or a weights file that `dreamlab studio train`
    wrote.

    Raises InputError if it is neither.
    """
    if text == "embedded":
        return {"kind": "embedded"}
    path = Path(text)
    if path.suffix == ".safetensors" and path.is_file():
        return {"kind": "embedded", "weights": str(path)}
    raise InputError(
        f"there is no prior {text!r}",
        expected="embedded, or a .safetensors file of an embedded prior",
        mend="See `dreamlab priors`",
    )
