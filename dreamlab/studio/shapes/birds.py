"""Birds: duck, chicken, penguin, owl, parrot and the small bird."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
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
    RED,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, eyes, spindle, triangle_ear
from dreamlab.studio.shapes.paths import blade, rod, tube
from dreamlab.studio.shapes.solids import cone, sphere, torus


@generator("duck", "animal", natural=(YELLOW, YELLOW, WHITE, BROWN), sizes=(FAT,))
def duck(b: Builder, rng: Rng, main: Paint) -> None:
    beak = paint(rng, (ORANGE, ORANGE, RED, YELLOW), unlike=main.color)
    width, length, neck = rng.uniform(0.38, 0.48), rng.uniform(0.58, 0.7), rng.uniform(0.0, 0.18)
    b.add(
        spindle(
            [
                (-length, 0.62, 0.04, 0.02),
                (-length * 0.8, 0.52, width * 0.5, 0.13),
                (-0.25, 0.42, width, 0.32),
                (0.15, 0.4, width, 0.36),
                (0.42, 0.44, width * 0.72, 0.28),
                (0.55, 0.5, 0.1, 0.1),
            ],
            14,
        ),
        main.rgb,
    )
    head_at, head = (0.0, 1.02 + neck, 0.34), rng.uniform(0.26, 0.31)
    head_paint = main
    if rng.random() < 0.2:
        head_paint = paint(rng, (GREEN, BROWN, BLACK), unlike=main.color)
        b.say(f"with {with_article(head_paint.words())} head")
    b.add(
        tube([(0, 0.5, 0.3), (0, 0.75, 0.35), (0, head_at[1] - 0.05, 0.34)], (0.26, 0.19, 0.17), 12), main.rgb
    )
    b.add(sphere(head).at(*head_at), head_paint.rgb)
    eyes(b, head_at, (head,) * 3, 0.085, azimuth=42, elevation=22)
    beak_at = (0, head_at[1] - 0.06, head_at[2] + head * 0.95)
    b.add(sphere(0.15, 0.06, 0.2, segments=10, rows=6).at(*beak_at), beak.rgb)
    b.add(
        sphere(0.12, 0.035, 0.16, segments=10, rows=6).at(beak_at[0], beak_at[1] - 0.06, beak_at[2] - 0.03),
        beak.rgb * 0.85,
    )
    b.add_pair(sphere(0.08, 0.2, 0.36, segments=10).rx(12).at(width * 0.95, 0.48, -0.14), main.shade(0.86))
    b.add_pair(rod((0.18, 0.14, 0), (0.18, 0.0, 0.02), 0.05), beak.rgb)
    b.add_pair(sphere(0.13, 0.035, 0.19, segments=8, rows=4).at(0.18, 0, 0.1), beak.rgb)
    b.say(f"with {with_article(beak.words())} beak")


def _toes(b: Builder, x: float, z: float, rgb: np.ndarray) -> None:
    """Two feet of three toes each, flat on y = 0."""
    for turn in (-32, 0, 32):
        b.add_pair(rod((0, 0, 0), (0, 0, 0.17), (0.032, 0.02), 6).ry(turn).at(x, 0.02, z), rgb)


@generator("chicken", "animal", natural=(WHITE, WHITE, BROWN, BLACK, BEIGE), sizes=(FAT,))
def chicken(b: Builder, rng: Rng, main: Paint) -> None:
    comb = paint(rng, (RED, RED, RED, PINK), unlike=main.color)
    fat, y = rng.uniform(0.33, 0.4), 0.62
    b.add(
        spindle(
            [
                (-0.62, 1.02, 0.05, 0.09),
                (-0.5, 0.9, 0.15, 0.2),
                (-0.3, 0.7, fat * 0.8, 0.3),
                (0, y, fat, 0.36),
                (0.25, 0.68, fat * 0.85, 0.33),
                (0.42, 0.8, fat * 0.4, 0.16),
            ],
            14,
        ),
        main.rgb,
    )
    for turn, size in ((0, 0.42), (22, 0.36)):
        feather = (
            sphere(0.06, size, 0.1, segments=8, rows=6).at(y=size * 0.7).rx(-42).rz(-turn).at(0, 0.82, -0.42)
        )
        b.add(feather, main.shade(0.75)) if turn == 0 else b.add_pair(feather, main.shade(0.85))
    head = (0.0, 1.26, 0.34)
    b.add(tube([(0, 0.7, 0.18), (0, 0.95, 0.3), head], (0.28, 0.2, 0.15), 12), main.rgb)
    b.add(sphere(0.2).at(*head), main.rgb)
    for z, size in ((-0.12, 0.09), (0.0, 0.12), (0.12, 0.1)):
        b.add(sphere(0.045, size, 0.075, segments=8, rows=6).at(0, head[1] + 0.2, head[2] + z), comb.rgb)
    b.add(cone(0.085, 0.22, 8).rx(90).at(0, head[1] - 0.01, head[2] + 0.16), (0.98, 0.7, 0.12))
    b.add_pair(sphere(0.05, 0.1, 0.05, segments=8, rows=6).at(0.045, head[1] - 0.16, head[2] + 0.2), comb.rgb)
    eyes(b, head, (0.2,) * 3, 0.06, azimuth=48, elevation=18)
    b.add_pair(
        sphere(0.08, 0.2, 0.3, segments=10, rows=6).rx(18).at(fat * 0.95, 0.66, -0.06), main.shade(0.82)
    )
    b.add_pair(rod((0.15, 0.36, 0), (0.15, 0.02, 0.04), 0.035, 6), (0.98, 0.7, 0.12))
    _toes(b, 0.15, 0.02, np.array((0.98, 0.7, 0.12)))
    b.say(f"with {with_article(comb.words())} comb")


@generator("penguin", "animal", natural=(BLACK, BLACK, BLACK, DARK_BLUE, GREY, BLUE), sizes=(FAT,))
def penguin(b: Builder, rng: Rng, main: Paint) -> None:
    beak = paint(rng, (ORANGE, ORANGE, YELLOW), unlike=main.color)
    front = np.array((0.97, 0.97, 0.95)) if main.color != "white" else np.array((0.7, 0.72, 0.76))
    fat = rng.uniform(0.38, 0.46)
    b.add(sphere(fat, 0.6, fat * 0.92, segments=16, rows=10).at(y=0.64), main.rgb)
    b.add(sphere(fat * 0.76, 0.5, 0.22, segments=14).at(0, 0.6, fat * 0.76), front)
    head, radii = (0.0, 1.3, 0.04), (0.32, 0.29, 0.3)
    b.add(sphere(*radii, segments=14).at(*head), main.rgb)
    b.add_pair(sphere(0.15, 0.17, 0.08, segments=10).ry(24).at(0.12, head[1] + 0.0, head[2] + 0.24), front)
    eyes(b, head, radii, 0.075, azimuth=28, elevation=14, white=front)
    b.add(cone(0.1, 0.26, 8).scaled(1.1, 1, 0.7).rx(94).at(0, head[1] - 0.06, head[2] + 0.26), beak.rgb)
    lift = rng.uniform(10, 40)
    b.add_pair(
        sphere(0.07, 0.36, 0.16, segments=10).at(y=-0.3).rz(lift).at(fat * 0.84, 0.92, 0), main.shade(0.85)
    )
    b.add_pair(sphere(0.16, 0.05, 0.24, segments=10, rows=6).at(0.19, 0.05, 0.2), beak.rgb)
    b.add(cone(0.16, 0.28, 8).scaled(1, 1, 0.4).rx(-120).at(0, 0.22, -0.3), main.rgb)
    b.say(f"with {with_article(beak.words())} beak")
    if rng.random() < 0.3:
        scarf = paint(rng, (RED, BLUE, GREEN, YELLOW), unlike=main.color)
        b.add(torus(0.27, 0.085, 16, 6).at(y=1.07), scarf.rgb)
        b.add(sphere(0.09, 0.22, 0.05, segments=8, rows=6).rx(-8).at(0.14, 0.88, 0.4), scarf.rgb)
        b.say(f"with {with_article(scarf.words())} scarf")


@generator("owl", "animal", natural=(BROWN, BROWN, BEIGE, GREY, WHITE), sizes=(FAT,))
def owl(b: Builder, rng: Rng, main: Paint) -> None:
    belly = paint(rng, (BEIGE, BEIGE, WHITE), unlike=main.color)
    iris = paint(rng, (YELLOW, ORANGE, YELLOW), unlike=main.color)
    fat = rng.uniform(0.4, 0.46)
    b.add(sphere(fat, 0.56, fat * 0.9, segments=14).at(y=0.6), main.rgb)
    b.add(sphere(fat * 0.7, 0.42, 0.2, segments=12).at(0, 0.52, fat * 0.76), belly.rgb)
    head, radii = (0.0, 1.14, 0.04), (0.44, 0.34, 0.36)
    b.add(sphere(*radii, segments=14).at(*head), main.rgb)
    b.add_pair(triangle_ear(0.2, 0.32, 0.1).rz(-22).at(0.27, head[1] + 0.2, head[2] + 0.02), main.shade(0.8))
    for size, depth, rgb in ((0.2, 0.0, belly.rgb), (0.15, 0.05, iris.rgb), (0.085, 0.1, DARK)):
        b.add_pair(
            sphere(size, size, 0.07, segments=14, rows=6)
            .ry(18)
            .at(0.18, head[1] + 0.03, head[2] + 0.3 + depth),
            rgb,
        )
    b.add(
        cone(0.075, 0.2, 8).scaled(1, 1, 0.8).rx(140).at(0, head[1] - 0.02, head[2] + 0.36),
        (0.98, 0.68, 0.12),
    )
    b.add_pair(sphere(0.09, 0.4, 0.24, segments=10).rz(8).at(fat * 0.95, 0.62, -0.04), main.shade(0.72))
    for x in (0.1, 0.18, 0.26):
        b.add_pair(sphere(0.045, 0.04, 0.1, segments=8, rows=4).at(x, 0.05, 0.3), (0.98, 0.68, 0.12))
    b.add(blade(0.4, 0.34, 0.08).rx(-155).at(0, 0.42, -0.28), main.shade(0.72))
    b.say(f"with {iris.words()} eyes")


def _song_bird(
    b: Builder, rng: Rng, main: Paint, chest: np.ndarray, wing: np.ndarray
) -> tuple[float, float, float]:
    """Round body, spread or folded wings, long tail; returns where the head is."""
    fat = rng.uniform(0.3, 0.36)
    b.add(sphere(fat, fat, 0.48, segments=12).rx(-24).at(0, 0.62, 0), main.rgb)
    b.add(sphere(fat * 0.82, fat * 0.82, 0.34, segments=12).at(0, 0.55, 0.16), chest)
    head = (0.0, 1.02, 0.28)
    b.add(sphere(0.27).at(*head), main.rgb)
    if rng.random() < 0.5:
        span = blade(0.95, 0.56, 0.06, bend=-0.12).rx(-90).ry(90).at(0.16, 0.72, 0.0)
        b.add_pair(span.rz(18), wing)
    else:
        b.add_pair(sphere(0.08, 0.2, 0.42, segments=10).rx(-26).at(fat * 0.95, 0.64, -0.1), wing)
    for turn in (-12, 0, 12):
        b.add(blade(0.62, 0.22, 0.05, widest=0.7).rx(-112).ry(turn).at(0, 0.5, -0.32), wing)
    b.add_pair(rod((0.11, 0.36, 0.02), (0.11, 0.02, 0.08), 0.03, 6), (0.95, 0.6, 0.15))
    _toes(b, 0.11, 0.06, np.array((0.95, 0.6, 0.15)))
    return head


@generator("bird", "animal", natural=(BLUE, RED, YELLOW, LIGHT_BLUE, BROWN), sizes=(FAT,))
def bird(b: Builder, rng: Rng, main: Paint) -> None:
    chest = paint(rng, (WHITE, WHITE, ORANGE, YELLOW, BEIGE), unlike=main.color)
    head = _song_bird(b, rng, main, chest.rgb, main.shade(0.75))
    b.add(cone(0.09, 0.26, 8).rx(92).at(0, head[1] - 0.03, head[2] + 0.22), (0.98, 0.68, 0.12))
    eyes(b, head, (0.27,) * 3, 0.075, azimuth=44, elevation=16)
    b.say(f"with {with_article(chest.words())} belly")


@generator("parrot", "animal", natural=(RED, GREEN, BLUE, YELLOW, LIME))
def parrot(b: Builder, rng: Rng, main: Paint) -> None:
    wing = paint(rng, (BLUE, YELLOW, GREEN, RED, LIGHT_BLUE), unlike=main.color)
    tall = rng.uniform(0.5, 0.6)
    b.add(sphere(0.3, tall, 0.3, segments=14).rx(-12).at(0, 0.78, 0), main.rgb)
    head = (0.0, 0.82 + tall, 0.14)
    b.add(sphere(0.28).at(*head), main.rgb)
    b.add_pair(
        sphere(0.13, 0.15, 0.08, segments=10, rows=6).ry(40).at(0.16, head[1] + 0.0, head[2] + 0.17),
        (0.97, 0.97, 0.95),
    )
    eyes(b, head, (0.29,) * 3, 0.06, azimuth=44, elevation=10)
    beak = np.array((0.16, 0.15, 0.16)) if main.color != "black" else np.array((0.95, 0.7, 0.2))
    hook = [
        (0, head[1] + 0.06, head[2] + 0.2),
        (0, head[1] + 0.04, head[2] + 0.38),
        (0, head[1] - 0.1, head[2] + 0.44),
        (0, head[1] - 0.2, head[2] + 0.4),
    ]
    b.add(tube(hook, (0.12, 0.11, 0.07, 0.015), 10), beak)
    b.add(sphere(0.08, 0.06, 0.1, segments=8, rows=6).at(0, head[1] - 0.12, head[2] + 0.24), beak)
    b.add_pair(sphere(0.08, 0.46, 0.2, segments=10).rx(14).rz(6).at(0.28, 0.76, -0.1), wing.rgb)
    for turn in (-9, 0, 9):
        b.add(
            blade(0.95, 0.18, 0.06, widest=0.5).rz(turn).rx(-158).at(0, 0.46, -0.2),
            wing.rgb if turn else main.rgb * 0.85,
        )
    for z in (-0.4, 0.4, 0.5):
        b.add(blade(0.24, 0.1, 0.05).rx(-30 + 70 * z).at(0, head[1] + 0.22, head[2] - 0.06), wing.rgb)
    for x in (0.08, 0.16):
        b.add_pair(sphere(0.04, 0.05, 0.1, segments=8, rows=4).at(x, 0.22, 0.18), (0.6, 0.58, 0.56))
    b.add(rod((-0.55, 0.16, 0.12), (0.55, 0.16, 0.12), 0.055, 8), (0.43, 0.27, 0.14))
    b.say(f"with {wing.words()} wings")


GENERATORS = (duck, chicken, penguin, owl, bird, parrot)
