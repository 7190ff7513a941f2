"""Where defaults of the command line come from: a file in the user's folder, and DREAMLAB_* variables."""

from __future__ import annotations

import os
from pathlib import Path

from dreamlab.core.errors import ConfigError

OUTPUTS = Path("outputs")
NAMES = ("out", "preset", "prior", "device", "threads", "expand", "formats", "log")
VARIABLES = {f"DREAMLAB_{name.upper()}": name for name in NAMES}
"""Variables of defaults, and which they set."""
OTHERS = {
    "DREAMLAB_CONFIG": "another file of defaults than that of the user's folder; empty: none",
    "DREAMLAB_NATIVE_LIBRARY": "another library of compiled kernels",
    "DREAMLAB_HASHES": "no: scripts install packages without checking their sums",
    "DREAMLAB_TOKEN": "what requests to `dreamlab serve` must know",
}
"""Variables of other things, and what they say."""
SECRET = ("DREAMLAB_TOKEN",)
"""Those of them that are never shown."""


def config_file() -> Path | None:
    """The file of defaults, there or not; None where there shall be none.

    Raises ConfigError where DREAMLAB_CONFIG names one that is not there.
    """
    named = os.environ.get("DREAMLAB_CONFIG")
    if named is None:
        from platformdirs import user_config_path

        return user_config_path("dreamlab", appauthor=False) / "config.yaml"
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise ConfigError(f"DREAMLAB_CONFIG names {path}, which is not there", mend="Mend or unset it")
    return path


def anything_said() -> bool:
    """Whether there may be any default: without one, nothing more need be loaded."""
    path = config_file()
    said = any(name.startswith("DREAMLAB_") and name not in OTHERS for name in os.environ)
    return said or (path is not None and path.exists())
