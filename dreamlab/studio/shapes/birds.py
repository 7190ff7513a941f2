"""Birds."""

from __future__ import annotations

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BROWN,
    FAT,
    GREEN,
    ORANGE,
    RED,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import eyes, spindle
from dreamlab.studio.shapes.paths import rod, tube
from dreamlab.studio.shapes.solids import cone, sphere


@generator("duck", "animal", natural=(YELLOW, YELLOW, WHITE, BROWN), sizes=(FAT,))
def duck(b: Builder, rng: Rng, main: Paint) -> None:
    beak = paint(rng, (ORANGE, ORANGE, RED, YELLOW), unlike=main.colour)
    width, length, neck = rng.uniform(0.38, 0.48), rng.uniform(0.58, 0.7), rng.uniform(0.0, 0.18)
    b.add(spindle([(-length, 0.62, 0.04, 0.02), (-length * 0.8, 0.52, width * 0.5, 0.13), (-0.25, 0.42, width, 0.32),
                   (0.15, 0.4, width, 0.36), (0.42, 0.44, width * 0.72, 0.28), (0.55, 0.5, 0.1, 0.1)], 14), main.rgb)  # fmt: skip
    head_at, head = (0.0, 1.02 + neck, 0.34), rng.uniform(0.26, 0.31)
    head_paint = main
    if rng.random() < 0.2:
        head_paint = paint(rng, (GREEN, BROWN, BLACK), unlike=main.colour)
        b.say(f"with {with_article(head_paint.words())} head")
    b.add(tube([(0, 0.5, 0.3), (0, 0.75, 0.35), (0, head_at[1] - 0.05, 0.34)], (0.26, 0.19, 0.17), 12), main.rgb)
    b.add(sphere(head).at(*head_at), head_paint.rgb)
    eyes(b, head_at, (head,) * 3, 0.085, azimuth=42, elevation=22)
    beak_at = (0, head_at[1] - 0.06, head_at[2] + head * 0.95)
    b.add(sphere(0.15, 0.06, 0.2, segments=10, rows=6).at(*beak_at), beak.rgb)
    b.add(sphere(0.12, 0.035, 0.16, segments=10, rows=6).at(beak_at[0], beak_at[1] - 0.06, beak_at[2] - 0.03), beak.rgb * 0.85)
    b.add_pair(sphere(0.08, 0.2, 0.36, segments=10).rx(12).at(width * 0.95, 0.48, -0.14), main.shade(0.86))
    b.add_pair(rod((0.18, 0.14, 0), (0.18, 0.0, 0.02), 0.05), beak.rgb)
    b.add_pair(sphere(0.13, 0.035, 0.19, segments=8, rows=4).at(0.18, 0, 0.1), beak.rgb)
    b.say(f"with {with_article(beak.words())} beak")


GENERATORS = (duck,)
