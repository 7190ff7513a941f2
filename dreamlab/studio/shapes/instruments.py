"""Musical instruments: drum, guitar, piano, trumpet."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    METAL,
    ORANGE,
    PURPLE,
    RED,
    SILVER,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, STEEL, TIMBER
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import box, cylinder, frustum, lathe, sphere, torus

IVORY = np.array((0.97, 0.96, 0.92))


@generator("drum", "toy", natural=(RED, RED, BLUE, GREEN, YELLOW, PURPLE), holds=True)
def drum(b: Builder, rng: Rng, main: Paint) -> None:
    rim = paint(rng, (GOLDEN, YELLOW, WHITE, BLUE, SILVER), unlike=main.color)
    r, tall, count = rng.uniform(0.52, 0.62), rng.uniform(0.6, 0.85), int(rng.choice((6, 8)))
    b.add(cylinder(r, tall, 20), main.rgb)
    b.add(
        cylinder(r * 0.96, 0.04, 20).at(y=tall),
        IVORY if main.color not in ("white", "beige") else np.array((0.8, 0.68, 0.5)),
    )
    for y in (0.05, tall - 0.02):
        b.add(torus(r * 1.01, 0.055, 22, 6).at(y=y), rim.rgb)
    for k in range(count):
        low, high, top = (np.deg2rad(360 / count * (k + t)) for t in (0, 0.5, 1))
        at = [
            (r * 1.03 * np.sin(a), y, r * 1.03 * np.cos(a))
            for a, y in ((low, 0.1), (high, tall - 0.08), (top, 0.1))
        ]
        b.add(rod(at[0], at[1], 0.022, 5), IVORY)
        b.add(rod(at[1], at[2], 0.022, 5), IVORY)
    if rng.random() < 0.75:
        for x, turn in ((0.12, 32), (-0.12, -28)):
            stick = rod((0, 0, -0.42), (0, 0.03, 0.44), (0.035, 0.025), 6)
            b.add(stick.ry(turn).at(x, tall + 0.08, 0.02), TIMBER * 1.6)
            b.add(
                sphere(0.065, segments=8, rows=6).at(0, 0.03, 0.46).ry(turn).at(x, tall + 0.08, 0.02),
                TIMBER * 1.8,
            )
        b.say("with two drumsticks")
    b.say(f"with {with_article(rim.words())} rim")


@generator("guitar", "toy", natural=(WOODEN, WOODEN, BROWN, RED, ORANGE, BLACK, BLUE))
def guitar(b: Builder, rng: Rng, main: Paint) -> None:
    """Upright, strings to the front."""
    low, high, waist = rng.uniform(0.46, 0.52), rng.uniform(0.33, 0.39), rng.uniform(0.24, 0.29)
    edge = curve(
        [
            (0, -0.52),
            (low * 0.75, -0.42),
            (low, -0.1),
            (waist, 0.24),
            (high, 0.5),
            (high * 0.6, 0.72),
            (0, 0.76),
        ],
        17,
    )
    outline = np.concatenate([edge, (edge * (-1, 1))[-2:0:-1]])
    depth = rng.uniform(0.18, 0.24)
    b.add(extrude(outline, depth), main.shade(0.65))
    b.add(extrude(outline * 0.95, depth + 0.03), main.rgb)
    front = depth / 2
    b.add(cylinder(0.15, 0.02, 16).rx(90).at(0, 0.26, front + 0.01), DARK)
    b.add(torus(0.17, 0.025, 18, 6).rx(90).at(0, 0.26, front + 0.02), IVORY)
    b.add(box(0.34, 0.07, 0.06).at(0, -0.18, front + 0.02), DARK * 2)
    dark = TIMBER * 0.8 if main.color != "brown" else DARK * 2
    b.add(box(0.14, 1.15, 0.09).at(0, 0.4, front + 0.02), dark)
    for y in np.linspace(0.6, 1.48, 8):
        b.add(box(0.145, 0.018, 0.1).at(0, y, front + 0.025), STEEL)
    b.add(box(0.24, 0.32, 0.08, taper=(1.15, 1)).at(0, 1.53, front), main.shade(0.8))
    for y in (1.6, 1.7, 1.8):
        b.add_pair(sphere(0.05, 0.035, 0.035, segments=8, rows=4).at(0.17, y, front), IVORY)
    for x in (-0.036, -0.012, 0.012, 0.036):
        b.add(box(0.007, 1.72, 0.01).at(x, -0.15, front + 0.075), (0.93, 0.92, 0.88))
    b.say("with a dark neck")


@generator("piano", "furniture", natural=(BLACK, BLACK, WHITE, BROWN, WOODEN, RED))
def piano(b: Builder, rng: Rng, main: Paint) -> None:
    """A grand piano; the keys face the player at the front."""
    wide, deep, tall = rng.uniform(0.66, 0.74), rng.uniform(0.95, 1.15), 0.62
    edge = curve(
        [
            (wide, 0.1),
            (wide * 0.98, -0.2),
            (wide * 0.45, -0.55),
            (0.1 * wide, -deep * 0.9),
            (-wide * 0.5, -deep),
            (-wide, -deep * 0.8),
        ],
        13,
    )
    top = np.concatenate([[(-wide, 0.42), (wide, 0.42)], edge])
    plan = np.stack([top[:, 0], -top[:, 1]], axis=1)
    b.add(extrude(plan, 0.3).rx(-90).at(y=tall + 0.15), main.rgb)
    b.add(extrude(plan * 0.93, 0.04).rx(-90).at(y=tall + 0.31), (0.85, 0.65, 0.25))
    lid = extrude(plan * (1.02, 1), 0.035).rx(-90).at(wide, 0, 0).rz(34).at(-wide, tall + 0.33, 0)
    b.add(lid, main.shade(0.85) if main.color != "black" else main.shade(1.08))
    b.add(
        rod((wide * 0.7, tall + 0.3, -0.1), (wide * 0.5, tall + 0.33 + wide, -0.1), 0.022, 6), main.shade(0.7)
    )
    b.add(box(wide * 2, 0.1, 0.3).at(0, tall, 0.52), main.rgb)
    b.add(
        box(wide * 1.8, 0.05, 0.24).at(0, tall + 0.09, 0.54), IVORY if main.color != "white" else IVORY * 0.9
    )
    for k in range(14):
        if k % 7 not in (2, 6):
            b.add(box(wide * 0.062, 0.045, 0.14).at(wide * (-0.83 + 0.1286 * k), tall + 0.13, 0.48), DARK)
    b.add_pair(box(wide * 0.1, 0.14, 0.3).at(wide * 0.95, tall + 0.05, 0.52), main.rgb)
    b.add(box(wide * 0.9, 0.24, 0.03).rx(-14).at(0, tall + 0.32, 0.3), main.shade(0.8))
    for x, z in ((wide * 0.8, 0.42), (-wide * 0.8, 0.42), (-wide * 0.4, -deep * 0.75)):
        b.add(frustum(0.05, 0.085, tall + 0.02, 10).at(x, 0, z), main.shade(0.9))
        b.add(sphere(0.06, segments=8, rows=6).at(x, 0.02, z), (0.85, 0.65, 0.25))
    b.say("with an open lid")


@generator("trumpet", "toy", natural=(GOLDEN, GOLDEN, GOLDEN, SILVER, METAL, RED))
def trumpet(b: Builder, rng: Rng, main: Paint) -> None:
    """Lies along Z with its bell to the front."""
    bell, high = rng.uniform(0.34, 0.42), rng.uniform(0.15, 0.19)
    profile = [
        (0.05, 0),
        (0.055, 0.7),
        (0.075, 1.0),
        (0.13, 1.25),
        (0.22, 1.38),
        (bell, 1.48),
        (bell * 0.92, 1.48),
        (0.13, 1.35),
        (0.05, 1.2),
    ]
    horn = lathe(profile, 16)
    rgb = np.tile(main.rgb, (len(horn.faces), 1))
    rgb[16 * 13 :] *= 0.55
    b.add(horn.rx(90).at(0, high, -0.5), rgb)
    loop = [
        (0, high, -0.5),
        (0, high, -0.62),
        (0, high * 0.5, -0.74),
        (0, -high * 0.5, -0.74),
        (0, -high, -0.62),
        (0, -high, 0.3),
        (0, -high, 0.45),
        (0, -high * 0.4, 0.55),
        (0, 0.02, 0.45),
    ]
    b.add(tube(np.array(loop), 0.05, 8), main.shade(0.9))
    b.add(rod((0, 0.02, 0.5), (0, 0.02, -1.0), (0.045, 0.04), 8), main.rgb)
    b.add(
        lathe([(0.035, 0), (0.05, 0.06), (0.1, 0.16)], 12).rx(-90).at(0, 0.02, -0.98),
        STEEL * 1.3 if main.color != "silver" else (0.85, 0.7, 0.3),
    )
    for k in range(3):
        z = -0.2 + 0.17 * k
        b.add(cylinder(0.075, 0.48, 10).at(0, -0.26, z), main.shade(0.85))
        b.add(cylinder(0.03, 0.16, 8).at(0, 0.2, z), STEEL)
        b.add(cylinder(0.065, 0.035, 10).at(0, 0.34, z), IVORY)
    b.say("with three valves")


@generator("xylophone", "toy", natural=(WOODEN, WOODEN, WHITE, BLUE, RED, BEIGE))
def xylophone(b: Builder, rng: Rng, main: Paint) -> None:
    """The frame bears the colour; the bars run through the rainbow."""
    count, wide = int(rng.choice((6, 7, 8))), rng.uniform(0.85, 1.0)
    bars = (
        (0.88, 0.12, 0.12),
        (0.97, 0.5, 0.08),
        (0.97, 0.85, 0.12),
        (0.3, 0.75, 0.2),
        (0.1, 0.65, 0.7),
        (0.15, 0.35, 0.85),
        (0.5, 0.25, 0.75),
        (0.95, 0.45, 0.65),
    )
    for side in (1, -1):
        beam = rod((-wide, 0.16, side * 0.32), (wide, 0.16, side * 0.2), 0.075, 6)
        b.add(beam, main.rgb)
    for x, z in ((-wide, 0.32), (wide, 0.2)):
        b.add(rod((x, 0.12, -z), (x, 0.12, z), 0.07, 6), main.shade(0.8))
        for end in (-z, z):
            b.add(sphere(0.09, segments=8, rows=6).at(x, 0.08, end), main.shade(0.7))
    for k in range(count):
        t = (k + 0.5) / count
        b.add(
            box(1.6 * wide / count, 0.06, 1.15 - 0.5 * t, bevel=0.015).at(wide * (2 * t - 1) * 0.95, 0.24, 0),
            bars[k],
        )
    for turn, x in ((24, 0.1), (-20, -0.25)):
        stick = rod((0, 0.36, -0.3), (0, 0.42, 0.55), 0.025, 6)
        head = sphere(0.08, segments=8, rows=6).at(0, 0.37, -0.3)
        b.add(stick.ry(turn).at(x), TIMBER * 1.5)
        b.add(head.ry(turn).at(x), (0.85, 0.12, 0.14))
    b.say("with rainbow bars")


GENERATORS = (drum, guitar, piano, trumpet, xylophone)
