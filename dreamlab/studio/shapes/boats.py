"""Craft of the water: boat, sailing ship, rowing boat, submarine. Bows point to +Z."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    DARK_BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, PANE, STEEL, TIMBER, hull, side_profile, spindle
from dreamlab.studio.shapes.paths import curve, rod, tube
from dreamlab.studio.shapes.solids import box, cylinder, loft, sphere, torus


@generator("boat", "vehicle", natural=(RED, BLUE, WHITE, WOODEN, GREEN))
def boat(b: Builder, rng: Rng, main: Paint) -> None:
    cabin = paint(rng, (WHITE, WHITE, YELLOW, RED), unlike=main.color)
    half, width, high = rng.uniform(0.9, 1.1), rng.uniform(0.4, 0.5), rng.uniform(0.38, 0.48)
    b.add(
        hull(
            [
                (-half, 0.06, high, width * 0.85, 0.6),
                (-half * 0.4, 0, high * 0.92, width, 0.65),
                (half * 0.3, 0, high * 0.95, width, 0.55),
                (half * 0.75, 0.04, high * 1.12, width * 0.55, 0.3),
                (half * 1.02, 0.2, high * 1.3, 0.03, 0.5),
            ]
        ),
        main.rgb,
    )
    b.add(
        hull(
            [
                (-half * 0.96, high * 0.8, high * 1.01 + 0.02, width * 0.74, 1),
                (-half * 0.4, high * 0.8, high * 0.92 + 0.03, width * 0.88, 1),
                (half * 0.3, high * 0.8, high * 0.95 + 0.03, width * 0.88, 1),
                (half * 0.75, high * 0.8, high * 1.12 + 0.02, width * 0.42, 1),
            ]
        ),
        (0.72, 0.52, 0.32),
    )
    tall, deep = rng.uniform(0.4, 0.55), rng.uniform(0.55, 0.75)
    at = -half * 0.2
    b.add(box(width * 1.1, tall, deep, (0.92, 0.9)).at(0, high * 0.9, at), cabin.rgb)
    b.add(box(width * 1.24, 0.07, deep * 1.12, bevel=0.02).at(0, high * 0.9 + tall, at), main.rgb)
    b.add(box(width * 0.86, tall * 0.4, deep * 0.97).at(0, high * 0.9 + tall * 0.45, at + 0.03), PANE * 0.7)
    for z in (-0.24, 0.24):
        b.add(
            box(width * 1.1, tall * 0.4, deep * 0.34).at(0, high * 0.9 + tall * 0.45, at + z * deep),
            PANE * 0.7,
        )
    if rng.random() < 0.6:
        funnel = paint(rng, (RED, BLUE, YELLOW), unlike=main.color)
        b.add(cylinder(0.11, 0.3, 12).at(0, high * 0.9 + tall, at - deep * 0.1), funnel.rgb)
        b.add(cylinder(0.115, 0.09, 12).at(0, high * 0.9 + tall + 0.28, at - deep * 0.1), DARK)
        b.say(f"with {with_article(funnel.words())} funnel")
    else:
        b.add(cylinder(0.03, 0.5, 6).at(0, high * 0.9 + tall, at), STEEL)
        b.add(
            side_profile([(-0.3, 0.0), (0, 0), (0, 0.18), (-0.3, 0.18)], 0.03).at(
                0, high * 0.9 + tall + 0.32, at
            ),
            main.rgb,
        )
    for z in (-half * 0.1, half * 0.4):
        b.add_pair(
            torus(0.1, 0.04, 12, 6).rz(90).at(width * (0.96 if z < 0 else 0.9), high * 0.62, z),
            (0.97, 0.97, 0.95),
        )
    b.say(f"with {with_article(cabin.words())} cabin")


def _sail(width: float, height: float, belly: float) -> Solid:
    """Square sail hanging in the XY plane on y = 0, blown out towards +Z."""
    rows = np.linspace(0, 1, 6)
    rings = []
    for t in rows:
        half, bulge = width / 2 * (1.0 - 0.14 * t), belly * np.sin(np.pi * (0.12 + 0.8 * t))
        front = [(x * half, t * height, bulge * (1 - 0.7 * x * x)) for x in (1, 0.5, 0, -0.5, -1)]
        rings.append(
            [(x, y, z - 0.035) for x, y, z in front] + [(x, y, z + 0.035) for x, y, z in front[::-1]]
        )
    rings = np.array(rings)
    return loft(rings, rings[0].mean(axis=0), rings[-1].mean(axis=0))


@generator("sailing ship", "vehicle", natural=(WOODEN, WOODEN, BROWN, RED, BLUE, BLACK))
def sailing_ship(b: Builder, rng: Rng, main: Paint) -> None:
    """The hull bears the colour."""
    sail = paint(rng, (WHITE, WHITE, BEIGE, RED), unlike=main.color)
    half, width, high = rng.uniform(0.95, 1.1), rng.uniform(0.36, 0.42), rng.uniform(0.6, 0.68)
    b.add(
        hull(
            [
                (-half, 0.22, high * 1.45, width * 0.8, 0.6),
                (-half * 0.55, 0.04, high * 1.3, width * 0.95, 0.5),
                (-half * 0.5, 0.03, high, width, 0.5),
                (half * 0.3, 0, high, width, 0.45),
                (half * 0.55, 0.04, high * 1.1, width * 0.85, 0.35),
                (half * 0.95, 0.26, high * 1.35, 0.04, 0.6),
            ]
        ),
        main.rgb,
    )
    port = DARK if main.color != "black" else np.array((0.93, 0.78, 0.35))
    for z in np.linspace(-half * 0.7, half * 0.4, 5):
        b.add_pair(box(0.06, 0.1, 0.1).at(width * 0.93, high * 0.78 - 0.1, z), port)
    b.add(box(width * 1.5, 0.03, half * 0.42).at(0, high * 1.38, -half * 0.74), main.shade(0.7))
    masts = ((half * 0.46, 0.95), (-0.06 * half, 1.15), (-half * 0.56, 0.95))
    big = rng.uniform(0.62, 0.74)
    for z, tall in masts:
        b.add(rod((0, high * 0.8, z), (0, high + tall, z), (0.045, 0.03), 8), TIMBER)
        for low, share, wide in ((0.16, 0.42, 1.0), (0.62, 0.3, 0.76)):
            cloth = _sail(big * wide, tall * share, 0.14)
            b.add(cloth.at(0, high + tall * low, z + 0.04), sail.rgb)
            b.add(
                rod(
                    (-big * wide * 0.46, high + tall * (low + share), z),
                    (big * wide * 0.46, high + tall * (low + share), z),
                    0.025,
                    6,
                ),
                TIMBER,
            )
    b.add(rod((0, high * 1.2, half * 0.8), (0, high * 1.7, half * 1.4), (0.04, 0.02), 6), TIMBER)
    flag = paint(rng, (RED, BLUE, BLACK, GREEN), unlike=main.color)
    b.add(
        side_profile([(-0.3, 0.02), (0, 0.0), (0, 0.18), (-0.3, 0.16)], 0.03).at(0, high + 1.1, -0.06 * half),
        flag.rgb,
    )
    b.say(f"with {sail.words()} sails")
    b.say(f"with {with_article(flag.words())} flag")


@generator("sailboat", "vehicle", natural=(RED, BLUE, WHITE, WOODEN, GREEN, YELLOW))
def sailboat(b: Builder, rng: Rng, main: Paint) -> None:
    """One mast and two three-cornered sails; the hull bears the colour."""
    sail = paint(rng, (WHITE, WHITE, YELLOW, RED, ORANGE, BLUE), unlike=main.color)
    half, width, high, tall = rng.uniform(0.8, 0.95), rng.uniform(0.36, 0.42), 0.46, rng.uniform(1.05, 1.25)
    b.add(
        hull(
            [
                (-half, 0.1, high, width * 0.75, 0.6),
                (-half * 0.3, 0, high, width, 0.5),
                (half * 0.4, 0.02, high * 1.03, width * 0.8, 0.4),
                (half, 0.18, high * 1.2, 0.03, 0.6),
            ]
        ),
        main.rgb,
    )
    b.add(
        hull(
            [
                (-half * 0.92, high * 0.8, high + 0.02, width * 0.6, 1),
                (-half * 0.3, high * 0.8, high + 0.03, width * 0.82, 1),
                (half * 0.4, high * 0.8, high * 1.03 + 0.03, width * 0.62, 1),
            ]
        ),
        main.shade(1.25) if main.color != "white" else main.shade(0.8),
    )
    b.add(rod((0, high, 0.1), (0, high + tall, 0.1), (0.04, 0.025), 8), TIMBER)
    b.add(rod((0, high + 0.16, 0.12), (0, high + 0.16, -half * 0.9), 0.03, 6), TIMBER)
    for outline in (
        ((0.04, 0.22), (-half * 0.8, 0.2), (-half * 0.42, tall * 0.5), (0.04, tall * 0.96)),
        ((0.18, 0.14), (half * 0.8, 0.16), (0.18, tall * 0.75)),
    ):
        b.add(side_profile(np.array(outline) + np.array((0, high)), 0.06), sail.rgb)
    b.add(side_profile([(-0.22, 0.07), (0.1, 0.0), (0.1, 0.14)], 0.03).at(0, high + tall - 0.02, 0), main.rgb)
    b.say(f"with {with_article(sail.words())} sail")


@generator("rowing boat", "vehicle", natural=(WOODEN, WOODEN, RED, BLUE, GREEN, WHITE))
def rowing_boat(b: Builder, rng: Rng, main: Paint) -> None:
    half, width, high = rng.uniform(0.95, 1.1), rng.uniform(0.36, 0.44), 0.34
    inside = np.array((0.75, 0.56, 0.36)) if main.color != "brown" else main.shade(1.35)
    outer = [
        (-half, 0.08, high, width * 0.7, 0.6),
        (-half * 0.4, 0, high * 0.9, width, 0.6),
        (half * 0.3, 0, high * 0.92, width, 0.55),
        (half * 0.98, 0.16, high * 1.25, 0.05, 0.5),
    ]
    b.add(hull(outer), main.rgb)
    b.add(
        hull([(z * 0.93, high * 0.5, deck + 0.015, w * 0.84, 0.9) for z, _, deck, w, _ in outer]),
        inside * 0.75,
    )
    rail = curve(
        [
            (width * 0.72, high + 0.02, -half),
            (width, high * 0.9 + 0.02, -half * 0.4),
            (width, high * 0.92 + 0.02, half * 0.3),
            (0.05, high * 1.25 + 0.02, half * 0.98),
        ],
        10,
    )
    b.add_pair(tube(rail, 0.045, 6), main.shade(0.8))
    for z in (-half * 0.6, -half * 0.05, half * 0.42):
        b.add(box(width * 1.5, 0.05, 0.18).at(0, high * 0.98, z), inside)
    oar = rod((width * 0.3, high + 0.22, -0.1), (width * 1.9, high - 0.08, -0.26), 0.03, 6)
    b.add_pair(oar, inside * 0.9)
    b.add_pair(
        sphere(0.24, 0.03, 0.09, segments=10, rows=4).rz(-12).at(width * 2.3, high - 0.15, -0.3), inside
    )
    b.say("with two oars")


@generator("submarine", "vehicle", natural=(YELLOW, YELLOW, GREY, BLUE, RED, DARK_BLUE))
def submarine(b: Builder, rng: Rng, main: Paint) -> None:
    trim = paint(rng, (RED, GREY, BLUE, YELLOW, WHITE), unlike=main.color)
    fat, half, y = rng.uniform(0.36, 0.44), rng.uniform(0.95, 1.1), 0.45
    b.add(
        spindle(
            [
                (-half, 0.02, 0.06, 0.06),
                (-half * 0.75, 0, fat * 0.55, fat * 0.55),
                (-half * 0.35, 0, fat * 0.95, fat * 0.95),
                (half * 0.4, 0, fat, fat),
                (half * 0.75, 0, fat * 0.8, fat * 0.8),
                (half * 0.93, 0, fat * 0.42, fat * 0.42),
                (half, 0, 0.06, 0.06),
            ],
            16,
        ).at(y=y),
        main.rgb,
    )
    b.add(
        side_profile([(-0.3, fat * 0.8), (0.3, fat * 0.8), (0.22, fat + 0.34), (-0.22, fat + 0.34)], 0.34).at(
            0, y, 0.05
        ),
        main.shade(0.9),
    )
    b.add(box(0.4, 0.06, 0.52).at(0, y + fat + 0.32, 0.05), trim.rgb)
    scope = [
        (0, y + fat + 0.3, 0.1),
        (0, y + fat + 0.7, 0.1),
        (0, y + fat + 0.74, 0.16),
        (0, y + fat + 0.74, 0.3),
    ]
    b.add(tube(scope, 0.045, 8), STEEL)
    for z in (-half * 0.3, half * 0.08, half * 0.46):
        b.add_pair(torus(0.11, 0.035, 14, 6).rz(90).at(fat * 0.97, y + 0.06, z), trim.rgb)
        b.add_pair(sphere(0.04, 0.1, 0.1, segments=10, rows=6).at(fat * 0.96, y + 0.06, z), PANE)
    b.add(sphere(0.16, 0.16, 0.06, segments=12, rows=6).at(0, y + 0.05, half * 0.9), PANE)
    b.add(torus(0.17, 0.04, 14, 6).rx(90).at(0, y + 0.05, half * 0.89), trim.rgb)
    b.add_pair(box(0.4, 0.06, 0.26).at(0.24, y, -half * 0.82), trim.rgb)
    b.add(box(0.06, 0.75, 0.26).at(0, y - 0.38, -half * 0.82), trim.rgb)
    for k in range(3):
        b.add(
            sphere(0.1, 0.17, 0.03, segments=8, rows=6).at(y=0.14).rz(120 * k).at(0, y, -half * 1.03),
            (0.85, 0.68, 0.28),
        )
    b.say(f"with {trim.words()} fins")


GENERATORS = (boat, sailing_ship, sailboat, rowing_boat, submarine)
