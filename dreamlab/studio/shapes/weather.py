"""Things of land and sky: snowman, rock, cloud, mountain."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import BLACK, BLUE, BROWN, GREEN, PURPLE, RED, TALL, WHITE, YELLOW, Paint, generator, paint
from dreamlab.studio.shapes.paths import rod
from dreamlab.studio.shapes.solids import cone, cylinder, sphere, torus, box


@generator("snowman", "nature", natural=(WHITE,), sizes=(TALL,), wild=0.12)
def snowman(b: Builder, rng: Rng, main: Paint) -> None:
    r1, r2, r3 = rng.uniform(0.46, 0.54), rng.uniform(0.34, 0.38), rng.uniform(0.25, 0.29)
    y2, y3 = r1 * 1.7 + r2 * 0.6, r1 * 1.7 + r2 * 1.95 + r3 * 0.6
    coal = np.array((0.07, 0.07, 0.08)) if main.colour != "black" else np.array((0.9, 0.9, 0.9))
    for r, y in ((r1, r1 * 0.92), (r2, y2), (r3, y3)):
        b.add(sphere(r, segments=14, rows=10).at(y=y), main.rgb)
    b.add(cone(0.065, rng.uniform(0.28, 0.38), 8).rx(90).at(0, y3, r3 * 0.9), (0.98, 0.5, 0.08))
    b.add_pair(sphere(0.045, segments=7, rows=6).at(r3 * 0.4, y3 + r3 * 0.35, r3 * 0.85), coal)
    for dy in (-0.14, 0.02, 0.18):
        z = np.sqrt(r2**2 - dy**2)
        b.add(sphere(0.045, segments=7, rows=6).at(0, y2 + dy, z), coal)
    b.add_pair(rod((r2 * 0.85, y2 + 0.05, 0), (r2 + 0.42, y2 + rng.uniform(0.1, 0.3), 0.05), 0.028, 5), (0.3, 0.2, 0.12))
    if rng.random() < 0.6:
        hat = paint(rng, (BLACK, BLACK, RED, BLUE, BROWN), unlike=main.colour)
        b.add(cylinder(r3 * 1.15, 0.05, 14).at(y=y3 + r3 * 0.72), hat.rgb)
        b.add(cylinder(r3 * 0.75, rng.uniform(0.24, 0.36), 14).at(y=y3 + r3 * 0.72), hat.rgb)
        b.say(f"with a {hat.words()} hat")
    if rng.random() < 0.6:
        scarf = paint(rng, (RED, RED, BLUE, GREEN, YELLOW, PURPLE), unlike=main.colour)
        y = (y2 + r2 * 0.85 + y3 - r3 * 0.75) / 2
        b.add(torus(r3 * 0.85, 0.075, 16, 7).at(y=y), scarf.rgb)
        b.add(box(0.12, 0.36, 0.06).rx(-8).at(r3 * 0.5, y - 0.34, r3 * 0.95), scarf.rgb)
        b.say(f"with a {scarf.words()} scarf")


GENERATORS = (snowman,)
