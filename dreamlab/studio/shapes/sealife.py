"""Life of water and shore: fish, whale, shark, octopus, crab, turtle, frog."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    DARK_BLUE,
    FAT,
    GREEN,
    GREY,
    LIGHT_BLUE,
    LIME,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, eyes, on_ellipsoid, side_profile, spindle
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import cone, dome, sphere, torus


def belly_of(main: Paint) -> np.ndarray:
    """White, or grey below a white back."""
    return np.array((0.95, 0.96, 0.97)) if main.color != "white" else np.array((0.72, 0.76, 0.8))


@generator("fish", "animal", natural=(ORANGE, ORANGE, BLUE, YELLOW, RED, PURPLE, TURQUOISE))
def fish(b: Builder, rng: Rng, main: Paint) -> None:
    fins = paint(rng, (YELLOW, RED, WHITE, BLUE, ORANGE, PINK), unlike=main.color)
    wide, high = rng.uniform(0.22, 0.28), rng.uniform(0.38, 0.5)
    stations = [
        (-0.72, 0, 0.05, 0.1),
        (-0.5, 0, 0.09, 0.16),
        (-0.25, 0, wide * 0.75, high * 0.74),
        (-0.1, 0, wide * 0.92, high * 0.92),
        (0.12, 0, wide, high),
        (0.3, 0, wide * 0.96, high * 0.9),
        (0.5, -0.02, wide * 0.75, high * 0.6),
        (0.66, -0.04, wide * 0.4, high * 0.26),
    ]
    body = spindle(stations, 14)
    rgb = np.tile(main.rgb, (len(body.faces), 1))
    if rng.random() < 0.45:
        z = body.centres()[:, 2]
        rgb[(z > 0.12) & (z < 0.3)] = fins.rgb
        b.say(f"with {with_article(fins.words())} stripe")
    b.add(body, rgb)
    tail = side_profile([(-0.62, 0.0), (-1.06, 0.36), (-0.94, 0.0), (-1.06, -0.36)], 0.07)
    b.add(tail, fins.rgb)
    b.add(
        side_profile(
            [(-0.35, high * 0.55), (-0.42, high * 1.1), (0.0, high * 1.22), (0.25, high * 0.8)], 0.06
        ),
        fins.rgb,
    )
    b.add(
        side_profile(
            [(-0.35, -high * 0.5), (-0.4, -high * 1.15), (-0.1, -high * 1.05), (0.0, -high * 0.8)], 0.06
        ),
        fins.rgb,
    )
    fin = extrude([(0, 0.1), (0.28, 0.0), (0.24, -0.16), (0, -0.08)], 0.04).rx(20).ry(38)
    b.add_pair(fin.at(wide * 0.85, -0.1, 0.1), fins.rgb)
    eyes(b, (0, 0.08, 0.36), (wide * 0.92, high * 0.6, 0.3), 0.11, azimuth=58, elevation=16)
    b.add(torus(0.09, 0.045, 12, 6).rx(90).scaled(1.2, 0.8, 1).at(0, -0.06, 0.66), main.shade(0.6))
    b.say(f"with {fins.words()} fins")


@generator("whale", "animal", natural=(BLUE, BLUE, LIGHT_BLUE, GREY, DARK_BLUE), sizes=(FAT,))
def whale(b: Builder, rng: Rng, main: Paint) -> None:
    fat = rng.uniform(0.44, 0.54)
    b.add(
        spindle(
            [
                (-1.05, 0.42, 0.06, 0.05),
                (-0.85, 0.28, 0.12, 0.1),
                (-0.55, 0.1, 0.27, 0.24),
                (-0.15, 0, fat * 0.9, 0.42),
                (0.25, 0, fat, 0.46),
                (0.6, -0.01, fat * 0.9, 0.42),
                (0.8, -0.04, fat * 0.62, 0.3),
                (0.9, -0.06, fat * 0.25, 0.12),
            ],
            16,
        ),
        main.rgb,
    )
    b.add(
        spindle(
            [
                (-0.5, 0.02, 0.15, 0.16),
                (-0.1, -0.16, fat * 0.78, 0.3),
                (0.3, -0.18, fat * 0.9, 0.33),
                (0.62, -0.2, fat * 0.82, 0.29),
                (0.82, -0.2, fat * 0.58, 0.2),
                (0.9, -0.18, 0.1, 0.08),
            ],
            14,
        ),
        belly_of(main),
    )
    fluke = extrude([(0, 0.12), (0.3, 0.12), (0.6, -0.16), (0.3, -0.16), (0, -0.08)], 0.08).rx(90 - 24)
    b.add_pair(fluke.at(0, 0.46, -1.04), main.shade(0.85))
    fin = extrude([(0, 0.16), (0.5, -0.14), (0.46, -0.3), (0, -0.12)], 0.07).rx(90).rz(-22)
    b.add_pair(fin.at(fat * 0.85, -0.16, 0.22), main.shade(0.85))
    eyes(b, (0, 0.02, 0.4), (fat, 0.44, 0.46), 0.09, azimuth=56, elevation=10)
    if rng.random() < 0.6:
        b.add(tube([(0, 0.4, 0.3), (0, 0.7, 0.3)], 0.05, 8), (0.7, 0.88, 0.97))
        for turn in (0, 120, 240):
            drop = curve([(0, 0.68, 0.0), (0, 0.84, 0.1), (0, 0.72, 0.26)], 5)
            b.add(tube(drop, (0.05, 0.05, 0.05, 0.06, 0.06), 6).ry(turn).at(z=0.3), (0.7, 0.88, 0.97))
        b.say("with a spout of water")


@generator("shark", "animal", natural=(GREY, GREY, BLUE, DARK_BLUE, LIGHT_BLUE))
def shark(b: Builder, rng: Rng, main: Paint) -> None:
    fat, fin = rng.uniform(0.27, 0.33), rng.uniform(0.42, 0.55)
    b.add(
        spindle(
            [
                (-1.0, 0.06, 0.05, 0.07),
                (-0.7, 0.03, 0.11, 0.14),
                (-0.3, 0, fat * 0.8, fat * 0.85),
                (0.15, 0, fat, fat),
                (0.55, 0.02, fat * 0.85, fat * 0.85),
                (0.85, 0.05, fat * 0.5, fat * 0.45),
                (1.05, 0.08, 0.05, 0.04),
            ],
            14,
        ),
        main.rgb,
    )
    b.add(
        spindle(
            [
                (-0.6, -0.03, 0.08, 0.09),
                (-0.2, -0.12, fat * 0.72, fat * 0.7),
                (0.2, -0.13, fat * 0.85, fat * 0.8),
                (0.55, -0.1, fat * 0.74, fat * 0.7),
                (0.78, -0.06, fat * 0.4, fat * 0.4),
            ],
            12,
        ),
        belly_of(main),
    )
    b.add(
        side_profile([(-0.15, fat * 0.8), (-0.32, fat + fin), (-0.2, fat + fin), (0.3, fat * 0.85)], 0.08),
        main.shade(0.85),
    )
    b.add(
        side_profile(
            [
                (-0.9, 0.06),
                (-1.3, 0.6),
                (-1.15, 0.6),
                (-0.75, 0.12),
                (-0.8, 0.0),
                (-1.1, -0.34),
                (-1.2, -0.34),
            ][::-1],
            0.07,
        ),
        main.shade(0.85),
    )
    flipper = extrude([(0, 0.18), (0.6, -0.2), (0.56, -0.3), (0, -0.12)], 0.06).rx(90).rz(-24)
    b.add_pair(flipper.at(fat * 0.75, -0.1, 0.22), main.shade(0.85))
    for k in range(4):
        x = 0.035 + 0.05 * k
        b.add_pair(cone(0.034, 0.1, 4).rx(180).at(x, -0.02, 0.8 - 0.035 * k), (1, 1, 1))
    mouth = curve(
        [
            (0.21, -0.02, 0.62),
            (0.15, -0.04, 0.76),
            (0, -0.05, 0.83),
            (-0.15, -0.04, 0.76),
            (-0.21, -0.02, 0.62),
        ],
        9,
    )
    b.add(tube(mouth, 0.03, 6), (0.6, 0.12, 0.14))
    eyes(b, (0, 0.06, 0.6), (fat * 0.8, fat * 0.8, 0.3), 0.065, azimuth=56, elevation=26)
    b.say("with a white belly" if main.color != "white" else "with a grey belly")


@generator("octopus", "animal", natural=(PURPLE, RED, ORANGE, PINK, BLUE))
def octopus(b: Builder, rng: Rng, main: Paint) -> None:
    tall, reach, curl = rng.uniform(0.5, 0.64), rng.uniform(0.72, 0.9), rng.uniform(0.12, 0.34)
    head, radii = (0.0, 0.44 + tall * 0.7, 0.0), (0.42, tall, 0.4)
    b.add(sphere(*radii, segments=14).at(*head), main.rgb)
    for k in range(8):
        arm = curve(
            [
                (0, 0.4, 0.16),
                (0, 0.16, 0.4),
                (0, 0.07, reach * 0.75),
                (0, 0.1, reach),
                (0, 0.1 + curl, reach * 0.98),
            ],
            9,
        )
        b.add(tube(arm, np.linspace(0.15, 0.035, 9), 8).ry(22.5 + 45 * k), main.shade(0.88))
    eyes(b, (0, 0.64, 0.04), (0.42, 0.4, 0.4), 0.14, azimuth=26, elevation=8)
    b.add(torus(0.075, 0.03, 10, 6).rx(90).at(0, 0.46, 0.4), main.shade(0.5))
    if rng.random() < 0.5:
        spots = paint(rng, (WHITE, YELLOW, PINK, LIGHT_BLUE), unlike=main.color)
        for azimuth, elevation in ((20, 50), (75, 35), (130, 20), (110, 62), (160, 45)):
            place, out = on_ellipsoid(head, radii, azimuth, elevation)
            b.add_pair(
                sphere(0.075, 0.03, 0.075, segments=8, rows=4).aligned(out / radii).at(*place), spots.rgb
            )
        b.say(f"with {spots.words()} spots")
    else:
        b.say("with eight arms")


@generator("crab", "animal", natural=(RED, RED, ORANGE, ORANGE, BLUE))
def crab(b: Builder, rng: Rng, main: Paint) -> None:
    wide, claw = rng.uniform(0.52, 0.62), rng.uniform(0.2, 0.27)
    b.add(sphere(wide, 0.26, 0.4, segments=14).at(y=0.42), main.rgb)
    b.add(
        sphere(wide * 0.9, 0.14, 0.36, segments=12, rows=6).at(0, 0.3, 0.03),
        main.shade(1.5) if main.color != "white" else main.shade(0.8),
    )
    b.add_pair(rod((0.16, 0.55, 0.26), (0.2, 0.94, 0.3), 0.045, 6), main.rgb)
    b.add_pair(sphere(0.11, segments=10, rows=6).at(0.2, 0.98, 0.3), (0.97, 0.97, 0.95))
    b.add_pair(sphere(0.07, segments=8, rows=6).at(0.2, 0.99, 0.37), DARK)
    for k, z in enumerate((0.12, -0.04, -0.2)):
        leg = [(wide * 0.8, 0.36, z), (wide * 1.35, 0.5 - 0.03 * k, z * 1.7), (wide * 1.62, 0.0, z * 2.2)]
        b.add_pair(tube(leg, (0.07, 0.06, 0.025), 7), main.shade(0.85))
    wrist = np.array((wide * 1.45, 0.66, 0.4))
    b.add_pair(
        tube([(wide * 0.7, 0.42, 0.2), (wide * 1.35, 0.38, 0.42), wrist], (0.09, 0.085, 0.09), 8),
        main.shade(0.85),
    )
    b.add_pair(
        sphere(claw, claw * 0.9, claw * 0.6, segments=10).at(*(wrist + np.array((0, claw * 0.5, 0)))),
        main.rgb,
    )
    for turn, shift in ((38, 0.7), (-30, -0.6)):
        pincer = cone(claw * 0.5, claw * 1.9, 8).scaled(1, 1, 0.75).rz(turn * 0.5)
        b.add_pair(pincer.at(*(wrist + np.array((shift * claw, claw * 0.6, 0)))), main.rgb)
    b.add(tube(curve([(-0.12, 0.38, 0.385), (0, 0.34, 0.41), (0.12, 0.38, 0.385)], 5), 0.022, 6), DARK)
    b.say("with big claws" if claw > 0.235 else "with small claws")


@generator("turtle", "animal", natural=(GREEN, GREEN, BROWN, LIME, TURQUOISE))
def turtle(b: Builder, rng: Rng, main: Paint) -> None:
    """The shell bears the colour."""
    skin = paint(rng, (LIME, GREEN, YELLOW, BEIGE), unlike=main.color)
    wide, high = rng.uniform(0.52, 0.6), rng.uniform(0.4, 0.52)
    b.add(dome(1, 1, 14, 5).scaled(wide, high, 0.66).at(y=0.24), main.rgb)
    b.add(torus(1, 0.1, 18, 6).scaled(wide, 0.6, 0.66).at(y=0.25), main.shade(0.7))
    b.add(sphere(wide * 0.92, 0.12, 0.6, segments=14, rows=6).at(y=0.22), skin.shade(1.2))
    places = [(0, 90), *((60 * k + 30, 50) for k in range(6)), *((45 * k + 22.5, 18) for k in range(8))]
    for azimuth, elevation in places:
        place, out = on_ellipsoid((0, 0.24, 0), (wide, high, 0.66), azimuth, elevation)
        b.add(
            sphere(0.125, 0.03, 0.125, segments=6, rows=4).aligned(out / (wide, high, 0.66)).at(*place),
            main.shade(0.68),
        )
    b.add(tube([(0, 0.28, 0.5), (0, 0.36, 0.72), (0, 0.48, 0.84)], (0.16, 0.14, 0.14), 10), skin.rgb)
    head, radii = (0.0, 0.52, 0.9), (0.22, 0.2, 0.23)
    b.add(sphere(*radii).at(*head), skin.rgb)
    eyes(b, head, radii, 0.075, azimuth=44, elevation=22)
    b.add(
        tube(curve([(-0.11, 0.45, 1.07), (0, 0.42, 1.11), (0.11, 0.45, 1.07)], 5), 0.018, 5), skin.shade(0.4)
    )
    for z, spread in ((0.4, 1), (-0.42, -1)):
        b.add_pair(sphere(0.13, 0.2, 0.15, segments=10, rows=6).at(wide * 0.82, 0.14, z), skin.rgb)
        b.add_pair(
            sphere(0.14, 0.07, 0.19, segments=10, rows=6).at(wide * 0.88, 0.03, z + 0.06 * spread),
            skin.shade(0.9),
        )
    b.add(cone(0.08, 0.26, 8).rx(-100).at(0, 0.24, -0.6), skin.rgb)
    b.say(f"with {with_article(skin.words())} head")


@generator("frog", "animal", natural=(GREEN, GREEN, LIME, BROWN, YELLOW), sizes=(FAT,))
def frog(b: Builder, rng: Rng, main: Paint) -> None:
    wide = rng.uniform(0.46, 0.54)
    belly = main.shade(1.6) if main.color != "white" else main.shade(0.82)
    b.add(sphere(wide, 0.42, 0.54, segments=14).rx(-22).at(0, 0.44, -0.06), main.rgb)
    b.add(sphere(wide * 0.76, 0.34, 0.26, segments=12).at(0, 0.38, 0.26), belly)
    b.add(sphere(wide * 0.96, 0.27, 0.38, segments=14).at(0, 0.76, 0.2), main.rgb)
    b.add_pair(sphere(0.19, segments=12).at(0.27, 0.99, 0.18), main.rgb)
    b.add_pair(sphere(0.15, segments=12, rows=6).at(0.28, 1.02, 0.26), (0.98, 0.97, 0.9))
    b.add_pair(sphere(0.09, segments=10, rows=6).at(0.29, 1.03, 0.36), DARK)
    lip = np.deg2rad(np.linspace(-62, 62, 9))
    smile = np.stack(
        [wide * 0.97 * np.sin(lip), 0.66 + 0.09 * np.abs(np.sin(lip)) ** 2, 0.2 + 0.38 * np.cos(lip)], axis=1
    )
    b.add(tube(smile, 0.028, 6), main.shade(0.35) if main.color != "black" else belly)
    b.add_pair(sphere(0.2, 0.2, 0.36, segments=10).rx(-24).at(wide * 0.95, 0.26, -0.2), main.shade(0.85))
    b.add_pair(
        sphere(0.16, 0.06, 0.28, segments=10, rows=6).ry(28).at(wide * 1.08, 0.04, 0.06), main.shade(0.85)
    )
    b.add_pair(rod((0.3, 0.42, 0.3), (0.34, 0.06, 0.46), (0.11, 0.08), 8), main.shade(0.9))
    for turn in (-35, 0, 35):
        b.add_pair(
            sphere(0.05, 0.04, 0.13, segments=8, rows=4).at(z=0.1).ry(turn).at(0.34, 0.04, 0.46),
            main.shade(0.85),
        )
    if rng.random() < 0.35:
        spots = paint(rng, (BROWN, YELLOW, RED, BLUE), unlike=main.color)
        for azimuth, elevation in ((130, 40), (160, 20), (105, 15), (180, 62)):
            place, out = on_ellipsoid((0, 0.46, -0.1), (wide, 0.42, 0.52), azimuth, elevation)
            b.add_pair(sphere(0.08, 0.05, 0.08, segments=8, rows=4).aligned(out).at(*place), spots.rgb)
        b.say(f"with {spots.words()} spots")


GENERATORS = (fish, whale, shark, octopus, crab, turtle, frog)
