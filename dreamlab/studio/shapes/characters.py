"""Toys and strangers: robot, teddy bear, ghost, alien, monster."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    FAT,
    GREEN,
    GREY,
    LIGHT_BLUE,
    LIME,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    TALL,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, EYE_WHITE, STEEL
from dreamlab.studio.shapes.paths import curve, rod, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, lathe, sphere, torus


@generator("robot", "character", natural=(METAL, METAL, GREY, BLUE, RED, WHITE, YELLOW, TURQUOISE))
def robot(b: Builder, rng: Rng, main: Paint) -> None:
    light = paint(rng, (YELLOW, LIGHT_BLUE, RED, GREEN, ORANGE), unlike=main.color)
    width, tall, head = rng.uniform(0.62, 0.82), rng.uniform(0.62, 0.8), rng.uniform(0.5, 0.62)
    joint = STEEL * (0.6 if main.material else 1.0)
    hip = 0.5
    b.add(box(width, tall, 0.46, taper=rng.uniform(0.85, 1.1), bevel=0.05).at(y=hip), main.rgb)
    panel = box(width * 0.6, tall * 0.42, 0.04).at(0, hip + tall * 0.4, 0.23)
    b.add(panel, main.shade(0.55) if main.color != "black" else joint)
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


def _robot_limbs(
    b: Builder, rng: Rng, main: Paint, joint: np.ndarray, width: float, hip: float, tall: float
) -> None:
    shoulder, side, lift = hip + tall - 0.14, width / 2 + 0.14, rng.uniform(0, 0.3)
    hand = (side + 0.06 + lift * 0.5, hip + 0.06 + lift, 0.1)
    b.add_pair(sphere(0.14, segments=10, rows=6).at(side - 0.06, shoulder, 0), joint)
    b.add_pair(rod((side, shoulder, 0), hand, 0.075, 8), joint)
    b.add_pair(box(0.2, 0.2, 0.2, bevel=0.03).at(hand[0], hand[1] - 0.14, hand[2]), main.rgb)
    b.add_pair(torus(0.09, 0.04, 10, 6).rx(90).at(hand[0], hand[1] - 0.22, hand[2]), joint)
    b.add_pair(cylinder(0.1, 0.42, 10).at(width * 0.26, 0.12, 0), joint)
    b.add_pair(box(0.27, 0.16, 0.44, bevel=0.03).at(width * 0.27, 0, 0.06), main.shade(0.85))


@generator("teddy bear", "toy", natural=(BROWN, BROWN, BEIGE, WHITE, PINK, LIGHT_BLUE), sizes=(FAT,))
def teddy_bear(b: Builder, rng: Rng, main: Paint) -> None:
    """Sits upright with its arms out, unlike the bear that goes on four legs."""
    light = paint(rng, (BEIGE, BEIGE, WHITE), unlike=main.color)
    fat = rng.uniform(0.36, 0.44)
    b.add(sphere(fat, 0.44, fat * 0.88, segments=14).at(y=0.46), main.rgb)
    b.add(sphere(fat * 0.7, 0.3, 0.16, segments=12).at(0, 0.46, fat * 0.76), light.rgb)
    head, radii = (0.0, 1.12, 0.04), (0.4, 0.35, 0.35)
    b.add(sphere(*radii, segments=14).at(*head), main.rgb)
    b.add_pair(sphere(0.17, 0.17, 0.09, segments=10).at(0.31, head[1] + 0.27, 0.0), main.rgb)
    b.add_pair(sphere(0.11, 0.11, 0.06, segments=10, rows=6).at(0.31, head[1] + 0.27, 0.06), light.rgb)
    b.add(sphere(0.18, 0.14, 0.15, segments=12).at(0, head[1] - 0.1, 0.33), light.rgb)
    b.add(sphere(0.075, 0.055, 0.05, segments=8, rows=6).at(0, head[1] - 0.03, 0.47), DARK)
    eye = np.array((0.97, 0.97, 0.97)) if main.color == "black" else DARK
    b.add_pair(sphere(0.06, segments=8, rows=6).at(0.16, head[1] + 0.08, 0.34), eye)
    lift = rng.uniform(-10, 30)
    b.add_pair(
        sphere(0.14, 0.32, 0.14, segments=10).at(y=-0.26).rz(58 + lift).rx(-18).at(fat * 0.72, 0.72, 0.04),
        main.rgb,
    )
    b.add_pair(sphere(0.17, 0.17, 0.32, segments=10).ry(28).at(0.29, 0.17, 0.36), main.rgb)
    b.add_pair(sphere(0.13, 0.13, 0.05, segments=10, rows=6).ry(28).at(0.42, 0.18, 0.63), light.rgb)
    if rng.random() < 0.5:
        bow = paint(rng, (RED, BLUE, GREEN, PURPLE), unlike=main.color)
        b.add_pair(cone(0.12, 0.2, 8).scaled(1, 1, 0.6).rz(90).at(0.2, 0.8, 0.38), bow.rgb)
        b.add(sphere(0.06, segments=8, rows=6).at(0, 0.8, 0.4), bow.shade(0.8))
        b.say(f"with {with_article(bow.words())} bow tie")
    else:
        b.say(f"with {with_article(light.words())} belly")


@generator("ghost", "character", natural=(WHITE, WHITE, WHITE, LIGHT_BLUE, LIME), sizes=(TALL, FAT))
def ghost(b: Builder, rng: Rng, main: Paint) -> None:
    wide, tall, frill = rng.uniform(0.42, 0.5), rng.uniform(1.2, 1.45), int(rng.choice((6, 8)))
    profile = [
        (wide * 1.16, 0.1),
        (wide * 1.02, 0.35),
        (wide * 0.96, tall - wide),
        (wide * 0.82, tall - wide * 0.45),
        (wide * 0.45, tall - 0.08),
        (0, tall),
    ]
    sheet = lathe(profile, frill * 4)
    v = sheet.vertices.copy()
    low = v[:, 1] < 0.2
    angle = np.arctan2(v[:, 0], v[:, 2])
    v[low, 1] += 0.12 * np.cos(frill * angle[low])
    v[0, 1] = 0.3
    b.add(sheet._replace(vertices=v), main.rgb)
    face = DARK if main.color != "black" else EYE_WHITE
    y = tall * 0.7
    b.add_pair(sphere(0.09, 0.14, 0.06, segments=10, rows=6).ry(22).at(0.17, y, wide * 0.9), face)
    b.add(sphere(0.1, rng.uniform(0.08, 0.16), 0.06, segments=10, rows=6).at(0, y - 0.3, wide * 0.97), face)
    lift = rng.uniform(0.0, 0.35)
    arm = curve(
        [
            (wide * 0.8, y - 0.22, 0),
            (wide * 1.3, y - 0.22 + lift * 0.4, 0.14),
            (wide * 1.55, y - 0.12 + lift, 0.26),
        ],
        5,
    )
    b.add_pair(tube(arm, (0.17, 0.14, 0.12, 0.1, 0.05), 8), main.rgb)
    b.say("with black eyes" if main.color != "black" else "with white eyes")


@generator("alien", "character", natural=(GREEN, GREEN, LIME, GREY, PURPLE, TURQUOISE))
def alien(b: Builder, rng: Rng, main: Paint) -> None:
    big, thin = rng.uniform(0.42, 0.5), rng.uniform(0.17, 0.21)
    b.add(
        lathe([(thin * 1.25, 0.4), (thin, 0.62), (thin * 1.3, 0.88), (thin * 0.5, 1.0)], 12).scaled(
            1.1, 1, 0.85
        ),
        main.rgb,
    )
    skull = lathe(
        [(0, -0.44), (0.16, -0.38), (0.32, -0.14), (0.43, 0.12), (0.38, 0.32), (0.2, 0.44), (0, 0.47)], 14
    )
    head = np.array((0, 1.36, 0.04))
    b.add(skull.scaled(big / 0.43, 1, 0.82 * big / 0.43).at(*head), main.rgb)
    eye = (
        sphere(0.11, 0.19, 0.07, segments=12, rows=8)
        .rz(-34)
        .ry(30)
        .at(big * 0.44, head[1] + 0.02, head[2] + big * 0.7)
    )
    b.add_pair(eye, DARK if main.color != "black" else EYE_WHITE)
    b.add_pair(
        sphere(0.035, 0.05, 0.03, segments=8, rows=4).at(big * 0.38, head[1] + 0.09, head[2] + big * 0.84),
        EYE_WHITE,
    )
    b.add(tube(curve([(-0.08, 1.1, 0.3), (0, 1.07, 0.32), (0.08, 1.1, 0.3)], 5), 0.02, 6), main.shade(0.35))
    if rng.random() < 0.7:
        b.add_pair(
            tube(curve([(0.12, 1.72, 0.04), (0.2, 1.92, 0.04), (0.3, 2.04, 0.1)], 5), 0.03, 6), main.rgb
        )
        ball = paint(rng, (YELLOW, RED, PINK, LIGHT_BLUE), unlike=main.color)
        b.add_pair(sphere(0.08, segments=8, rows=6).at(0.31, 2.07, 0.1), ball.rgb)
        b.say(f"with {ball.words()} antennae")
    else:
        b.say("with big black eyes" if main.color != "black" else "with big white eyes")
    lift = rng.uniform(-0.1, 0.3)
    b.add_pair(
        tube(
            [(thin * 1.1, 0.9, 0), (0.42, 0.7 + lift * 0.4, 0.06), (0.54, 0.52 + lift, 0.18)],
            (0.07, 0.055, 0.05),
            8,
        ),
        main.shade(0.9),
    )
    for turn in (-26, 0, 26):
        b.add_pair(
            rod((0, 0, 0), (0, -0.16, 0.02), (0.035, 0.025), 6).rz(turn).at(0.54, 0.5 + lift, 0.19),
            main.shade(0.9),
        )
    b.add_pair(rod((thin * 0.7, 0.46, 0), (0.17, 0.06, 0), (0.09, 0.07), 8), main.shade(0.9))
    b.add_pair(sphere(0.11, 0.06, 0.19, segments=8, rows=6).at(0.18, 0.05, 0.08), main.shade(0.85))


@generator("monster", "character", natural=(PURPLE, GREEN, BLUE, RED, ORANGE, TURQUOISE), sizes=(TALL, FAT))
def monster(b: Builder, rng: Rng, main: Paint) -> None:
    """Round, with one big eye, horns and teeth."""
    horn = paint(rng, (YELLOW, WHITE, BEIGE, BLACK, ORANGE), unlike=main.color)
    wide, tall = rng.uniform(0.48, 0.58), rng.uniform(0.56, 0.7)
    y = 0.22 + tall
    b.add(sphere(wide, tall, wide * 0.85, segments=16, rows=10).at(y=y), main.rgb)
    b.add(
        sphere(wide * 0.66, tall * 0.5, 0.18, segments=12).at(0, y - tall * 0.42, wide * 0.6),
        main.shade(1.5) if main.color != "white" else main.shade(0.8),
    )
    front, middle = wide * 0.85, y + tall * 0.32
    b.add(sphere(0.25, 0.25, 0.16, segments=14).at(0, middle, front * 0.9), EYE_WHITE)
    iris = paint(rng, (GREEN, BLUE, BROWN), unlike=main.color)
    b.add(sphere(0.14, 0.14, 0.07, segments=12, rows=6).at(0, middle, front * 0.9 + 0.12), iris.rgb)
    b.add(sphere(0.08, 0.08, 0.05, segments=10, rows=6).at(0, middle, front * 0.9 + 0.17), DARK)
    b.add(sphere(0.3, 0.13, 0.12, segments=12, rows=6).at(0, y - tall * 0.16, front * 0.92), DARK)
    for x in (0.08, 0.2):
        b.add_pair(
            cone(0.055, 0.13, 5)
            .rx(180)
            .at(x, y - tall * 0.16 + 0.11 - 0.2 * x, front * 0.92 + 0.1 - 0.25 * x),
            EYE_WHITE,
        )
    bent = curve(
        [
            (wide * 0.55, y + tall * 0.72, 0),
            (wide * 0.9, y + tall * 0.92, 0),
            (wide * 0.86, y + tall * 1.3, 0.04),
        ],
        6,
    )
    b.add_pair(tube(bent, np.linspace(0.13, 0.02, 6), 8), horn.rgb)
    arm = curve(
        [
            (wide * 0.85, y - 0.05, 0),
            (wide * 1.3, y - 0.02, 0.1),
            (wide * 1.5, y + rng.uniform(-0.3, 0.35), 0.2),
        ],
        5,
    )
    b.add_pair(tube(arm, (0.13, 0.12, 0.11, 0.1, 0.1), 8), main.shade(0.88))
    b.add_pair(sphere(0.13, segments=8, rows=6).at(*arm[-1]), main.shade(0.88))
    b.add_pair(cylinder(0.13, 0.3, 10).at(wide * 0.45, 0.05, 0), main.shade(0.88))
    b.add_pair(sphere(0.18, 0.09, 0.26, segments=10, rows=6).at(wide * 0.48, 0.07, 0.1), main.shade(0.8))
    b.say(f"with {horn.words()} horns")


GENERATORS = (robot, teddy_bear, ghost, alien, monster)
