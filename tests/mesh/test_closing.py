"""Pits are filled, and nothing else: what a ball of the radius can enter stays as it was."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.surface.closing import close_pits

N = 64


def axes() -> list[np.ndarray]:
    return np.meshgrid(*[np.arange(N) - N / 2 + 0.5] * 3, indexing="ij")


def ball(radius: float) -> np.ndarray:
    """Clipped signed distance to a ball in the middle, positive inside, in cells."""
    x, y, z = axes()
    return np.clip(radius - np.sqrt(x**2 + y**2 + z**2), -2, 2).astype(np.float16)


def drilled(width: float) -> np.ndarray:
    """The ball with a square hole to its middle."""
    x, y, z = axes()
    level = ball(20.0)
    level[(np.abs(x) < width / 2) & (np.abs(y) < width / 2) & (z > 0)] = -2
    return level


def test_a_convex_solid_is_a_fixed_point() -> None:
    level = ball(20.0)
    assert np.array_equal(close_pits(level, 3.0, 2.0), level)


def test_a_pit_narrower_than_the_ball_is_filled_to_the_surface() -> None:
    filled = close_pits(drilled(4.0), 4.0, 2.0)
    wrong = (filled > 0) != (ball(20.0) > 0)
    assert wrong.sum() < 30  # a shallow dimple where the ball touches the rim; the hole had 320 cells
    assert ((drilled(4.0) > 0) != (ball(20.0) > 0)).sum() > 300


def test_a_hole_wider_than_the_ball_stays_open() -> None:
    level = drilled(14.0)
    x, y, z = axes()
    middle = (np.abs(x) < 3) & (np.abs(y) < 3) & (z > 8)
    assert (close_pits(level, 4.0, 2.0)[middle] < 0).all()


def test_a_hidden_hole_is_filled_whatever_its_size() -> None:
    shell = np.where(ball(12.0) > 0, -2, ball(20.0)).astype(np.float16)
    assert ((close_pits(shell, 1.5, 2.0) > 0) == (ball(20.0) > 0)).all()


def test_what_was_matter_keeps_its_level_and_nothing_is_taken_away() -> None:
    level = drilled(4.0)
    filled = close_pits(level, 4.0, 2.0)
    assert np.array_equal(filled[level > 0], level[level > 0])
    assert (filled >= level).all() and filled.max() <= 2.0 and filled.dtype == level.dtype


def test_radius_zero_and_empty_lattices_come_back_as_they_are() -> None:
    empty = np.full((8, 8, 8), -2, np.float16)
    assert np.array_equal(close_pits(empty, 3.0, 2.0), empty)
    assert np.array_equal(close_pits(drilled(4.0), 0.0, 2.0), drilled(4.0))
