"""Small four-legged animals: rabbit, cat, dog, fox, pig, mouse, bear."""

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
    ORANGE,
    PINK,
    RED,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, ROSE, bead_eyes, eyes, four_legs, triangle_ear, trunk
from dreamlab.studio.shapes.paths import curve, rod, tube
from dreamlab.studio.shapes.solids import cylinder, sphere, torus


@generator("rabbit", "animal", natural=(WHITE, WHITE, GREY, BROWN, BEIGE), sizes=(FAT,))
def rabbit(b: Builder, rng: Rng, main: Paint) -> None:
    inner = paint(rng, (PINK, PINK, WHITE, BROWN), unlike=main.color)
    ears, spread, fat = rng.uniform(0.42, 0.62), rng.uniform(6, 20), rng.uniform(0.36, 0.44)
    b.add(sphere(fat, 0.46, 0.44).at(0, 0.44, -0.08), main.rgb)
    b.add(sphere(fat * 0.68, 0.32, 0.14).at(0, 0.44, 0.26), main.shade(1.5))
    head, radii = (0.0, 1.08, 0.14), (0.35, 0.31, 0.31)
    b.add(sphere(*radii).at(*head), main.rgb)
    b.add_pair(
        sphere(0.12, ears, 0.07, segments=10).at(y=ears * 0.85).rz(-spread).at(0.13, 1.26, 0.06), main.rgb
    )
    b.add_pair(
        sphere(0.07, ears * 0.8, 0.05, segments=8).at(y=ears * 0.85).rz(-spread).at(0.13, 1.26, 0.1),
        inner.rgb,
    )
    eyes(b, head, radii, 0.085, azimuth=36, elevation=14)
    b.add_pair(sphere(0.11, 0.09, 0.09, segments=8, rows=6).at(0.08, 0.98, 0.42), main.shade(1.5))
    b.add(sphere(0.055, 0.04, 0.04, segments=8, rows=6).at(0, 1.06, 0.48), ROSE)
    b.add(sphere(0.06, 0.07, 0.02, segments=6, rows=4).at(0, 0.9, 0.44), (0.98, 0.98, 0.95))
    b.add_pair(sphere(0.13, 0.1, 0.26, segments=10, rows=6).at(0.24, 0.09, 0.26), main.shade(0.9))
    b.add_pair(sphere(0.09, 0.2, 0.1, segments=8, rows=6).rx(-35).at(0.24, 0.62, 0.3), main.shade(0.9))
    tail = WHITE.sample(rng)
    b.add(sphere(0.15, segments=8, rows=6).at(0, 0.28, -0.54), tail)
    if inner.color != "pink":
        b.say(f"with {inner.words()} ears")


def pale(main: Paint) -> np.ndarray:
    """Muzzle and belly: lighter than the coat, or a little darker where the coat is white already."""
    return main.shade(0.82) if main.color == "white" else main.shade(1.6)


def collar(
    b: Builder, rng: Rng, main: Paint, at: tuple[float, float, float], radius: float, tilt: float
) -> None:
    """A collar, half of the time, with its words."""
    if rng.random() < 0.5:
        band = paint(rng, (RED, BLUE, GREEN, YELLOW), unlike=main.color)
        b.add(torus(radius, 0.055, 16, 6).rx(tilt).at(*at), band.rgb)
        b.say(f"with {with_article(band.words())} collar")


