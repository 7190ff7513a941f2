"""Tools and arms: upright, their flat side facing +Z."""

from __future__ import annotations

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import BLUE, BROWN, GOLDEN, GREEN, METAL, RED, SILVER, Paint, generator, paint, with_article
from dreamlab.studio.shapes.paths import extrude
from dreamlab.studio.shapes.solids import box, cylinder, lathe, sphere


@generator("sword", "tool", natural=(METAL, METAL, SILVER, GOLDEN))
def sword(b: Builder, rng: Rng, main: Paint) -> None:
    grip = paint(rng, (BROWN, RED, BLUE, GREEN), unlike=main.colour)
    fitting = paint(rng, (GOLDEN, GOLDEN, SILVER, BROWN), unlike=main.colour)
    length, width, guard = rng.uniform(1.3, 1.6), rng.uniform(0.22, 0.3), rng.uniform(0.6, 0.8)
    tip = rng.uniform(0.16, 0.3)
    w = width / 2
    b.add(extrude([(-w, 0), (w, 0), (w * 0.85, length - tip), (0, length), (-w * 0.85, length - tip)], 0.12, bevel=0.0), main.rgb)
    b.add(box(w * 0.4, length * 0.75, 0.14).at(y=0.02), main.shade(0.7))
    b.add(box(guard, 0.12, 0.2, bevel=0.03).at(y=-0.08), fitting.rgb)
    b.add_pair(sphere(0.09, segments=8, rows=6).at(guard / 2, -0.02, 0), fitting.rgb)
    b.add(lathe([(0.075, 0), (0.095, 0.2), (0.075, 0.42)], 10).at(y=-0.48), grip.rgb)
    for y in (-0.4, -0.28, -0.16):
        b.add(cylinder(0.1, 0.03, 10).at(y=y), grip.shade(0.6))
    b.add(sphere(0.12, segments=10, rows=6).at(y=-0.54), fitting.rgb)
    b.say(f"with {with_article(grip.words())} grip")


GENERATORS = (sword,)
