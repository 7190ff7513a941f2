"""Plants: mushroom, trees, cactus, flowers, bush."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    ORANGE,
    PURPLE,
    RED,
    UPRIGHT,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.solids import dome, lathe, sphere


@generator("mushroom", "plant", natural=(RED, RED, BROWN, BEIGE, ORANGE), sizes=UPRIGHT)
def mushroom(b: Builder, rng: Rng, main: Paint) -> None:
    stem = paint(rng, (WHITE, BEIGE), unlike=main.colour)
    height, radius = rng.uniform(0.5, 0.9), rng.uniform(0.13, 0.2)
    foot = radius * rng.uniform(1.1, 1.5)
    b.add(lathe([(foot, 0), (radius * 1.05, height * 0.35), (radius, height)]), stem.rgb)
    cap_radius, cap_height = rng.uniform(0.55, 0.75), rng.uniform(0.35, 0.6)
    cap = dome(cap_radius, cap_height, segments=16, rows=5).at(y=height - 0.02)
    b.add(cap, main.rgb)
    b.add(lathe([(cap_radius * 0.92, 0), (cap_radius * 0.96, 0.02)], 16).at(y=height - 0.03), stem.shade(0.9))
    if rng.random() < 0.65:
        spots = paint(rng, (WHITE, WHITE, WHITE, YELLOW, BLUE, PURPLE), unlike=main.colour)
        places, normals = surface_points(cap, rng, int(rng.integers(8, 13)), keep=cap.normals()[:, 1] > 0)
        for place, normal in zip(places, normals, strict=True):
            size = rng.uniform(0.06, 0.11)
            b.add(sphere(size, 0.025, size, segments=8, rows=4).aligned(normal).at(*place), spots.rgb)
        b.say(f"with {spots.words()} spots")


GENERATORS = (mushroom,)
