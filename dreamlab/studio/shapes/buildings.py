"""Buildings: their fronts, with the door, face +Z."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    DARK_RED,
    GREY,
    LIGHT_BLUE,
    PINK,
    PURPLE,
    RED,
    STONE,
    TALL,
    WHITE,
    WIDE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, EYE_WHITE, PANE, TIMBER, gable
from dreamlab.studio.shapes.paths import extrude
from dreamlab.studio.shapes.solids import box, cone, cylinder, sphere


def window(b: Builder, x: float, y: float, z: float, width: float, height: float, side: int = 0) -> None:
    """A pane with a white frame; centre (x, y, z); side 0 looks to ±Z, 1 to ±X."""
    for solid, rgb in (
        (box(width * 1.3, height * 1.3, 0.05).at(y=-height * 0.65), EYE_WHITE),
        (box(width, height, 0.08).at(y=-height / 2), PANE * 0.75),
        (box(width * 0.1, height, 0.1).at(y=-height / 2), EYE_WHITE),
        (box(width, height * 0.1, 0.1).at(y=-height * 0.05), EYE_WHITE),
    ):
        b.add((solid.ry(90) if side else solid).at(x, y, z), rgb)


def arch(width: float, height: float, depth: float) -> Solid:
    """A plate with a round top on y = 0, centred on z = 0."""
    angle = np.linspace(0, np.pi, 9)
    r = width / 2
    top = np.stack([r * np.cos(angle), height - r + r * np.sin(angle)], axis=1)
    return extrude(np.concatenate([[(-r, 0), (r, 0)], top]), depth)


@generator("house", "building", natural=(WHITE, WHITE, YELLOW, BEIGE, LIGHT_BLUE, RED, PINK, WOODEN), sizes=(TALL, WIDE))
def house(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, RED, BROWN, DARK_RED, BLUE, GREY), unlike=main.colour)
    door = paint(rng, (BROWN, RED, BLUE, WOODEN), unlike=main.colour)
    width, tall, depth, pitch = (rng.uniform(*s) for s in ((1.0, 1.3), (0.65, 0.85), (1.0, 1.4), (0.5, 0.75)))
    front = depth / 2
    b.add(box(width, tall, depth), main.rgb)
    b.add(gable(width, pitch * 0.96, depth * 0.999).at(y=tall - 0.01), main.rgb)
    for turn in (1, -1):
        slope = np.hypot(width / 2, pitch)
        angle = np.degrees(np.arctan2(pitch, width / 2))
        slab = box(slope * 1.2, 0.09, depth * 1.16).at(-slope * 0.6, 0, 0).rz(angle).at(0, pitch, 0)
        slab = slab.at(y=tall - 0.02)
        b.add(slab if turn == 1 else slab.mirrored_x(), roof.rgb)
    b.add(box(0.28, 0.46, 0.06).at(0, 0, front), door.rgb)
    b.add(sphere(0.03, segments=6, rows=4).at(0.08, 0.22, front + 0.04), (0.95, 0.8, 0.3))
    for x in (-width * 0.32, width * 0.32):
        window(b, x, tall * 0.52, front, 0.2, 0.24)
    window(b, 0, tall + pitch * 0.35, front, 0.17, 0.2)
    for z in (-depth * 0.25, depth * 0.25):
        for x in (-width / 2, width / 2):
            window(b, x, tall * 0.52, z, 0.24, 0.26, side=1)
    window(b, 0, tall * 0.52, -front, 0.3, 0.26)
    if rng.random() < 0.8:
        b.add(box(0.2, 0.55, 0.2).at(width * 0.27, tall + pitch * 0.35, -depth * 0.2), (0.6, 0.27, 0.2))
        b.add(box(0.25, 0.07, 0.25).at(width * 0.27, tall + pitch * 0.35 + 0.53, -depth * 0.2), (0.45, 0.2, 0.16))
    b.say(f"with {with_article(roof.words())} roof")
    b.say(f"with {with_article(door.words())} door")


@generator("castle", "building", natural=(STONE, STONE, GREY, BEIGE, WHITE, PINK))
def castle(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, BLUE, PURPLE, DARK_RED), unlike=main.colour)
    half, wall, tower, high = rng.uniform(0.55, 0.68), rng.uniform(0.5, 0.62), rng.uniform(0.18, 0.23), rng.uniform(0.85, 1.05)
    pointed = rng.random() < 0.65
    for k in range(4):
        side = box(half * 2, wall, 0.16).at(0, 0, half)
        b.add(side.ry(90 * k), main.rgb)
        for x in np.linspace(-half * 0.62, half * 0.62, 4):
            b.add(box(half * 0.2, 0.12, 0.16).at(x, wall - 0.01, half).ry(90 * k), main.rgb)
        corner = cylinder(tower, high, 12).at(half, 0, half).ry(90 * k)
        b.add(corner, main.shade(0.92))
        place = (half, 0, half)
        if pointed:
            b.add(cylinder(tower * 1.2, 0.1, 12).at(half, high - 0.04, half).ry(90 * k), main.shade(0.8))
            b.add(cone(tower * 1.35, 0.52, 12).at(half, high + 0.05, half).ry(90 * k), roof.rgb)
        else:
            _crown(b, main, tower, high, place, 90 * k)
        b.add(box(0.06, 0.18, 0.03).at(0, high * 0.6, tower).ry(20).at(half, 0, half).ry(90 * k), DARK)
    b.add(box(half * 1.0, wall + 0.5, half * 1.0).at(0, 0, -0.06), main.shade(0.96))
    for k in range(4):
        for x in (-0.36, 0.0, 0.36):
            b.add(box(half * 0.22, 0.13, 0.12).at(x * half * 1.1, wall + 0.49, half * 0.44).ry(90 * k).at(z=-0.06), main.rgb)
    b.add(arch(half * 0.62, wall * 0.78, 0.22).at(0, 0, half), TIMBER)
    b.add(arch(half * 0.46, wall * 0.64, 0.26).at(0, 0, half), DARK)
    b.add(cylinder(0.025, 0.55, 6).at(0, wall + 0.48, -0.06), TIMBER)
    b.add(extrude([(0, 0), (0.3, 0.1), (0, 0.2)], 0.03).at(0.02, wall + 0.8, -0.06), roof.rgb)
    b.say(f"with {roof.words()} roofs" if pointed else f"with {with_article(roof.words())} flag")


def _crown(b: Builder, main: Paint, radius: float, y: float, place: tuple[float, float, float], turn: float) -> None:
    b.add(cylinder(radius * 1.22, 0.1, 12).at(y=y - 0.05).at(*place).ry(turn), main.shade(0.85))
    for k in range(6):
        merlon = box(radius * 0.5, 0.14, 0.08).at(0, y + 0.04, radius * 1.1).ry(60 * k)
        b.add(merlon.at(*place).ry(turn), main.rgb)


GENERATORS = (house, castle)