@generator("cat", "animal", natural=(ORANGE, GREY, BLACK, WHITE, BROWN), sizes=(FAT,))
def cat(b: Builder, rng: Rng, main: Paint) -> None:
    fat, legs, light = rng.uniform(0.2, 0.26), rng.uniform(0.34, 0.44), pale(main)
    coat = trunk(0.5, fat, fat * 1.05)
    coat_at = legs + fat * 0.75
    head, radii = (0.0, coat_at + 0.4, 0.52), (0.34, 0.28, 0.27)
    if rng.random() < 0.4:
        stripe = paint(rng, (BLACK, BROWN, WHITE), unlike=main.color)
        for z in (-0.36, -0.18, 0.0, 0.18):
            b.add(torus(1.0, 0.1, 14, 6).rx(90).scaled(fat, fat * 1.03, 0.28).at(0, coat_at, z), stripe.rgb)
        for x in (-0.1, 0.0, 0.1):
            b.add(
                sphere(0.035, 0.1, 0.04, segments=6, rows=4).rx(-50).at(x, head[1] + 0.22, head[2] + 0.15),
                stripe.rgb,
            )
        b.say(f"with {stripe.words()} stripes")
    b.add(coat.at(y=coat_at), main.rgb)
    four_legs(b, fat * 0.66, 0.32, -0.34, legs + 0.1, 0.085, main.rgb, light)
    b.add(rod((0, coat_at, 0.3), head, (0.2, 0.16), 10), main.rgb)
    b.add(sphere(*radii).at(*head), main.rgb)
    b.add_pair(triangle_ear(0.24, 0.3).rz(-14).at(0.18, head[1] + 0.17, head[2] - 0.02), main.rgb)
    b.add_pair(triangle_ear(0.13, 0.2).rz(-14).at(0.18, head[1] + 0.19, head[2] + 0.05), ROSE)
    eyes(b, head, radii, 0.08, azimuth=32, elevation=14, white=(0.75, 0.9, 0.35))
    b.add_pair(sphere(0.085, 0.07, 0.07, segments=8, rows=6).at(0.06, head[1] - 0.09, head[2] + 0.24), light)
    b.add(sphere(0.04, 0.03, 0.03, segments=8, rows=4).at(0, head[1] - 0.03, head[2] + 0.3), ROSE)
    whisker = (0.97, 0.97, 0.97) if main.color not in ("white", "beige") else DARK
    for lift in (0.04, -0.06):
        start = (0.1, head[1] - 0.08, head[2] + 0.26)
        b.add_pair(rod(start, (0.4, head[1] - 0.08 + lift, head[2] + 0.2), 0.012, 4), whisker)
    tail = curve(
        [
            (0, coat_at + 0.05, -0.46),
            (0, coat_at + 0.08, -0.7),
            (0, coat_at + 0.4, -0.72),
            (0.0, coat_at + 0.68, -0.86),
        ],
        9,
    )
    b.add(tube(tail, (0.06,) * 8 + (0.03,), 8), main.rgb)
    collar(b, rng, main, (0, coat_at + 0.17, 0.4), 0.19, 40)


@generator("dog", "animal", natural=(BROWN, BROWN, BEIGE, WHITE, BLACK, GREY), sizes=(FAT,))
def dog(b: Builder, rng: Rng, main: Paint) -> None:
    ears = paint(rng, (BROWN, BLACK, BEIGE, WHITE), unlike=main.color)
    fat, legs = rng.uniform(0.22, 0.27), rng.uniform(0.36, 0.48)
    coat_at = legs + fat * 0.75
    b.add(trunk(0.55, fat, fat * 1.05, chest=1.1).at(y=coat_at), main.rgb)
    four_legs(b, fat * 0.7, 0.38, -0.4, legs + 0.1, 0.1, main.rgb, pale(main))
    head, radii = (0.0, coat_at + 0.42, 0.55), (0.27, 0.27, 0.27)
    b.add(rod((0, coat_at, 0.34), head, (0.22, 0.16), 10), main.rgb)
    b.add(sphere(*radii).at(*head), main.rgb)
    long = rng.uniform(0.24, 0.34)
    b.add(trunk(long, 0.15, 0.12).at(0, head[1] - 0.09, head[2] + 0.2), pale(main))
    b.add(sphere(0.08, 0.06, 0.06, segments=10, rows=6).at(0, head[1] - 0.02, head[2] + 0.2 + long), DARK)
    hang = rng.uniform(0.24, 0.32)
    b.add_pair(
        sphere(0.075, hang, 0.14, segments=10, rows=6).rz(14).at(0.29, head[1] - 0.04, head[2] - 0.05),
        ears.rgb,
    )
    eyes(b, head, radii, 0.075, azimuth=32, elevation=28)
    if rng.random() < 0.5:
        b.add(
            sphere(0.065, 0.13, 0.03, segments=8, rows=4)
            .rx(-14)
            .at(0, head[1] - 0.26, head[2] + 0.12 + long),
            (0.92, 0.35, 0.42),
        )
    if rng.random() < 0.4:
        b.add(sphere(fat * 0.6, fat * 0.5, 0.2).at(fat * 0.5, coat_at + fat * 0.5, -0.12), ears.rgb)
    tail = curve([(0, coat_at + 0.1, -0.5), (0, coat_at + 0.25, -0.68), (0, coat_at + 0.5, -0.72)], 6)
    b.add(tube(tail, (0.07, 0.065, 0.06, 0.055, 0.05, 0.03), 8), main.rgb)
    collar(b, rng, main, (0, coat_at + 0.2, 0.44), 0.205, 35)
    b.say(f"with {ears.words()} ears")


