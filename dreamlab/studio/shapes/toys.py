"""Toys and games: soccer ball, basketball, beach ball, kite, spinning top, rocking horse, chess pawn."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    LIGHT_BLUE,
    LIME,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, TIMBER, eyes, spindle, trunk
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import cone, cylinder, lathe, sphere, torus

_GOLD = (1 + 5**0.5) / 2
_CORNERS = np.array(
    [
        (0, 1, _GOLD),
        (0, -1, _GOLD),
        (0, 1, -_GOLD),
        (0, -1, -_GOLD),
        (1, _GOLD, 0),
        (-1, _GOLD, 0),
        (1, -_GOLD, 0),
        (-1, -_GOLD, 0),
        (_GOLD, 0, 1),
        (_GOLD, 0, -1),
        (-_GOLD, 0, 1),
        (-_GOLD, 0, -1),
    ]
) / np.hypot(1, _GOLD)


@generator("soccer ball", "toy", natural=(WHITE, WHITE, WHITE, YELLOW), wild=0.2)
def soccer_ball(b: Builder, rng: Rng, main: Paint) -> None:
    spots = paint(rng, (BLACK, BLACK, BLACK, BLUE, RED), unlike=main.color)
    b.add(sphere(1, segments=24, rows=16), main.rgb)
    tilt = rng.uniform(0, 70)
    for corner in _CORNERS:
        plate = (
            lathe([(0.37, -0.03), (0.35, 0.02), (0.19, 0.066), (0, 0.078)], 5)
            .aligned(corner)
            .at(*(corner * 0.945))
        )
        b.add(plate.rx(tilt).ry(20), spots.rgb)
    for i, first in enumerate(_CORNERS):
        for second in _CORNERS[i + 1 :]:
            if first @ second > 0.3:
                ends = [(first * (1 - t) + second * t) for t in (0.3, 0.5, 0.7)]
                path = np.array([e / np.linalg.norm(e) * 0.99 for e in ends])
                b.add(tube(path, 0.022, 4).rx(tilt).ry(20), spots.rgb)
    b.say(f"with {spots.words()} patches")


@generator("basketball", "toy", natural=(ORANGE, ORANGE, ORANGE, BROWN), wild=0.2)
def basketball(b: Builder, rng: Rng, main: Paint) -> None:
    line = DARK if main.color != "black" else np.array((0.9, 0.75, 0.3))
    b.add(sphere(1, segments=24, rows=16), main.rgb)
    turn = rng.uniform(-25, 25)
    b.add(torus(1.0, 0.028, 36, 5).rx(turn), line)
    b.add(torus(1.0, 0.028, 36, 5).rx(90).ry(8), line)
    for side in (1, -1):
        bow = [
            np.array((side * (0.52 + 0.28 * np.cos(2 * a)), np.cos(a), np.sin(a)))
            for a in np.linspace(0, 2 * np.pi, 25)
        ]
        b.add(tube(np.array([p / np.linalg.norm(p) for p in bow]), 0.028, 5).rx(turn), line)
    b.say("with black lines" if main.color != "black" else "with yellow lines")


@generator("beach ball", "toy", natural=(RED, BLUE, YELLOW, GREEN, PINK, ORANGE, PURPLE))
def beach_ball(b: Builder, rng: Rng, main: Paint) -> None:
    """Every other panel bears the colour."""
    second = paint(rng, (WHITE, WHITE, WHITE, YELLOW, LIGHT_BLUE), unlike=main.color)
    ball = sphere(1, segments=24, rows=14)
    angle = np.degrees(np.arctan2(ball.centres()[:, 0], ball.centres()[:, 2])) % 360
    panel = (angle % 120 >= 75).astype(int)
    tilt = rng.uniform(15, 50)
    b.add(ball.rx(tilt), np.where(panel[:, None] == 0, main.rgb, second.rgb))
    for end in (1, -1):
        b.add(
            lathe([(0.2, 0.968), (0.19, 1.0), (0, 1.015)], 14).rx(0 if end == 1 else 180).rx(tilt),
            second.rgb if main.color == "white" else (0.97, 0.97, 0.96),
        )
    b.say(f"with {second.words()} stripes")


@generator("kite", "toy", natural=(RED, YELLOW, BLUE, GREEN, PINK, PURPLE, ORANGE))
def kite(b: Builder, rng: Rng, main: Paint) -> None:
    second = paint(rng, (YELLOW, BLUE, WHITE, RED, LIME, ORANGE), unlike=main.color)
    half, up, down = rng.uniform(0.5, 0.6), rng.uniform(0.42, 0.5), rng.uniform(0.8, 0.95)
    quarters = [
        ((0, 0), (half, 0), (0, up)),
        ((0, 0), (0, up), (-half, 0)),
        ((0, 0), (-half, 0), (0, -down)),
        ((0, 0), (0, -down), (half, 0)),
    ]
    upper = rng.random() < 0.5
    for k, quarter in enumerate(quarters):
        b.add(extrude(quarter, 0.05), second.rgb if upper and k < 2 else main.rgb)
    if upper:
        b.say(f"with {with_article(second.words())} top")
    else:
        b.add(extrude(np.array([(half, 0), (0, up), (-half, 0), (0, -down)]) * 0.45, 0.08), second.rgb)
        b.say(f"with {with_article(second.words())} middle")
    b.add(rod((0, -down, 0.03), (0, up, 0.03), 0.022, 6), TIMBER)
    b.add(rod((-half, 0, 0.03), (half, 0, 0.03), 0.022, 6), TIMBER)
    sway = rng.uniform(0.1, 0.25)
    tail = curve(
        [(0, -down, 0), (sway, -down - 0.25, 0.05), (-sway, -down - 0.5, 0), (sway * 0.8, -down - 0.8, 0.05)],
        13,
    )
    b.add(tube(tail, 0.018, 5), (0.9, 0.88, 0.8))
    for k in (3, 6, 9, 12):
        for side in (1, -1):
            bow = cone(0.075, 0.15, 6).rz(90 * side).scaled(1, 1, 0.5)
            b.add(bow.at(tail[k][0] + 0.14 * side, tail[k][1], tail[k][2]), (second if k % 2 else main).rgb)


@generator("spinning top", "toy", natural=(RED, BLUE, GREEN, YELLOW, WOODEN, PURPLE))
def spinning_top(b: Builder, rng: Rng, main: Paint) -> None:
    band = paint(rng, (YELLOW, WHITE, RED, BLUE, LIME), unlike=main.color)
    r, low, high = rng.uniform(0.5, 0.62), rng.uniform(0.5, 0.62), rng.uniform(0.26, 0.36)
    b.add(lathe([(0, 0), (0.05, 0.06), (0.12, 0.12), (r * 0.7, low * 0.68), (r, low)], 20), main.rgb)
    b.add(lathe([(r, 0), (r * 1.02, 0.07), (r, 0.14)], 20).at(y=low), band.rgb)
    b.add(lathe([(r, 0), (r * 0.72, high * 0.5), (0.13, high)], 20).at(y=low + 0.14), main.rgb)
    b.add(
        lathe(
            [
                (r * 0.8, high * 0.36),
                (r * 0.83, high * 0.43),
                (r * 0.56, high * 0.68),
                (r * 0.53, high * 0.64),
            ],
            20,
        ).at(y=low + 0.155),
        band.rgb,
    )
    b.add(cylinder(0.055, 0.36, 10).at(y=low + high + 0.1), TIMBER * 1.4)
    b.add(sphere(0.09, segments=10, rows=6).at(y=low + high + 0.47), band.rgb)
    b.say(f"with {band.words()} bands")


@generator("rocking horse", "toy", natural=(WOODEN, BROWN, WHITE, RED, BLUE, PINK))
def rocking_horse(b: Builder, rng: Rng, main: Paint) -> None:
    mane = paint(rng, (BLACK, BROWN, YELLOW, RED, WHITE), unlike=main.color)
    saddle = paint(rng, (RED, BLUE, GREEN, PURPLE), unlike=main.color)
    y, reach = 0.72, rng.uniform(0.85, 0.98)
    b.add(trunk(0.45, 0.19, 0.2).at(y=y), main.rgb)
    b.add(rod((0, y, 0.3), (0, y + 0.46, 0.5), (0.18, 0.11), 10), main.rgb)
    head = spindle(
        [(-0.13, 0, 0.09, 0.1), (0.02, 0, 0.12, 0.13), (0.22, 0, 0.09, 0.09), (0.3, 0, 0.05, 0.06)], 10
    )
    b.add(head.rx(26).at(0, y + 0.5, 0.5), main.rgb)
    eyes(b, (0, y + 0.52, 0.54), (0.12, 0.12, 0.12), 0.055, azimuth=60, elevation=20)
    b.add_pair(cone(0.05, 0.15, 6).at(0.07, y + 0.58, 0.44), main.rgb)
    for t in np.linspace(0, 1, 5):
        b.add(
            sphere(0.045, 0.1, 0.1, segments=8, rows=6).rx(-30).at(0, y + 0.62 - 0.45 * t, 0.4 - 0.2 * t),
            mane.rgb,
        )
    b.add(
        tube(
            curve([(0, y + 0.1, -0.4), (0, y + 0.06, -0.6), (0, y - 0.32, -0.66)], 6),
            (0.05, 0.08, 0.09, 0.09, 0.07, 0.03),
            8,
        ),
        mane.rgb,
    )
    b.add(sphere(0.21, 0.1, 0.2, segments=12, rows=6).at(0, y + 0.16, -0.04), saddle.rgb)
    for z, foot in ((0.28, 0.5), (-0.28, -0.5)):
        b.add_pair(rod((0.12, y - 0.06, z), (0.24, 0.14, foot), (0.08, 0.05), 8), main.rgb)
    rocker = [(0.26, 0.02 + 0.34 * (z / reach) ** 2, z) for z in np.linspace(-reach, reach, 11)]
    runner = saddle.rgb if rng.random() < 0.6 else TIMBER
    b.add_pair(tube(np.array(rocker), 0.055, 6), runner)
    for z in (-0.5, 0.5):
        b.add(rod((-0.26, 0.13, z), (0.26, 0.13, z), 0.04, 6), runner)
    b.say(f"with {with_article(saddle.words())} saddle")


@generator("chess pawn", "toy", natural=(BLACK, WHITE, WOODEN, BEIGE, BROWN, RED))
def chess_pawn(b: Builder, rng: Rng, main: Paint) -> None:
    tall, r = rng.uniform(0.85, 1.05), rng.uniform(0.36, 0.42)
    base = [
        (r, 0),
        (r, 0.12),
        (r * 0.86, 0.2),
        (r * 0.9, 0.26),
        (r * 0.62, 0.36),
        (r * 0.38, tall * 0.68),
        (r * 0.34, tall),
    ]
    b.add(lathe(base, 18), main.rgb)
    b.add(lathe([(r * 0.4, 0), (r * 0.68, 0.06), (r * 0.4, 0.12)], 18).at(y=tall - 0.02), main.shade(0.88))
    b.add(sphere(r * 0.62, segments=16, rows=10).at(y=tall + r * 0.58), main.rgb)
    b.add(
        lathe([(r * 1.03, 0.0), (r * 1.03, 0.05)], 18),
        main.shade(0.6) if main.color != "black" else main.shade(1.2),
    )


GENERATORS = (soccer_ball, basketball, beach_ball, kite, spinning_top, rocking_horse, chess_pawn)
