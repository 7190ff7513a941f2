"""The measure of the room under a cap, on opacities whose answer is known."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import room_under_cap as script


def mushroom(stem: int) -> np.ndarray:
    """Opacity [1,96,96]: a cap 40 wide over a stem, 60 high in all."""
    view = np.zeros((1, 96, 96))
    view[0, 10:35, 28:68] = 1
    view[0, 35:70, 48 - stem // 2 : 48 + stem // 2] = 1
    return view


def test_a_stem_is_narrow_and_a_closed_cap_wide() -> None:
    assert script.width_below(mushroom(10)) == 0.25 < script.CLOSED
    assert script.width_below(mushroom(30)) == 0.75 > script.CLOSED


def test_nothing_has_no_width_and_counts_as_closed() -> None:
    share = script.width_below(np.zeros((4, 96, 96)))
    assert math.isnan(share) and not share < script.CLOSED


def test_seeds_are_given_as_ranges() -> None:
    assert script.numbers("0-2,7") == [0, 1, 2, 7]
