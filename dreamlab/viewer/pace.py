"""How large a picture may be: as large as can be rendered in the time that it may take."""

from __future__ import annotations

import math

SMALLEST = 64  # pixels high
_STEP = 16  # heights are multiples of it, so that a picture does not change its size all the time
_UNKNOWN = 5e4  # pixels a second, before the first picture was timed
_SHARE = 0.5  # of what is believed already, against the newest picture


class Pace:
    """What was rendered so far, as pixels a second: one for each pass, since they cost differently. The first
    picture of each is not believed: it loads what the others find loaded."""

    def __init__(self) -> None:
        self._rate: dict[str, float] = {}
        self._begun: set[str] = set()

    def knows(self, show: str) -> bool:
        """Whether a pass has been timed."""
        return show in self._rate

    def saw(self, show: str, pixels: int, seconds: float) -> None:
        """A picture of so many pixels took so long."""
        if show not in self._begun:
            self._begun.add(show)
            return
        rate = pixels / max(seconds, 1e-6)
        before = self._rate.get(show)
        self._rate[show] = rate if before is None else _SHARE * before + (1 - _SHARE) * rate

    def height(self, show: str, seconds: float, aspect: float, most: int) -> int:
        """Pixels of a picture's height that can be had in this time, no more than `most` and no fewer than
        SMALLEST; aspect is width by height."""
        pixels = self._rate.get(show, _UNKNOWN) * seconds
        height = math.sqrt(pixels / max(aspect, 1e-3))
        return max(min(int(height) // _STEP * _STEP, most), min(SMALLEST, most))