@generator("fox", "animal", natural=(ORANGE, ORANGE, ORANGE, RED, WHITE, GREY), wild=0.2)
def fox(b: Builder, rng: Rng, main: Paint) -> None:
    tip = paint(rng, (WHITE, WHITE, BEIGE, BLACK), unlike=main.color)
    fat, legs, dark = rng.uniform(0.18, 0.22), rng.uniform(0.36, 0.46), DARK * 2
    coat_at = legs + fat * 0.7
    b.add(trunk(0.5, fat, fat * 1.05).at(y=coat_at), main.rgb)
    four_legs(b, fat * 0.68, 0.34, -0.36, legs + 0.08, 0.075, main.rgb, dark)
    head, radii = (0.0, coat_at + 0.36, 0.52), (0.3, 0.23, 0.24)
    b.add(rod((0, coat_at, 0.3), head, (0.19, 0.15), 10), main.rgb)
    b.add(sphere(0.17, 0.2, 0.12, segments=10, rows=6).at(0, coat_at + 0.08, 0.46), tip.rgb)
    b.add(sphere(*radii).at(*head), main.rgb)
    b.add_pair(sphere(0.17, 0.12, 0.14, segments=10, rows=6).at(0.17, head[1] - 0.1, head[2] + 0.08), tip.rgb)
    b.add(
        rod((0, head[1] - 0.06, head[2] + 0.14), (0, head[1] - 0.1, head[2] + 0.5), (0.15, 0.05), 10),
        main.rgb,
    )
    b.add(sphere(0.06, segments=8, rows=6).at(0, head[1] - 0.08, head[2] + 0.51), DARK)
    b.add_pair(triangle_ear(0.24, 0.4).rz(-12).at(0.18, head[1] + 0.12, head[2] - 0.04), main.rgb)
    b.add_pair(triangle_ear(0.12, 0.26).rz(-12).at(0.18, head[1] + 0.14, head[2] + 0.03), dark)
    eyes(b, head, radii, 0.065, azimuth=34, elevation=18)
    root, bend = np.array((0, coat_at, -0.44)), rng.uniform(0.1, 0.35)
    path = curve([root, root + np.array((0, bend * 0.3, -0.3)), root + np.array((0, bend, -0.62))], 5)
    b.add(tube(path, (0.07, 0.15, 0.2, 0.2, 0.15), 10), main.rgb)
    end = np.array(path[-1]) - np.array(path[-2])
    b.add(sphere(0.15, 0.24, 0.15, segments=10, rows=6).aligned(end).at(*path[-1]), tip.rgb)
    b.say(f"with {with_article(tip.words())} tail tip")


@generator("pig", "animal", natural=(PINK, PINK, PINK, BROWN, BLACK, WHITE), sizes=(FAT,))
def pig(b: Builder, rng: Rng, main: Paint) -> None:
    fat, legs = rng.uniform(0.38, 0.46), rng.uniform(0.2, 0.3)
    coat_at = legs + fat * 0.85
    b.add(trunk(0.66, fat, fat).at(y=coat_at), main.rgb)
    four_legs(b, fat * 0.62, 0.34, -0.36, legs + 0.14, 0.12, main.rgb, main.shade(0.55))
    head, radii = (0.0, coat_at + 0.14, 0.6), (0.36, 0.34, 0.3)
    b.add(sphere(*radii).at(*head), main.rgb)
    snout = main.shade(0.8) if main.color != "black" else np.array((0.8, 0.5, 0.55))
    b.add(cylinder(0.17, 0.16, 14).scaled(1.1, 1, 0.85).rx(90).at(0, head[1] - 0.06, head[2] + 0.24), snout)
    b.add_pair(sphere(0.04, 0.06, 0.02, segments=8, rows=4).at(0.07, head[1] - 0.06, head[2] + 0.4), DARK)
    b.add_pair(
        triangle_ear(0.26, 0.26).rx(35).rz(-24).at(0.22, head[1] + 0.24, head[2] + 0.02), main.shade(0.85)
    )
    eyes(b, head, radii, 0.07, azimuth=36, elevation=26)
    turn = np.linspace(0, 3.6 * np.pi, 18)
    back = np.array((0, coat_at + 0.16, -0.62))
    curl = back + np.stack([0.07 * np.sin(turn), 0.07 * np.cos(turn) - 0.07, -turn * 0.02], axis=1)
    b.add(tube(curl, 0.03, 6), main.shade(0.85))


