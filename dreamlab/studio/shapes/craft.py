"""Craft of the air and of space: rocket, airplane, helicopter, hot air balloon, ufo."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLUE,
    FAT,
    GREEN,
    LIGHT_BLUE,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SILVER,
    TALL,
    THIN,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, PANE, STEEL, TIMBER, side_profile, spindle
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, frustum, lathe, sphere, torus


@generator("rocket", "vehicle", natural=(WHITE, WHITE, RED, METAL, BLUE), sizes=(TALL, FAT, THIN))
def rocket(b: Builder, rng: Rng, main: Paint) -> None:
    trim = paint(rng, (RED, RED, BLUE, ORANGE, YELLOW, GREEN), unlike=main.color)
    radius, tall, nose = rng.uniform(0.3, 0.4), rng.uniform(1.2, 1.5), rng.uniform(0.45, 0.65)
    b.add(
        lathe(
            [(radius * 0.7, 0), (radius * 0.95, tall * 0.25), (radius, tall * 0.5), (radius * 0.8, tall)], 16
        ),
        main.rgb,
    )
    b.add(
        lathe(
            [(radius * 0.82, 0), (radius * 0.62, nose * 0.45), (radius * 0.3, nose * 0.8), (0, nose)], 16
        ).at(y=tall - 0.01),
        trim.rgb,
    )
    b.add(frustum(radius * 0.6, radius * 0.45, 0.18, 12).at(y=-0.16), STEEL * 0.6)
    count = int(rng.choice((3, 4)))
    sweep, reach = rng.uniform(0.2, 0.35), rng.uniform(0.3, 0.4)
    fin = extrude([(0, 0.55), (reach, 0.1 - sweep * 0.3), (reach, -sweep), (0, 0.05)], 0.07)
    for k in range(count):
        b.add(fin.at(radius * 0.65, 0, 0).ry(90 + 180 / count + k * 360 / count), trim.rgb)
    for y in (0.68, 0.4) if rng.random() < 0.5 else (0.64,):
        b.add(torus(0.13, 0.04, 16, 6).rx(90).at(0, tall * y, radius * 0.96), STEEL)
        b.add(sphere(0.12, 0.12, 0.05, segments=12, rows=6).at(0, tall * y, radius * 0.95), PANE)
    b.add(
        lathe([(radius * 0.93, 0), (radius * 0.97, 0.03), (radius * 0.93, 0.06)], 16).at(y=tall * 0.84),
        trim.rgb,
    )
    if rng.random() < 0.35:
        b.add(lathe([(0, -0.55), (radius * 0.35, -0.25), (radius * 0.4, 0)], 10).at(y=-0.12), (1.0, 0.6, 0.1))
        b.add(
            lathe([(0, -0.35), (radius * 0.22, -0.15), (radius * 0.25, 0.02)], 10).at(y=-0.12, z=0.08),
            (1.0, 0.9, 0.3),
        )
    b.say(f"with {trim.words()} fins")


@generator("airplane", "vehicle", natural=(WHITE, WHITE, RED, BLUE, YELLOW, METAL))
def airplane(b: Builder, rng: Rng, main: Paint) -> None:
    trim = paint(rng, (RED, BLUE, YELLOW, ORANGE, GREEN, WHITE), unlike=main.color)
    r, half = rng.uniform(0.19, 0.25), rng.uniform(0.95, 1.1)
    b.add(
        spindle(
            [
                (-half, r * 0.6, 0.03, 0.04),
                (-half * 0.55, r * 0.25, r * 0.7, r * 0.7),
                (0, 0, r, r),
                (half * 0.6, 0, r, r),
                (half * 0.85, -0.01, r * 0.75, r * 0.75),
                (half, -0.03, r * 0.25, r * 0.25),
            ],
            14,
        ),
        main.rgb,
    )
    span, sweep = rng.uniform(0.95, 1.15), rng.uniform(0.0, 0.4)
    wing = extrude([(0, 0.26), (span, 0.02 - sweep), (span, -0.16 - sweep), (0, -0.24)], 0.06).rx(90)
    b.add_pair(wing.rz(4).at(r * 0.5, -r * 0.25, 0.12), main.shade(0.85))
    tail = extrude([(0, 0.13), (0.42, -0.08), (0.42, -0.2), (0, -0.14)], 0.05).rx(90)
    b.add_pair(tail.at(0.03, r * 0.5, -half * 0.82), trim.rgb)
    b.add(
        side_profile(
            [
                (-half * 0.62, r * 0.4),
                (-half * 1.0, r * 0.6),
                (-half * 1.06, r * 0.6 + 0.45),
                (-half * 0.9, r * 0.6 + 0.45),
            ],
            0.06,
        ),
        trim.rgb,
    )
    if rng.random() < 0.5:
        b.add(cylinder(r * 0.4, 0.1, 10).rx(90).at(0, -0.02, half - 0.06), DARK)
        turn = rng.uniform(0, 180)
        for angle in (turn, turn + 90):
            b.add(box(0.07, 0.8, 0.03).at(y=-0.4).rz(angle).at(0, -0.02, half + 0.06), trim.rgb)
        b.add(cone(0.08, 0.16, 10).rx(90).at(0, -0.02, half + 0.02), STEEL)
    else:
        y, z = -r * 0.3 - 0.13, 0.12 - sweep * 0.38
        b.add_pair(cylinder(0.1, 0.36, 12).rx(90).at(0.38, y, z), trim.rgb)
        b.add_pair(cylinder(0.075, 0.02, 12).rx(90).at(0.38, y, z + 0.35), DARK)
    b.add(
        spindle(
            [
                (half * 0.5, r * 0.75, r * 0.55, 0.05),
                (half * 0.62, r * 0.72, r * 0.66, r * 0.42),
                (half * 0.78, r * 0.5, r * 0.5, r * 0.3),
                (half * 0.86, r * 0.42, r * 0.3, 0.05),
            ],
            10,
        ),
        PANE * 0.75,
    )
    for z in np.linspace(-half * 0.35, half * 0.42, 6):
        b.add_pair(box(0.03, 0.08, 0.08).at(r * 0.99, 0.02, z), PANE * 0.75)
    b.say(f"with {with_article(trim.words())} tail")


@generator("helicopter", "vehicle", natural=(RED, BLUE, YELLOW, GREEN, WHITE, ORANGE))
def helicopter(b: Builder, rng: Rng, main: Paint) -> None:
    fat, boom = rng.uniform(0.33, 0.4), rng.uniform(0.85, 1.0)
    y = 0.62
    b.add(
        spindle(
            [
                (-0.5, 0.12, 0.1, 0.1),
                (-0.3, 0.04, fat * 0.8, 0.28),
                (0.05, 0, fat, 0.36),
                (0.35, -0.02, fat * 0.9, 0.32),
                (0.56, -0.08, fat * 0.5, 0.18),
            ],
            14,
        ).at(y=y),
        main.rgb,
    )
    b.add(
        spindle(
            [
                (-0.05, 0.02, fat * 0.9, 0.3),
                (0.12, 0.03, fat * 1.02, 0.345),
                (0.36, 0.03, fat * 0.93, 0.3),
                (0.56, -0.02, fat * 0.56, 0.17),
                (0.62, -0.06, 0.08, 0.05),
            ],
            14,
        ).at(y=y),
        PANE * 0.9,
    )
    b.add(rod((0, y + 0.08, -0.35), (0, y + 0.16, -0.35 - boom), (0.14, 0.06), 10), main.rgb)
    tail = -0.35 - boom
    b.add(
        side_profile(
            [
                (tail + 0.16, y + 0.1),
                (tail - 0.12, y + 0.48),
                (tail - 0.22, y + 0.48),
                (tail - 0.08, y + 0.08),
            ],
            0.06,
        ),
        main.shade(0.8),
    )
    b.add_pair(box(0.3, 0.04, 0.16).at(0.16, y + 0.12, tail + 0.2), main.shade(0.8))
    turn = rng.uniform(0, 90)
    for k in (0, 90):
        b.add(box(0.05, 0.46, 0.02).at(y=-0.23).ry(90).rx(turn + k).at(0.09, y + 0.22, tail - 0.04), DARK * 2)
    b.add(cylinder(0.07, 0.2, 10).at(0, y + 0.32, 0), STEEL)
    for k in range(2):
        b.add(box(0.11, 0.03, 2.2).at(y=y + 0.5).ry(turn + 90 * k), DARK * 2)
    b.add(sphere(0.1, 0.07, 0.1, segments=10, rows=6).at(0, y + 0.53, 0), STEEL)
    skid = curve([(0.32, 0.08, -0.5), (0.32, 0.03, -0.3), (0.32, 0.03, 0.4), (0.32, 0.1, 0.58)], 7)
    b.add_pair(tube(skid, 0.04, 6), STEEL * 0.8)
    for z in (-0.2, 0.25):
        b.add_pair(rod((0.18, y - 0.24, z), (0.32, 0.04, z), 0.03, 6), STEEL * 0.8)
    if rng.random() < 0.4:
        stripe = paint(rng, (WHITE, YELLOW, BLUE, RED), unlike=main.color)
        b.add(lathe([(0.125, 0), (0.105, 0.2)], 10).rx(-90).at(0, y + 0.12, -0.62), stripe.rgb)
        b.add_pair(box(0.02, 0.07, 0.5).at(fat * 0.985, y - 0.06, -0.04), stripe.rgb)
        b.say(f"with {with_article(stripe.words())} stripe")


@generator("hot air balloon", "vehicle", natural=(RED, YELLOW, BLUE, ORANGE, PURPLE, GREEN, PINK))
def hot_air_balloon(b: Builder, rng: Rng, main: Paint) -> None:
    stripe = paint(rng, (WHITE, WHITE, YELLOW, RED, BLUE), unlike=main.color)
    wide, tall, gores = rng.uniform(0.62, 0.7), rng.uniform(1.35, 1.55), 18
    profile = [
        (0.16, 0),
        (wide * 0.55, 0.3),
        (wide * 0.9, 0.62),
        (wide, 0.9),
        (wide * 0.9, tall * 0.8),
        (wide * 0.62, tall * 0.93),
        (0, tall),
    ]
    skin = lathe(profile, gores)
    if rng.random() < 0.7:
        angle = np.degrees(np.arctan2(skin.centres()[:, 0], skin.centres()[:, 2])) % 360
        striped = (angle // (360 / gores)).astype(int) % 3 == 2
        rgb = np.where(striped[:, None], stripe.rgb, main.rgb)
        b.say(f"with {stripe.words()} stripes")
    else:
        y = skin.centres()[:, 1]
        rgb = np.where(((y > 0.62) & (y < 0.9))[:, None], stripe.rgb, main.rgb)
        b.say(f"with {with_article(stripe.words())} band")
    b.add(skin.at(y=0.68), rgb)
    b.add(box(0.32, 0.28, 0.32, taper=1.15, bevel=0.03), (0.6, 0.4, 0.2))
    b.add(box(0.42, 0.06, 0.42, bevel=0.02).at(y=0.26), TIMBER)
    for x, z in ((1, 1), (1, -1)):
        b.add_pair(rod((0.17 * x, 0.28, 0.17 * z), (0.14 * x, 0.74, 0.14 * z), 0.018, 5), TIMBER)
    b.add(cone(0.07, 0.2, 8).at(y=0.44), (1.0, 0.7, 0.15))


@generator("ufo", "vehicle", natural=(SILVER, SILVER, METAL, GREEN, PURPLE, BLUE))
def ufo(b: Builder, rng: Rng, main: Paint) -> None:
    light = paint(rng, (YELLOW, RED, GREEN, LIGHT_BLUE), unlike=main.color)
    high = rng.uniform(0.3, 0.42)
    b.add(lathe([(0.28, 0), (0.62, 0.08), (0.98, 0.2), (1.0, 0.26), (0.6, 0.42), (0.38, 0.48)], 20), main.rgb)
    b.add(dome(0.42, high, 16, 5).at(y=0.44), PANE)
    b.add(torus(0.43, 0.04, 20, 6).at(y=0.46), main.shade(0.7))
    for k in range(10):
        b.add(sphere(0.075, segments=8, rows=6).at(0, 0.23, 0.96).ry(36 * k), light.rgb)
    b.add(lathe([(0.16, -0.1), (0.3, 0.0), (0.3, 0.04)], 14), light.shade(0.8))
    for k in range(3):
        b.add(rod((0, 0.08, 0.5), (0, -0.26, 0.66), (0.04, 0.03), 6).ry(60 + 120 * k), STEEL)
        b.add(sphere(0.08, 0.04, 0.08, segments=8, rows=4).at(0, -0.27, 0.66).ry(60 + 120 * k), STEEL)
    b.say(f"with {light.words()} lights")


GENERATORS = (rocket, airplane, helicopter, hot_air_balloon, ufo)
