"""Big animals: cow, sheep, horse, zebra, elephant, giraffe, lion, dinosaur."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, FloatArray, Rng, Solid, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    FAT,
    GREEN,
    GREY,
    LIGHT_BLUE,
    ORANGE,
    PURPLE,
    RED,
    TALL,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, ROSE, eyes, four_legs, on_ellipsoid, spindle, trunk
from dreamlab.studio.shapes.paths import curve, rod, tube
from dreamlab.studio.shapes.solids import cone, cylinder, sphere, torus

HORN = np.array((0.93, 0.88, 0.76))


def patches(b: Builder, rng: Rng, coat: Solid, color: FloatArray, count: int, size: float) -> None:
    """Flat round spots all over a solid."""
    for place, normal in zip(*surface_points(coat, rng, count), strict=True):
        a, c = size * rng.uniform(0.75, 1.25, 2)
        b.add(sphere(a, 0.03, c, segments=8, rows=4).aligned(normal).at(*place), color)


@generator("cow", "animal", natural=(WHITE, WHITE, BROWN, BROWN, BLACK), sizes=(FAT,))
def cow(b: Builder, rng: Rng, main: Paint) -> None:
    spots = paint(rng, (BLACK, BLACK, BROWN, WHITE), unlike=main.color)
    fat, legs = rng.uniform(0.3, 0.36), rng.uniform(0.4, 0.5)
    y = legs + fat * 0.85
    coat = trunk(0.72, fat, fat).at(y=y)
    b.add(coat, main.rgb)
    patches(b, rng, coat, spots.rgb, int(rng.integers(9, 13)), 0.15)
    four_legs(b, fat * 0.68, 0.44, -0.46, legs + 0.12, 0.1, main.rgb, DARK * 2)
    head, radii = (0.0, y + 0.3, 0.8), (0.22, 0.26, 0.24)
    b.add(rod((0, y + 0.02, 0.5), head, (0.24, 0.17), 10), main.rgb)
    b.add(sphere(*radii).at(*head), main.rgb)
    b.add(sphere(0.2, 0.16, 0.17, segments=12).at(0, head[1] - 0.2, head[2] + 0.15), ROSE)
    b.add_pair(sphere(0.035, 0.045, 0.02, segments=6, rows=4).at(0.08, head[1] - 0.17, head[2] + 0.31), DARK)
    b.add_pair(
        sphere(0.19, 0.08, 0.06, segments=10, rows=6).rz(-8).at(0.34, head[1] + 0.1, head[2] - 0.06),
        spots.rgb,
    )
    horn = curve(
        [
            (0.12, head[1] + 0.2, head[2] - 0.04),
            (0.26, head[1] + 0.3, head[2] - 0.04),
            (0.27, head[1] + 0.46, head[2]),
        ],
        5,
    )
    b.add_pair(tube(horn, np.linspace(0.06, 0.02, 5), 8), HORN)
    eyes(b, head, radii, 0.065, azimuth=40, elevation=16)
    b.add(sphere(0.16, 0.11, 0.18, segments=10, rows=6).at(0, legs - 0.02, -0.3), ROSE)
    b.add_pair(cylinder(0.03, 0.08, 6).at(0.06, legs - 0.18, -0.3), ROSE)
    tail = curve([(0, y + 0.14, -0.68), (0, y, -0.86), (0, legs, -0.86)], 6)
    b.add(tube(tail, 0.03, 6), main.shade(0.85))
    b.add(sphere(0.06, 0.12, 0.06, segments=8, rows=6).at(0, legs - 0.08, -0.86), spots.rgb)
    b.say(f"with {spots.words()} spots")


@generator("sheep", "animal", natural=(WHITE, WHITE, WHITE, BEIGE, GREY, BLACK), sizes=(FAT,))
def sheep(b: Builder, rng: Rng, main: Paint) -> None:
    face = paint(rng, (BLACK, BLACK, BEIGE, BROWN, WHITE), unlike=main.color)
    legs, fat, tuft = rng.uniform(0.26, 0.34), rng.uniform(0.34, 0.4), rng.uniform(0.15, 0.19)
    y = legs + fat * 0.8
    radii = (fat, fat * 0.95, 0.52)
    b.add(sphere(*radii, segments=12, rows=8).at(0, y, -0.06), main.rgb)
    for elevation, azimuths in (
        (-35, (22, 67, 112, 157)),
        (0, (0, 45, 90, 135, 180)),
        (38, (22, 67, 112, 157)),
        (75, (0, 180)),
    ):
        for k, azimuth in enumerate(azimuths):
            place, _ = on_ellipsoid((0, y, -0.06), radii, azimuth, elevation)
            wool, rgb = sphere(tuft, segments=8, rows=5).at(*place), main.rgb * (0.94 + 0.06 * (k % 2))
            b.add(wool, rgb) if azimuth in (0, 180) else b.add_pair(wool, rgb)
    four_legs(b, fat * 0.55, 0.24, -0.36, legs + 0.1, 0.075, face.rgb, face.shade(0.6))
    head, size = (0.0, y + 0.2, 0.6), (0.19, 0.25, 0.2)
    b.add(sphere(*size).rx(-20).at(*head), face.rgb)
    b.add(sphere(0.22, 0.15, 0.2, segments=10, rows=6).at(0, head[1] + 0.2, head[2] - 0.06), main.rgb)
    b.add_pair(
        sphere(0.17, 0.07, 0.05, segments=8, rows=6).rz(-18).at(0.29, head[1] + 0.06, head[2] - 0.04),
        face.rgb,
    )
    eyes(b, head, size, 0.07, azimuth=38, elevation=14)
    b.add(
        sphere(0.07, 0.04, 0.04, segments=8, rows=4).at(0, head[1] - 0.1, head[2] + 0.2),
        face.shade(0.5) if face.color != "black" else ROSE,
    )
    b.say(f"with {with_article(face.words())} face")


def _horse_body(b: Builder, rng: Rng, main: Paint, mane: Paint, hoof: FloatArray) -> float:
    """Everything a horse and a zebra share; returns the height of the back."""
    legs, fat = rng.uniform(0.6, 0.72), rng.uniform(0.23, 0.27)
    y = legs + fat * 0.8
    barrel = trunk(0.6, fat, fat, chest=1.05).at(y=y)
    neck = rod((0, y + 0.02, 0.42), (0, y + 0.55, 0.72), (0.21, 0.12), 12)
    head = spindle(
        [
            (-0.16, 0, 0.09, 0.1),
            (0, 0, 0.135, 0.15),
            (0.22, -0.01, 0.105, 0.11),
            (0.4, -0.02, 0.1, 0.1),
            (0.46, -0.03, 0.06, 0.06),
        ]
    )
    head = head.rx(28).at(0, y + 0.6, 0.74)
    for part in (barrel, neck, head):
        b.add(part, main.rgb)
    four_legs(b, fat * 0.65, 0.4, -0.44, legs + 0.1, 0.085, main.rgb, hoof)
    b.add(sphere(0.105, 0.09, 0.08, segments=10, rows=6).at(0, y + 0.36, 1.12), main.shade(0.6))
    eyes(b, (0, y + 0.62, 0.78), (0.13, 0.13, 0.13), 0.07, azimuth=52, elevation=22)
    b.add_pair(cone(0.06, 0.2, 6).rz(-12).at(0.09, y + 0.7, 0.66), main.rgb)
    for k in range(6):
        t = k / 5
        b.add(
            sphere(0.055, 0.13, 0.12, segments=8, rows=6).rx(-30).at(0, y + 0.78 - 0.62 * t, 0.6 - 0.36 * t),
            mane.rgb,
        )
    b.add(sphere(0.06, 0.06, 0.1, segments=8, rows=6).at(0, y + 0.78, 0.76), mane.rgb)
    tail = curve([(0, y + 0.12, -0.55), (0, y + 0.05, -0.78), (0, y - 0.5, -0.82)], 6)
    b.add(tube(tail, (0.05, 0.09, 0.11, 0.11, 0.09, 0.03), 8), mane.rgb)
    return y


@generator("horse", "animal", natural=(BROWN, BROWN, WHITE, BLACK, BEIGE, GREY), sizes=(TALL,))
def horse(b: Builder, rng: Rng, main: Paint) -> None:
    mane = paint(rng, (BLACK, BLACK, BROWN, WHITE, BEIGE), unlike=main.color)
    y = _horse_body(b, rng, main, mane, DARK * 2)
    b.say(f"with {with_article(mane.words())} mane")
    if rng.random() < 0.35:
        saddle = paint(rng, (RED, BLUE, BROWN, GREEN), unlike=main.color)
        b.add(sphere(0.29, 0.17, 0.24, segments=12, rows=6).at(0, y + 0.15, -0.02), saddle.rgb)
        b.add(torus(0.2, 0.05, 12, 6).rx(90).scaled(1, 0.6, 1).at(0, y + 0.24, 0.14), saddle.shade(0.7))
        b.say(f"with {with_article(saddle.words())} saddle")


@generator("zebra", "animal", natural=(WHITE,), wild=0.12)
def zebra(b: Builder, rng: Rng, main: Paint) -> None:
    stripe = Paint(BLACK.sample(rng), "black") if main.color != "black" else Paint(WHITE.sample(rng), "white")
    y = _horse_body(b, rng, main, stripe, DARK * 2)
    for z in np.linspace(-0.44, 0.4, 6):
        b.add(torus(1.0, 0.12, 12, 4).rx(90).scaled(0.262, 0.262, 0.2).at(0, y, z), stripe.rgb)
    for t in (0.3, 0.58, 0.86):
        b.add(
            torus(0.2 - 0.085 * t, 0.024, 12, 4)
            .aligned((0, 0.53, 0.3))
            .at(0, y + 0.02 + 0.53 * t, 0.42 + 0.3 * t),
            stripe.rgb,
        )
    for z in (0.4, -0.44):
        for up in (0.4, 0.6):
            b.add_pair(torus(0.085, 0.018, 8, 4).at(0.17, up * y, z), stripe.rgb)
    b.add(torus(0.12, 0.03, 12, 6).rx(118).at(0, y + 0.55, 0.9), stripe.rgb)
    b.say(f"with {stripe.words()} stripes")


@generator("elephant", "animal", natural=(GREY, GREY, GREY, LIGHT_BLUE, BLUE), sizes=(FAT,))
def elephant(b: Builder, rng: Rng, main: Paint) -> None:
    fat, legs, big = rng.uniform(0.4, 0.46), rng.uniform(0.4, 0.5), rng.uniform(0.36, 0.46)
    y = legs + fat * 0.75
    b.add(trunk(0.66, fat, fat).at(0, y, -0.08), main.rgb)
    four_legs(b, fat * 0.62, 0.3, -0.46, legs + 0.14, 0.17, main.rgb, main.shade(0.7))
    head, radii = (0.0, y + 0.26, 0.6), (0.31, 0.33, 0.3)
    b.add(sphere(*radii).at(*head), main.rgb)
    ear = sphere(big, big * 1.1, 0.05, segments=14, rows=8)
    b.add_pair(ear.ry(-24).at(0.28 + big * 0.72, head[1] + 0.04, head[2] - 0.16), main.shade(0.86))
    inner = sphere(big * 0.72, big * 0.8, 0.03, segments=12, rows=6)
    b.add_pair(
        inner.ry(-24).at(0.28 + big * 0.7, head[1] + 0.04, head[2] - 0.1),
        ROSE if rng.random() < 0.5 else main.shade(1.35),
    )
    lift = rng.uniform(0.0, 0.5)
    nose = curve(
        [
            (0, head[1] - 0.02, head[2] + 0.2),
            (0, head[1] - 0.22, head[2] + 0.44),
            (0, head[1] - 0.55 + lift * 0.3, head[2] + 0.52),
            (0, head[1] - 0.62 + lift, head[2] + 0.74),
        ],
        10,
    )
    b.add(tube(nose, np.linspace(0.16, 0.08, 10), 10), main.shade(0.93))
    tusk = curve(
        [
            (0.15, head[1] - 0.18, head[2] + 0.2),
            (0.19, head[1] - 0.34, head[2] + 0.4),
            (0.18, head[1] - 0.3, head[2] + 0.58),
        ],
        5,
    )
    b.add_pair(tube(tusk, np.linspace(0.05, 0.02, 5), 8), (0.97, 0.95, 0.88))
    eyes(b, head, radii, 0.065, azimuth=36, elevation=18)
    b.add(
        tube(curve([(0, y + 0.1, -0.72), (0, y - 0.1, -0.85), (0, y - 0.35, -0.83)], 5), 0.03, 6),
        main.shade(0.8),
    )
    b.say("with white tusks")


@generator("giraffe", "animal", natural=(YELLOW, YELLOW, ORANGE, BEIGE), sizes=())
def giraffe(b: Builder, rng: Rng, main: Paint) -> None:
    spots = paint(rng, (BROWN, BROWN, BROWN, ORANGE, BLACK), unlike=main.color)
    legs, tall, fat = rng.uniform(0.62, 0.75), rng.uniform(0.85, 1.1), rng.uniform(0.2, 0.24)
    y = legs + fat * 0.8
    barrel, top = trunk(0.44, fat, fat, chest=1.1).at(y=y), np.array((0, y + tall, 0.62))
    neck = rod((0, y + 0.02, 0.28), top, (0.19, 0.095), 12)
    b.add(barrel, main.rgb)
    b.add(neck, main.rgb)
    four_legs(b, fat * 0.65, 0.28, -0.3, legs + 0.1, 0.075, main.rgb, spots.shade(0.6))
    patches(b, rng, barrel, spots.rgb, 12, 0.085)
    patches(b, rng, neck, spots.rgb, 12, 0.06)
    head = spindle(
        [
            (-0.14, 0, 0.09, 0.1),
            (0.02, 0, 0.14, 0.14),
            (0.2, -0.02, 0.1, 0.1),
            (0.34, -0.04, 0.09, 0.08),
            (0.4, -0.05, 0.05, 0.05),
        ]
    )
    b.add(head.rx(14).at(*top), main.rgb)
    b.add(
        sphere(0.1, 0.08, 0.08, segments=10, rows=6).at(0, top[1] - 0.13, top[2] + 0.34),
        main.shade(1.5) if main.color != "white" else ROSE,
    )
    b.add_pair(
        rod((0.06, top[1] + 0.08, top[2] - 0.02), (0.08, top[1] + 0.28, top[2] - 0.04), 0.03, 6), main.rgb
    )
    b.add_pair(sphere(0.05, segments=8, rows=6).at(0.08, top[1] + 0.29, top[2] - 0.04), spots.rgb)
    b.add_pair(
        sphere(0.13, 0.06, 0.04, segments=8, rows=6).rz(12).at(0.21, top[1] + 0.08, top[2] - 0.06), main.rgb
    )
    eyes(b, top, (0.14, 0.14, 0.14), 0.06, azimuth=58, elevation=22)
    b.add(rod((0, y + 0.2, 0.06), (0, top[1] + 0.06, top[2] - 0.16), (0.05, 0.04), 6), spots.rgb)
    b.add(tube(curve([(0, y + 0.1, -0.42), (0, y - 0.1, -0.54), (0, y - 0.4, -0.54)], 5), 0.025, 6), main.rgb)
    b.add(sphere(0.05, 0.1, 0.05, segments=8, rows=6).at(0, y - 0.44, -0.54), spots.shade(0.6))
    b.say(f"with {spots.words()} spots")


@generator("lion", "animal", natural=(YELLOW, ORANGE, BEIGE, BEIGE), wild=0.2)
def lion(b: Builder, rng: Rng, main: Paint) -> None:
    mane = paint(rng, (BROWN, BROWN, ORANGE, RED), unlike=main.color)
    fat, legs, big = rng.uniform(0.25, 0.29), rng.uniform(0.36, 0.44), rng.uniform(0.4, 0.48)
    y = legs + fat * 0.75
    b.add(trunk(0.6, fat, fat, chest=1.1).at(y=y), main.rgb)
    four_legs(b, fat * 0.68, 0.38, -0.42, legs + 0.12, 0.11, main.rgb, main.shade(0.8))
    head, radii = (0.0, y + 0.32, 0.66), (0.27, 0.27, 0.24)
    b.add(sphere(big, big, 0.2, segments=14).at(0, head[1], head[2] - 0.12), mane.rgb)
    for k in range(12):
        b.add(cone(0.15, 0.24, 6).at(y=big * 0.82).rz(30 * k).at(0, head[1], head[2] - 0.1), mane.shade(0.9))
    b.add(sphere(*radii).at(*head), main.rgb)
    b.add_pair(
        sphere(0.1, 0.09, 0.1, segments=8, rows=6).at(0.08, head[1] - 0.09, head[2] + 0.2),
        main.shade(1.6) if main.color != "white" else main.shade(0.85),
    )
    b.add(sphere(0.075, 0.05, 0.05, segments=8, rows=6).at(0, head[1] - 0.01, head[2] + 0.27), DARK * 2)
    b.add_pair(sphere(0.1, 0.1, 0.06, segments=10, rows=6).at(0.25, head[1] + 0.24, head[2] + 0.02), main.rgb)
    eyes(b, head, radii, 0.06, azimuth=32, elevation=22)
    b.add(tube(curve([(0, y + 0.1, -0.56), (0, y + 0.05, -0.8), (0, y + 0.4, -0.95)], 6), 0.035, 6), main.rgb)
    b.add(sphere(0.1, 0.13, 0.1, segments=8, rows=6).at(0, y + 0.44, -0.96), mane.rgb)
    b.say(f"with {with_article(mane.words())} mane")


@generator("dinosaur", "animal", natural=(GREEN, GREEN, GREEN, PURPLE, ORANGE, BLUE), sizes=(FAT,))
def dinosaur(b: Builder, rng: Rng, main: Paint) -> None:
    spikes = paint(rng, (YELLOW, ORANGE, RED, PURPLE, LIGHT_BLUE), unlike=main.color)
    belly = main.shade(1.55) if main.color != "white" else main.shade(0.8)
    path = np.array(
        [
            (0, 0.42, -1.25),
            (0, 0.34, -0.8),
            (0, 0.52, -0.4),
            (0, 0.72, -0.02),
            (0, 1.0, 0.22),
            (0, 1.28, 0.32),
        ]
    )
    girth = np.array((0.03, 0.15, 0.27, 0.36, 0.3, 0.17)) * rng.uniform(0.92, 1.1)
    b.add(tube(path, girth, 14), main.rgb)
    b.add(sphere(0.22, 0.38, 0.16).rx(28).at(0, 0.74, 0.25), belly)
    head, radii = (0.0, 1.4, 0.38), (0.23, 0.22, 0.24)
    b.add(sphere(*radii).at(*head), main.rgb)
    long = rng.uniform(0.3, 0.4)
    upper = [(0, 0.0, 0.2, 0.15), (long * 0.6, -0.02, 0.18, 0.12), (long, -0.03, 0.14, 0.08)]
    b.add(spindle(upper, square=0.7).at(0, head[1] + 0.02, head[2] + 0.1), main.rgb)
    b.add(
        spindle(upper, square=0.7).scaled(0.9, 0.5, 0.92).rx(12).at(0, head[1] - 0.18, head[2] + 0.1),
        main.shade(0.85),
    )
    for k in range(4):
        b.add_pair(
            cone(0.028, 0.09, 5).rx(180).at(0.15 - 0.01 * k, head[1] - 0.07, head[2] + 0.2 + k * long * 0.2),
            (0.98, 0.98, 0.94),
        )
    eyes(b, (0, head[1] + 0.06, head[2]), radii, 0.08, azimuth=44, elevation=28)
    b.add_pair(rod((0.24, 1.02, 0.3), (0.26, 0.86, 0.58), (0.07, 0.05), 8), main.shade(0.9))
    b.add_pair(sphere(0.06, segments=8, rows=6).at(0.26, 0.85, 0.6), main.shade(0.9))
    b.add_pair(sphere(0.17, 0.28, 0.24, segments=10).at(0.27, 0.5, -0.04), main.shade(0.9))
    b.add_pair(cylinder(0.11, 0.34, 10).at(0.3, 0.04, 0.0), main.shade(0.9))
    b.add_pair(sphere(0.14, 0.08, 0.24, segments=10, rows=6).at(0.3, 0.06, 0.12), main.shade(0.9))
    for t in np.linspace(0.12, 0.97, 9):
        centre = [np.interp(t * 5, range(6), column) for column in (path[:, 1], path[:, 2], girth)]
        slope = path[min(int(t * 5) + 1, 5)] - path[int(t * 5)]
        out = np.array((0, slope[2], -slope[1])) / np.hypot(slope[1], slope[2])
        size = 0.1 + 0.12 * np.sin(np.pi * t)
        place = (0, centre[0] + out[1] * (centre[2] - 0.03), centre[1] + out[2] * (centre[2] - 0.03))
        b.add(cone(size * 0.6, size * 1.6, 6).scaled(0.5, 1, 1).aligned(out).at(*place), spikes.rgb)
    b.say(f"with {spikes.words()} spikes")


GENERATORS = (cow, sheep, horse, zebra, elephant, giraffe, lion, dinosaur)