@generator("mouse", "animal", natural=(GREY, GREY, WHITE, BROWN), sizes=(FAT,))
def mouse(b: Builder, rng: Rng, main: Paint) -> None:
    big, fat = rng.uniform(0.24, 0.32), rng.uniform(0.3, 0.36)
    b.add(trunk(0.55, fat, fat).at(0, fat * 0.98, -0.1), main.rgb)
    head = (0.0, fat * 1.25, 0.45)
    b.add(sphere(0.27, 0.26, 0.26).at(*head), main.rgb)
    b.add(
        rod((0, head[1] - 0.04, head[2] + 0.06), (0, head[1] - 0.1, head[2] + 0.4), (0.21, 0.05), 10),
        main.rgb,
    )
    b.add(sphere(0.065, segments=8, rows=6).at(0, head[1] - 0.09, head[2] + 0.41), ROSE)
    for size, rgb, push in (
        (1.0, main.rgb, 0.0),
        (0.72, ROSE if main.color != "pink" else main.shade(0.7), 0.04),
    ):
        ear = sphere(big * size, big * size, 0.05, segments=14, rows=8)
        b.add_pair(ear.ry(14).at(0.24, head[1] + 0.3, head[2] - 0.1 + push), rgb)
    bead_eyes(b, head, (0.25, 0.25, 0.25), 0.06, 34, 24, main.color == "black")
    whisker = DARK if main.color in ("white", "beige", "yellow") else (0.95, 0.95, 0.95)
    for lift in (0.05, -0.05):
        start = (0.04, head[1] - 0.08, head[2] + 0.32)
        b.add_pair(rod(start, (0.3, head[1] - 0.08 + lift, head[2] + 0.3), 0.01, 4), whisker)
    b.add_pair(sphere(0.09, 0.06, 0.16, segments=8, rows=4).at(fat * 0.6, 0.04, 0.28), ROSE)
    b.add_pair(sphere(0.1, 0.06, 0.2, segments=8, rows=4).at(fat * 0.75, 0.04, -0.25), ROSE)
    lift = rng.uniform(0.2, 0.6)
    tail = curve(
        [(0, fat * 0.6, -0.55), (0, fat * 0.3, -0.85), (0, lift * 0.6, -1.1), (0, lift + 0.2, -1.2)], 10
    )
    b.add(tube(tail, np.linspace(0.05, 0.02, 10), 6), ROSE)
    b.say("with big ears" if big > 0.29 else "with a long tail")


@generator("bear", "animal", natural=(BROWN, BROWN, BROWN, BLACK, WHITE), sizes=(FAT,))
def bear(b: Builder, rng: Rng, main: Paint) -> None:
    fat, legs = rng.uniform(0.36, 0.42), rng.uniform(0.34, 0.42)
    coat_at = legs + fat * 0.72
    b.add(trunk(0.66, fat, fat, chest=1.04).at(y=coat_at), main.rgb)
    b.add(sphere(fat * 0.85, fat * 0.7, 0.4).at(0, coat_at + fat * 0.38, 0.22), main.rgb)
    four_legs(b, fat * 0.62, 0.38, -0.4, legs + 0.12, 0.155, main.rgb, main.shade(0.6))
    head, radii = (0.0, coat_at + 0.34, 0.74), (0.31, 0.28, 0.26)
    b.add(sphere(*radii).at(*head), main.rgb)
    muzzle = (0.8, 0.66, 0.48) if main.color != "beige" else main.shade(0.7)
    b.add(sphere(0.17, 0.14, 0.2, segments=10, rows=6).at(0, head[1] - 0.08, head[2] + 0.22), muzzle)
    b.add(sphere(0.08, 0.06, 0.05, segments=8, rows=6).at(0, head[1] - 0.02, head[2] + 0.4), DARK)
    b.add_pair(
        sphere(0.12, 0.12, 0.06, segments=10, rows=6).at(0.22, head[1] + 0.24, head[2] - 0.04), main.rgb
    )
    b.add_pair(sphere(0.075, 0.075, 0.05, segments=8, rows=6).at(0.22, head[1] + 0.24, head[2]), muzzle)
    eyes(b, head, radii, 0.055, azimuth=30, elevation=24)
    b.add(sphere(0.1, segments=8, rows=6).at(0, coat_at + 0.1, -0.66), main.shade(0.8))


GENERATORS = (rabbit, cat, dog, fox, pig, mouse, bear)
