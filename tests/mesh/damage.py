"""Seeded damage to files, of which a reader may say what it likes, but only in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dreamlab.core.errors import DreamlabError

NUMBERS = (b"-1", b"nan", b"inf", b"1e300", b"-99999999999", b"99999999999999999999", b"9" * 4400, b"x", b"")


def damaged(data: bytes, seed: int) -> bytes:
    """A few of: cut off, a byte changed, some repeated or missing, a number replaced by an odd one."""
    rng, out = np.random.default_rng(seed), bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(len(out) + 1)), int(rng.integers(6))
        if kind == 0:
            del out[at:]
        elif kind == 1 and at < len(out):
            out[at] = int(rng.integers(256))
        elif kind == 2:
            out[at:at] = out[int(rng.integers(len(out) + 1)) :][: int(rng.integers(1, 40))]
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 9))]
        else:
            found = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(out)))
            if found:
                match = found[int(rng.integers(len(found)))]
                out[match.start() : match.end()] = NUMBERS[int(rng.integers(len(NUMBERS)))]
    return bytes(out)


def refusals(read: Callable[[Path], object], path: Path, data: bytes, seeds: int) -> int:
    """How many of so many damaged files are refused. Any other error than a refusal is raised."""
    refused = 0
    for seed in range(seeds):
        path.write_bytes(damaged(data, seed))
        try:
            with np.errstate(all="ignore"):
                read(path)
        except DreamlabError as error:
            refused += 1
            assert "\n" not in str(error) and "Traceback" not in str(error)
    return refused
