"""Things of the street: traffic light, fire hydrant, mailbox, street lamp, stop sign, trash can, fountain."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    DARK_GREEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
    RED,
    SILVER,
    STONE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, LAMP, STEEL, TIMBER
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, frustum, lathe, sphere, torus


@generator("traffic light", "street", natural=(YELLOW, BLACK, GREEN, GREY, DARK_GREEN))
def traffic_light(b: Builder, rng: Rng, main: Paint) -> None:
    lit, tall = int(rng.integers(3)), rng.uniform(0.55, 0.85)
    b.add(cylinder(0.2, 0.07, 14), DARK * 3)
    b.add(cylinder(0.07, tall + 0.1, 10), DARK * 3)
    b.add(box(0.46, 1.15, 0.32, bevel=0.04).at(y=tall), main.rgb)
    b.add(box(0.34, 1.05, 0.03).at(0, tall + 0.05, 0.16), DARK)
    for k, rgb in enumerate(((0.15, 0.8, 0.25), (1.0, 0.75, 0.1), (0.92, 0.12, 0.1))):
        y = tall + 0.22 + 0.35 * k
        b.add(
            sphere(0.135, 0.135, 0.07, segments=14, rows=6).at(0, y, 0.18),
            np.array(rgb) * (1.0 if k == lit else 0.72),
        )
        hood = curve(
            [
                (-0.15, y - 0.02, 0.24),
                (-0.11, y + 0.11, 0.26),
                (0, y + 0.155, 0.27),
                (0.11, y + 0.11, 0.26),
                (0.15, y - 0.02, 0.24),
            ],
            9,
        )
        b.add(tube(hood, 0.035, 6), main.shade(0.8))
    b.add(box(0.5, 0.06, 0.36).at(y=tall + 1.14), main.shade(0.8))


@generator("fire hydrant", "street", natural=(RED, RED, RED, YELLOW, BLUE, ORANGE))
def fire_hydrant(b: Builder, rng: Rng, main: Paint) -> None:
    cap = paint(rng, (SILVER, YELLOW, WHITE, BLUE, GREY), unlike=main.color)
    r, tall = rng.uniform(0.25, 0.3), rng.uniform(0.85, 1.0)
    b.add(lathe([(r * 1.5, 0), (r * 1.5, 0.1), (r * 1.05, 0.12), (r, 0.2), (r, tall)], 16), main.rgb)
    b.add(cylinder(r * 1.3, 0.09, 16).at(y=tall - 0.04), main.shade(0.85))
    b.add(dome(r * 1.05, 0.26, 16, 4).at(y=tall + 0.04), main.rgb)
    b.add(box(0.12, 0.13, 0.12, bevel=0.02).at(y=tall + 0.28), cap.rgb)
    for k in range(6):
        b.add(sphere(0.045, segments=6, rows=4).at(0, 0.11, r * 1.3).ry(60 * k), cap.shade(0.7))
    y = tall * 0.64
    b.add_pair(cylinder(0.12, 0.2, 12).rz(-90).at(r * 0.85, y, 0), main.rgb)
    b.add_pair(cylinder(0.15, 0.1, 8).rz(-90).at(r * 0.85 + 0.18, y, 0), cap.rgb)
    b.add(cylinder(0.15, 0.2, 14).rx(90).at(0, y - 0.06, r * 0.85), main.rgb)
    b.add(cylinder(0.185, 0.09, 8).rx(90).at(0, y - 0.06, r * 0.85 + 0.17), cap.rgb)
    b.add(sphere(0.05, segments=6, rows=4).at(0, y - 0.06, r * 0.85 + 0.27), cap.shade(0.7))
    b.say(f"with {cap.words()} caps")


@generator("mailbox", "street", natural=(BLUE, BLUE, RED, WHITE, GREEN, GREY))
def mailbox(b: Builder, rng: Rng, main: Paint) -> None:
    """A rounded box on a post; its door faces the front."""
    flag = paint(rng, (RED, RED, YELLOW, ORANGE), unlike=main.color)
    half, deep, high = rng.uniform(0.26, 0.32), rng.uniform(0.75, 0.9), rng.uniform(0.75, 0.95)
    angle = np.linspace(0, np.pi, 11)
    outline = np.concatenate(
        [[(-half, -0.26), (half, -0.26)], np.stack([half * np.cos(angle), half * np.sin(angle)], axis=1)]
    )
    y = high + 0.28
    b.add(box(0.16, high + 0.1, 0.16), TIMBER)
    b.add(box(0.7, 0.06, 0.5), (0.4, 0.62, 0.28))
    b.add(box(half * 1.6, 0.07, deep * 0.9).at(y=high), TIMBER)
    b.add(extrude(outline, deep).at(y=y), main.rgb)
    b.add(extrude(outline * 1.06, 0.05).at(y=y, z=deep / 2), main.shade(0.8))
    b.add(box(0.1, 0.05, 0.06).at(0, y + half * 0.62, deep / 2 + 0.04), STEEL)
    b.add(
        box(half * 0.9, 0.035, 0.03).at(0, y + 0.02, deep / 2 + 0.02),
        DARK if main.color != "black" else STEEL,
    )
    b.add(box(0.04, 0.44, 0.07).at(half + 0.02, y - 0.06, deep * 0.12), flag.rgb)
    b.add(box(0.05, 0.16, 0.26).at(half + 0.02, y + 0.24, deep * 0.12 - 0.1), flag.rgb)
    b.say(f"with {with_article(flag.words())} flag")


@generator("street lamp", "street", natural=(BLACK, BLACK, DARK_GREEN, GREY, BLUE))
def street_lamp(b: Builder, rng: Rng, main: Paint) -> None:
    tall = rng.uniform(1.5, 1.8)
    b.add(
        lathe([(0.24, 0), (0.24, 0.08), (0.14, 0.14), (0.12, 0.34), (0.06, 0.4), (0.05, tall)], 12), main.rgb
    )
    b.add(torus(0.075, 0.03, 12, 6).at(y=tall * 0.62), main.rgb)
    if rng.random() < 0.6:
        b.add_pair(rod((0, tall * 0.9, 0), (0.2, tall * 0.9, 0), 0.025, 6), main.rgb)
        b.add(frustum(0.13, 0.2, 0.34, 6).at(y=tall), LAMP)
        for k in range(6):
            b.add(rod((0, 0, 0.135), (0, 0.34, 0.205), 0.02, 4).ry(60 * k).at(y=tall), main.rgb)
        b.add(lathe([(0.25, 0), (0.1, 0.14), (0.03, 0.2), (0, 0.3)], 6).at(y=tall + 0.33), main.rgb)
        b.add(cylinder(0.15, 0.05, 6).at(y=tall - 0.03), main.rgb)
        b.say("with one lamp")
    else:
        arm = curve(
            [(0, tall - 0.06, 0), (0.16, tall + 0.2, 0), (0.42, tall + 0.24, 0), (0.52, tall + 0.06, 0)], 8
        )
        b.add_pair(tube(arm, 0.035, 6), main.rgb)
        b.add_pair(cone(0.17, 0.12, 12).at(0.52, tall - 0.04, 0), main.rgb)
        b.add_pair(sphere(0.14, segments=12).at(0.52, tall - 0.1, 0), LAMP)
        b.add(cone(0.05, 0.22, 8).at(y=tall), main.rgb)
        b.say("with two lamps")


@generator("stop sign", "street", natural=(RED,), wild=0.12)
def stop_sign(b: Builder, rng: Rng, main: Paint) -> None:
    letters = np.array((0.97, 0.97, 0.97)) if main.color != "white" else np.array((0.85, 0.1, 0.1))
    tall, r = rng.uniform(1.0, 1.3), rng.uniform(0.45, 0.54)
    angle = np.deg2rad(np.arange(8) * 45 + 22.5)
    octagon = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    y = tall + r * 0.8
    b.add(cylinder(0.045, y + r * 0.4, 8).at(z=-0.07), STEEL)
    b.add(extrude(octagon * r, 0.06).at(y=y), letters)
    b.add(extrude(octagon * r * 0.9, 0.08).at(y=y), main.rgb)
    strokes = {  # letters as thin boxes (x, y, width, height) on a grid of 3 by 5
        "S": ((0, 4, 3, 1), (0, 2, 3, 1), (0, 0, 3, 1), (0, 2, 1, 3), (2, 0, 1, 3)),
        "T": ((0, 4, 3, 1), (1, 0, 1, 5)),
        "O": ((0, 4, 3, 1), (0, 0, 3, 1), (0, 0, 1, 5), (2, 0, 1, 5)),
        "P": ((0, 4, 3, 1), (0, 2, 3, 1), (0, 0, 1, 5), (2, 2, 1, 3)),
    }
    unit = r * 0.094
    for k, letter in enumerate("STOP"):
        for x, low, wide, high in strokes[letter]:
            at = ((k * 4 - 7.5 + x + wide / 2) * unit, y + (low - 2.5) * unit * 1.2)
            b.add(box(wide * unit, high * unit * 1.2, 0.02).at(at[0], at[1], 0.042), letters)
    b.say("with white letters" if main.color != "white" else "with red letters")


@generator("trash can", "street", natural=(METAL, GREY, GREEN, BLUE, BLACK))
def trash_can(b: Builder, rng: Rng, main: Paint) -> None:
    r, tall = rng.uniform(0.4, 0.46), rng.uniform(0.9, 1.1)
    b.add(lathe([(r * 0.84, 0), (r, tall)], 18), main.rgb)
    for k in range(12):
        b.add(rod((0, 0.06, r * 0.86), (0, tall - 0.04, r * 0.995), 0.028, 4).ry(30 * k), main.shade(0.75))
    for y, share in ((0.04, 0.86), (tall - 0.03, 1.01)):
        b.add(torus(r * share, 0.035, 20, 6).at(y=y), main.shade(0.8))
    lift = rng.uniform(0, 16)
    lid = [
        (lathe([(r * 1.1, 0), (r * 1.1, 0.07), (r * 0.7, 0.17), (0, 0.21)], 18), main.shade(0.92)),
        (
            tube(curve([(-0.13, 0.18, 0), (-0.1, 0.3, 0), (0.1, 0.3, 0), (0.13, 0.18, 0)], 7), 0.028, 6),
            main.shade(0.6),
        ),
    ]
    for solid, rgb in lid:
        b.add(solid.at(z=r).rx(-lift).at(y=tall + 0.01, z=-r), rgb)
    handle = curve(
        [
            (r * 0.96, tall * 0.8, -0.12),
            (r * 1.22, tall * 0.76, -0.1),
            (r * 1.22, tall * 0.76, 0.1),
            (r * 0.96, tall * 0.8, 0.12),
        ],
        7,
    )
    b.add_pair(tube(handle, 0.03, 6), main.shade(0.6))
    if lift > 8:
        b.say("with its lid ajar")


@generator("fountain", "street", natural=(STONE, STONE, WHITE, GREY), wild=0.15)
def fountain(b: Builder, rng: Rng, main: Paint) -> None:
    water = (
        np.array((0.52, 0.8, 0.97))
        if main.color not in ("blue", "light blue", "turquoise")
        else np.array((0.85, 0.95, 1.0))
    )
    r, tall = rng.uniform(0.85, 0.95), rng.uniform(0.62, 0.78)
    b.add(
        lathe(
            [(r * 0.96, 0), (r, 0.06), (r * 0.97, 0.28), (r * 1.03, 0.34), (r * 0.9, 0.34), (r * 0.88, 0.12)],
            20,
        ),
        main.rgb,
    )
    b.add(cylinder(r * 0.89, 0.02, 20).at(y=0.25), water)
    b.add(lathe([(0.2, 0.1), (0.11, 0.3), (0.1, tall), (0.16, tall + 0.04)], 12), main.shade(0.88))
    b.add(lathe([(0.12, 0), (0.4, 0.1), (0.46, 0.2), (0.4, 0.2), (0.3, 0.13)], 18).at(y=tall), main.rgb)
    b.add(cylinder(0.4, 0.02, 18).at(y=tall + 0.165), water)
    b.add(lathe([(0.06, 0), (0.08, 0.2), (0.03, 0.24)], 10).at(y=tall + 0.12), main.shade(0.88))
    spray = curve(
        [(0, tall + 0.36, 0.02), (0, tall + 0.62, 0.12), (0, tall + 0.5, 0.3), (0, tall + 0.18, 0.36)], 8
    )
    fall = curve([(0, tall + 0.2, 0.44), (0, tall + 0.18, 0.56), (0, tall * 0.6, 0.66), (0, 0.26, 0.69)], 8)
    for k in range(8):
        b.add(tube(spray, 0.03, 5).ry(45 * k), water)
        b.add(tube(fall, 0.035, 5).ry(45 * k + 22.5), water)
    b.say("with light blue water" if water[0] < 0.6 else "with clear water")


GENERATORS = (traffic_light, fire_hydrant, mailbox, street_lamp, stop_sign, trash_can, fountain)
