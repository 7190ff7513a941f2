"""How threads wait for work: asleep, not spinning. Decided before torch is loaded, and never again."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

_SAYS_HOW = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_SPINS = "GOMP_SPINCOUNT"
SPIN_COUNT = "1000"


def wait_for_work(environ: MutableMapping[str, str] = os.environ) -> None:
    """Have the threads of OpenMP sleep soon where work ends. Does nothing where the environment says how they
    wait, or torch is loaded already.
    """
    if "torch" not in sys.modules and not any(name in environ for name in _SAYS_HOW):
        environ[_SPINS] = SPIN_COUNT


def how_they_wait(environ: MutableMapping[str, str] = os.environ) -> str:
    """What `doctor` says of it."""
    found = [f"{name}={environ[name]}" for name in _SAYS_HOW if name in environ]
    return ", ".join(found) or "they spin: torch was loaded before dreamlab could say otherwise"
