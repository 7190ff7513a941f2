"""Characters: robot and people of every kind."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLUE,
    GREEN,
    GREY,
    LIGHT_BLUE,
    METAL,
    ORANGE,
    RED,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.parts import DARK, STEEL
from dreamlab.studio.shapes.paths import rod
from dreamlab.studio.shapes.solids import box, cylinder, dome, sphere, torus


@generator("robot", "character", natural=(METAL, METAL, GREY, BLUE, RED, WHITE, YELLOW, TURQUOISE))
def robot(b: Builder, rng: Rng, main: Paint) -> None:
    light = paint(rng, (YELLOW, LIGHT_BLUE, RED, GREEN, ORANGE), unlike=main.colour)
    width, tall, head = rng.uniform(0.62, 0.82), rng.uniform(0.62, 0.8), rng.uniform(0.5, 0.62)
    joint = STEEL * (0.6 if main.material else 1.0)
    hip = 0.5
    b.add(box(width, tall, 0.46, taper=rng.uniform(0.85, 1.1), bevel=0.05).at(y=hip), main.rgb)
    panel = box(width * 0.6, tall * 0.42, 0.04).at(0, hip + tall * 0.4, 0.23)
    b.add(panel, main.shade(0.55) if main.colour != "black" else joint)
    for k, rgb in enumerate(((0.9, 0.15, 0.12), (0.98, 0.85, 0.2), (0.2, 0.75, 0.3))):
        b.add(sphere(0.055, segments=8, rows=6).at((k - 1) * width * 0.19, hip + tall * 0.62, 0.27), rgb)
    b.add(cylinder(0.13, 0.14, 10).at(y=hip + tall - 0.02), joint)
    top = hip + tall + 0.08
    b.add(box(head, 0.44, 0.44, bevel=0.05).at(y=top), main.rgb)
    for x in (-head * 0.24, head * 0.24):
        b.add(cylinder(0.105, 0.05, 12).rx(90).at(x, top + 0.27, 0.2), DARK)
        b.add(sphere(0.08, 0.08, 0.06, segments=10, rows=6).at(x, top + 0.27, 0.25), light.rgb)
    b.add(box(head * 0.5, 0.06, 0.05).at(0, top + 0.07, 0.21), DARK)
    b.add_pair(cylinder(0.08, 0.07, 10).rz(-90).at(head * 0.49, top + 0.22, 0), joint)
    if rng.random() < 0.75:
        b.add(rod((0, top + 0.42, 0), (0, top + 0.64, 0), 0.03, 6), joint)
        b.add(sphere(0.075, segments=8, rows=6).at(0, top + 0.66, 0), light.rgb)
    else:
        b.add(dome(0.16, 0.12, 12, 3).at(y=top + 0.43), light.rgb)
    _robot_limbs(b, rng, main, joint, width, hip, tall)
    b.say(f"with {light.words()} eyes")


def _robot_limbs(b: Builder, rng: Rng, main: Paint, joint: np.ndarray, width: float, hip: float, tall: float) -> None:
    shoulder, side, lift = hip + tall - 0.14, width / 2 + 0.14, rng.uniform(0, 0.3)
    hand = (side + 0.06 + lift * 0.5, hip + 0.06 + lift, 0.1)
    b.add_pair(sphere(0.14, segments=10, rows=6).at(side - 0.06, shoulder, 0), joint)
    b.add_pair(rod((side, shoulder, 0), hand, 0.075, 8), joint)
    b.add_pair(box(0.2, 0.2, 0.2, bevel=0.03).at(hand[0], hand[1] - 0.14, hand[2]), main.rgb)
    b.add_pair(torus(0.09, 0.04, 10, 6).rx(90).at(hand[0], hand[1] - 0.22, hand[2]), joint)
    b.add_pair(cylinder(0.1, 0.42, 10).at(width * 0.26, 0.12, 0), joint)
    b.add_pair(box(0.27, 0.16, 0.44, bevel=0.03).at(width * 0.27, 0, 0.06), main.shade(0.85))


GENERATORS = (robot,)
