"""Boxes: crate, treasure chest, gift box, dice."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    TALL,
    TURQUOISE,
    WHITE,
    WIDE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import extrude
from dreamlab.studio.shapes.solids import box, cylinder, sphere, torus

BRIGHT = (RED, BLUE, GREEN, YELLOW, ORANGE, PURPLE, PINK, TURQUOISE)
JEWELS = (RED, BLUE, GREEN, PURPLE, TURQUOISE, PINK)


@generator(
    "crate", "household", natural=(WOODEN, WOODEN, WOODEN, GREEN, GREY), sizes=(WIDE, TALL), holds=True
)
def crate(b: Builder, rng: Rng, main: Paint) -> None:
    size = 1.0
    b.add(box(size * 0.92, size * 0.92, size * 0.92).at(y=0.04), main.shade(0.7))
    t, w = 0.07, rng.uniform(0.13, 0.17)
    half = size / 2
    planks = int(rng.integers(3, 5))
    for k in range(4):
        for j in range(planks):
            y = w + (size - 2 * w) * j / planks
            b.add(
                box(size - 0.1, (size - 2 * w) / planks - 0.025, 0.04).at(0, y, half - 0.05).ry(90 * k),
                main.shade(0.86),
            )
        b.add(box(w, size, t).at(half - w / 2, 0, half - t / 2).ry(90 * k), main.rgb)
        b.add(box(w, size, t).at(-half + w / 2, 0, half - t / 2).ry(90 * k), main.rgb)
        for y in (0, size - w):
            b.add(box(size, w, t).at(0, y, half - t / 2).ry(90 * k), main.rgb)
        b.add(
            box(w * 0.8, size * 1.12, 0.05).at(y=-size * 0.56).rz(-45).at(0, half, half - 0.025).ry(90 * k),
            main.shade(0.94),
        )
    for x in (-0.3, 0, 0.3):
        b.add(box(0.27, 0.05, size - 0.04).at(x, size - 0.05), main.shade(0.95))


@generator(
    "treasure chest", "household", natural=(WOODEN, WOODEN, WOODEN, RED, BLUE), sizes=(WIDE,), wild=0.3
)
def treasure_chest(b: Builder, rng: Rng, main: Paint) -> None:
    """Lock to +Z; the lid is a half cylinder along X."""
    wide, deep, tall = rng.uniform(1.15, 1.35), rng.uniform(0.7, 0.8), rng.uniform(0.42, 0.52)
    bands = paint(rng, (GOLDEN, GOLDEN, METAL, BLACK), unlike=main.color)
    b.add(box(wide, tall, deep), main.rgb)
    turn = np.deg2rad(np.linspace(0, 180, 11))
    arch = np.stack([np.cos(turn) * deep / 2, np.sin(turn) * deep * 0.42], axis=1)
    b.add(extrude(arch, wide).ry(90).at(y=tall + 0.02), main.shade(0.93))
    for x in (-wide / 2 + 0.08, wide / 2 - 0.08, *((-wide * 0.2, wide * 0.2) if rng.random() < 0.4 else ())):
        b.add(extrude(arch * 1.05, 0.12).ry(90).at(x, tall + 0.02), bands.rgb)
        b.add(box(0.12, tall, deep * 1.05).at(x), bands.rgb)
    b.add(box(wide * 1.01, 0.05, deep * 1.04).at(y=tall - 0.02), bands.shade(0.85))
    b.add(box(0.2, 0.24, 0.08, bevel=0.02).at(0, tall - 0.12, deep / 2 + 0.02), bands.rgb)
    b.add(box(0.05, 0.1, 0.02).at(0, tall - 0.06, deep / 2 + 0.07), (0.05, 0.05, 0.05))
    b.say(f"with {bands.words()} bands")


@generator("gift box", "household", natural=BRIGHT, sizes=(TALL, WIDE), wild=0.3, holds=False)
def gift_box(b: Builder, rng: Rng, main: Paint) -> None:
    wide, tall = rng.uniform(0.85, 1.0), rng.uniform(0.65, 0.95)
    ribbon = paint(rng, (RED, YELLOW, WHITE, GOLDEN, BLUE, PINK, GREEN), unlike=main.color)
    b.add(box(wide, tall, wide), main.rgb)
    b.add(box(wide * 1.08, 0.18, wide * 1.08).at(y=tall - 0.1), main.shade(0.92))
    top = tall + 0.08
    for turn in (0, 90):
        b.add(box(0.15, tall, wide * 1.02).ry(turn), ribbon.rgb)
        b.add(box(0.16, 0.19, wide * 1.1).at(y=tall - 0.1).ry(turn), ribbon.rgb)
    for k in range(2):
        loop = (
            torus(0.17, 0.065, 14, 6).scaled(1.25, 1, 1).rx(90).rz(28).at(0.21, top + 0.12).ry(180 * k + 15)
        )
        b.add(loop, ribbon.rgb)
    b.add(sphere(0.1, segments=8, rows=6).at(y=top + 0.05), ribbon.shade(0.85))
    b.say(f"with {ribbon.a('ribbon')}")


@generator("dice", "toy", natural=(WHITE, WHITE, RED, BLACK, BLUE), wild=0.35)
def dice(b: Builder, rng: Rng, main: Paint) -> None:
    """Opposite faces sum to seven."""
    pips = paint(rng, (BLACK, WHITE), unlike=main.color)
    b.add(box(1, 1, 1, bevel=0.1).at(y=-0.5), main.rgb)
    corner, edge = [(-1, -1), (1, 1), (1, -1), (-1, 1)], [(-1, 0), (1, 0)]
    spots = {
        1: [(0, 0)],
        2: corner[:2],
        3: [(0, 0), *corner[:2]],
        4: corner,
        5: [(0, 0), *corner],
        6: corner + edge,
    }
    spin = rng.uniform(0, 360)
    for value, tip, turn in ((1, 90, 0), (6, -90, 0), (2, 0, 0), (5, 0, 180), (3, 0, 90), (4, 0, -90)):
        for u, v in spots[value]:
            pip = cylinder(0.1, 0.02, 9).rx(90).at(u * 0.25, v * 0.25, 0.49)
            b.add(pip.rx(-tip).ry(turn).ry(spin), pips.rgb)
    b.solids[0] = b.solids[0].ry(spin)
    b.say(f"with {pips.words()} dots")


GENERATORS = (crate, treasure_chest, gift_box, dice)
