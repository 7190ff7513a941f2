"""Craft of the air, of space and of the water."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLUE,
    FAT,
    GREEN,
    METAL,
    ORANGE,
    RED,
    TALL,
    THIN,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, PANE, STEEL, hull, side_profile, spindle
from dreamlab.studio.shapes.paths import extrude
from dreamlab.studio.shapes.solids import box, cone, cylinder, frustum, lathe, sphere, torus


@generator("rocket", "vehicle", natural=(WHITE, WHITE, RED, METAL, BLUE), sizes=(TALL, FAT, THIN))
def rocket(b: Builder, rng: Rng, main: Paint) -> None:
    trim = paint(rng, (RED, RED, BLUE, ORANGE, YELLOW, GREEN), unlike=main.colour)
    radius, tall, nose = rng.uniform(0.3, 0.4), rng.uniform(1.2, 1.5), rng.uniform(0.45, 0.65)
    b.add(lathe([(radius * 0.7, 0), (radius * 0.95, tall * 0.25), (radius, tall * 0.5), (radius * 0.8, tall)], 16), main.rgb)
    b.add(lathe([(radius * 0.82, 0), (radius * 0.62, nose * 0.45), (radius * 0.3, nose * 0.8), (0, nose)], 16).at(y=tall - 0.01), trim.rgb)
    b.add(frustum(radius * 0.6, radius * 0.45, 0.18, 12).at(y=-0.16), STEEL * 0.6)
    count = int(rng.choice((3, 4)))
    sweep, reach = rng.uniform(0.25, 0.45), rng.uniform(0.35, 0.5)
    fin = extrude([(0, 0.55), (reach, 0.1 - sweep * 0.3), (reach, -sweep), (0, 0.05)], 0.07)
    for k in range(count):
        b.add(fin.at(radius * 0.65, 0, 0).ry(90 + 180 / count + k * 360 / count), trim.rgb)
    for y in (0.68, 0.4) if rng.random() < 0.5 else (0.64,):
        b.add(torus(0.13, 0.04, 16, 6).rx(90).at(0, tall * y, radius * 0.96), STEEL)
        b.add(sphere(0.12, 0.12, 0.05, segments=12, rows=6).at(0, tall * y, radius * 0.95), PANE)
    b.add(lathe([(radius * 0.93, 0), (radius * 0.97, 0.03), (radius * 0.93, 0.06)], 16).at(y=tall * 0.84), trim.rgb)
    if rng.random() < 0.35:
        b.add(lathe([(0, -0.55), (radius * 0.35, -0.25), (radius * 0.4, 0)], 10).at(y=-0.12), (1.0, 0.6, 0.1))
        b.add(lathe([(0, -0.35), (radius * 0.22, -0.15), (radius * 0.25, 0.02)], 10).at(y=-0.12, z=0.08), (1.0, 0.9, 0.3))
    b.say(f"with {trim.words()} fins")


@generator("airplane", "vehicle", natural=(WHITE, WHITE, RED, BLUE, YELLOW, METAL))
def airplane(b: Builder, rng: Rng, main: Paint) -> None:
    trim = paint(rng, (RED, BLUE, YELLOW, ORANGE, GREEN, WHITE), unlike=main.colour)
    r, half = rng.uniform(0.19, 0.25), rng.uniform(0.95, 1.1)
    b.add(spindle([(-half, r * 0.6, 0.03, 0.04), (-half * 0.55, r * 0.25, r * 0.7, r * 0.7), (0, 0, r, r), (half * 0.6, 0, r, r),
                   (half * 0.85, -0.01, r * 0.75, r * 0.75), (half, -0.03, r * 0.25, r * 0.25)], 14), main.rgb)  # fmt: skip
    span, sweep = rng.uniform(0.95, 1.15), rng.uniform(0.0, 0.4)
    wing = extrude([(0, 0.26), (span, 0.02 - sweep), (span, -0.16 - sweep), (0, -0.24)], 0.06).rx(90)
    b.add_pair(wing.rz(4).at(r * 0.5, -r * 0.25, 0.12), main.shade(0.85))
    tail = extrude([(0, 0.13), (0.42, -0.08), (0.42, -0.2), (0, -0.14)], 0.05).rx(90)
    b.add_pair(tail.at(0.03, r * 0.5, -half * 0.82), trim.rgb)
    b.add(side_profile([(-half * 0.62, r * 0.4), (-half * 1.0, r * 0.6), (-half * 1.06, r * 0.6 + 0.45), (-half * 0.9, r * 0.6 + 0.45)], 0.06), trim.rgb)
    if rng.random() < 0.5:
        b.add(cylinder(r * 0.4, 0.1, 10).rx(90).at(0, -0.02, half - 0.06), DARK)
        turn = rng.uniform(0, 180)
        for angle in (turn, turn + 90):
            b.add(box(0.07, 0.8, 0.03).at(y=-0.4).rz(angle).at(0, -0.02, half + 0.06), trim.rgb)
        b.add(cone(0.08, 0.16, 10).rx(90).at(0, -0.02, half + 0.02), STEEL)
    else:
        for x in (0.38,):
            b.add_pair(cylinder(0.1, 0.36, 12).rx(90).at(x, -r * 0.3 - 0.13, 0.12 - sweep * x), trim.rgb)
            b.add_pair(cylinder(0.075, 0.02, 12).rx(90).at(x, -r * 0.3 - 0.13, 0.47 - sweep * x), DARK)
    b.add(spindle([(half * 0.5, r * 0.75, r * 0.55, 0.05), (half * 0.62, r * 0.72, r * 0.66, r * 0.42), (half * 0.78, r * 0.5, r * 0.5, r * 0.3),
                   (half * 0.86, r * 0.42, r * 0.3, 0.05)], 10), PANE * 0.75)  # fmt: skip
    for z in np.linspace(-half * 0.35, half * 0.42, 6):
        b.add_pair(box(0.03, 0.08, 0.08).at(r * 0.99, 0.02, z), PANE * 0.75)
    b.say(f"with {with_article(trim.words())} tail")


@generator("boat", "vehicle", natural=(RED, BLUE, WHITE, WOODEN, GREEN), sizes=())
def boat(b: Builder, rng: Rng, main: Paint) -> None:
    cabin = paint(rng, (WHITE, WHITE, YELLOW, RED), unlike=main.colour)
    half, width, high = rng.uniform(0.9, 1.1), rng.uniform(0.4, 0.5), rng.uniform(0.38, 0.48)
    b.add(hull([(-half, 0.06, high, width * 0.85, 0.6), (-half * 0.4, 0, high * 0.92, width, 0.65), (half * 0.3, 0, high * 0.95, width, 0.55),
                (half * 0.75, 0.04, high * 1.12, width * 0.55, 0.3), (half * 1.02, 0.2, high * 1.3, 0.03, 0.5)]), main.rgb)  # fmt: skip
    b.add(hull([(-half * 0.96, high * 0.8, high * 1.01 + 0.02, width * 0.74, 1), (-half * 0.4, high * 0.8, high * 0.92 + 0.03, width * 0.88, 1),
                (half * 0.3, high * 0.8, high * 0.95 + 0.03, width * 0.88, 1), (half * 0.75, high * 0.8, high * 1.12 + 0.02, width * 0.42, 1)]),
          (0.72, 0.52, 0.32))  # fmt: skip
    tall, deep = rng.uniform(0.4, 0.55), rng.uniform(0.55, 0.75)
    at = -half * 0.2
    b.add(box(width * 1.1, tall, deep, (0.92, 0.9)).at(0, high * 0.9, at), cabin.rgb)
    b.add(box(width * 1.24, 0.07, deep * 1.12, bevel=0.02).at(0, high * 0.9 + tall, at), main.rgb)
    b.add(box(width * 0.86, tall * 0.4, deep * 0.97).at(0, high * 0.9 + tall * 0.45, at + 0.03), PANE * 0.7)
    for z in (-0.24, 0.24):
        b.add(box(width * 1.1, tall * 0.4, deep * 0.34).at(0, high * 0.9 + tall * 0.45, at + z * deep), PANE * 0.7)
    if rng.random() < 0.6:
        funnel = paint(rng, (RED, BLUE, YELLOW), unlike=main.colour)
        b.add(cylinder(0.11, 0.3, 12).at(0, high * 0.9 + tall, at - deep * 0.1), funnel.rgb)
        b.add(cylinder(0.115, 0.09, 12).at(0, high * 0.9 + tall + 0.28, at - deep * 0.1), DARK)
        b.say(f"with {with_article(funnel.words())} funnel")
    else:
        b.add(cylinder(0.03, 0.5, 6).at(0, high * 0.9 + tall, at), STEEL)
        b.add(side_profile([(-0.3, 0.0), (0, 0), (0, 0.18), (-0.3, 0.18)], 0.03).at(0, high * 0.9 + tall + 0.32, at), main.rgb)
    for z in (-half * 0.1, half * 0.4):
        b.add_pair(torus(0.1, 0.04, 12, 6).rz(90).at(width * (0.96 if z < 0 else 0.9), high * 0.62, z), (0.97, 0.97, 0.95))
    b.say(f"with {with_article(cabin.words())} cabin")


GENERATORS = (rocket, airplane, boat)
