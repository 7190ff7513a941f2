"""Arms: sword, shield, bow and arrow. Upright, their flat side facing +Z."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    METAL,
    PURPLE,
    RED,
    SILVER,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, STEEL, TIMBER
from dreamlab.studio.shapes.paths import curve, extrude, rod, star_outline, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, lathe, sphere


@generator("sword", "tool", natural=(METAL, METAL, SILVER, GOLDEN))
def sword(b: Builder, rng: Rng, main: Paint) -> None:
    grip = paint(rng, (BROWN, RED, BLUE, GREEN), unlike=main.color)
    fitting = paint(rng, (GOLDEN, GOLDEN, SILVER, BROWN), unlike=main.color)
    length, width, guard = rng.uniform(1.3, 1.6), rng.uniform(0.22, 0.3), rng.uniform(0.6, 0.8)
    tip = rng.uniform(0.16, 0.3)
    w = width / 2
    b.add(
        extrude(
            [(-w, 0), (w, 0), (w * 0.85, length - tip), (0, length), (-w * 0.85, length - tip)],
            0.12,
            bevel=0.0,
        ),
        main.rgb,
    )
    b.add(box(w * 0.4, length * 0.75, 0.14).at(y=0.02), main.shade(0.7))
    b.add(box(guard, 0.12, 0.2, bevel=0.03).at(y=-0.08), fitting.rgb)
    b.add_pair(sphere(0.09, segments=8, rows=6).at(guard / 2, -0.02, 0), fitting.rgb)
    b.add(lathe([(0.075, 0), (0.095, 0.2), (0.075, 0.42)], 10).at(y=-0.48), grip.rgb)
    for y in (-0.4, -0.28, -0.16):
        b.add(cylinder(0.1, 0.03, 10).at(y=y), grip.shade(0.6))
    b.add(sphere(0.12, segments=10, rows=6).at(y=-0.54), fitting.rgb)
    b.say(f"with {with_article(grip.words())} grip")


@generator("shield", "tool", natural=(RED, BLUE, GREEN, METAL, WOODEN, GOLDEN, PURPLE))
def shield(b: Builder, rng: Rng, main: Paint) -> None:
    rim = paint(rng, (GOLDEN, SILVER, BROWN, WHITE, BLACK), unlike=main.color)
    mark = paint(rng, (GOLDEN, WHITE, RED, BLUE), unlike=main.color)
    if rng.random() < 0.65:
        wide, tall = rng.uniform(0.62, 0.72), rng.uniform(0.95, 1.1)
        edge = curve(
            [
                (0, tall * 0.52),
                (wide, tall * 0.6),
                (wide, 0.1),
                (wide * 0.72, -tall * 0.36),
                (0, -tall * 0.78),
            ],
            15,
        )
        outline = np.concatenate([edge, (edge * (-1, 1))[-2:0:-1]])
        b.add(extrude(outline, 0.14), rim.rgb)
        b.add(extrude(outline * 0.95, 0.06).at(z=-0.06), main.shade(0.75))
        b.add(extrude(outline * 0.9, 0.22, bevel=0.1), main.rgb)
    else:
        b.add(lathe([(0.92, 0), (0.92, 0.1), (0.84, 0.13)], 24).rx(90), rim.rgb)
        b.add(cylinder(0.88, 0.06, 24).rx(90).at(z=-0.04), main.shade(0.75))
        b.add(lathe([(0.83, 0.08), (0.55, 0.2), (0, 0.25)], 24).rx(90), main.rgb)
        b.add(sphere(0.17, 0.17, 0.12, segments=12).at(z=0.24), rim.rgb)
        for k in range(8):
            b.add(sphere(0.055, segments=6, rows=4).at(0, 0.86, 0.12).rz(45 * k), rim.shade(0.7))
    b.say(f"with {with_article(rim.words())} rim")
    emblem = rng.integers(3)
    if emblem == 0:
        b.add(box(0.16, 1.0, 0.06).at(0, -0.5, 0.13), mark.rgb)
        b.add(box(0.8, 0.16, 0.06).at(0, 0.06, 0.13), mark.rgb)
        b.say(f"with {with_article(mark.words())} cross")
    elif emblem == 1:
        b.add(extrude(star_outline(5, 0.4, 0.17), 0.1).at(0, 0.04, 0.17), mark.rgb)
        b.say(f"with {with_article(mark.words())} star")
    b.add(box(0.5, 0.08, 0.06).at(0, 0, -0.12), DARK * 3)


@generator("bow and arrow", "tool", natural=(WOODEN, WOODEN, BROWN, RED, GREEN, GOLDEN))
def bow_and_arrow(b: Builder, rng: Rng, main: Paint) -> None:
    """The arrow lies on the string and points to +X; seen flat from the front."""
    fletching = paint(rng, (RED, WHITE, BLUE, YELLOW, GREEN), unlike=main.color)
    belly, draw = rng.uniform(0.42, 0.52), rng.uniform(0.15, 0.35)
    stave = curve(
        [
            (0.02, 1.0, 0),
            (0.12, 0.88, 0),
            (belly * 0.85, 0.5, 0),
            (belly, 0, 0),
            (belly * 0.85, -0.5, 0),
            (0.12, -0.88, 0),
            (0.02, -1.0, 0),
        ],
        17,
    )
    b.add(tube(stave, 0.035 + 0.035 * np.sin(np.linspace(0, np.pi, 17)), 8), main.rgb)
    b.add(rod((belly * 0.985, -0.16, 0), (belly * 0.985, 0.16, 0), 0.085, 8), main.shade(0.55))
    for end in (0.9, -0.9):
        b.add(rod((0.1, end, 0), (-draw, 0, 0), 0.018, 5), (0.93, 0.92, 0.88))
    b.add(rod((-draw, 0, 0), (belly + 0.42, 0, 0), 0.03, 6), TIMBER * 1.7)
    b.add(cone(0.075, 0.2, 8).rz(-90).at(belly + 0.4, 0, 0), STEEL)
    for turn in (0, 90, 180, 270):
        feather = extrude(
            [(-draw, 0.01), (-draw - 0.05, 0.11), (-draw + 0.17, 0.11), (-draw + 0.24, 0.01)], 0.02
        )
        b.add(feather.rx(turn + 45), fletching.rgb)
    b.say(f"with {fletching.words()} feathers")


GENERATORS = (sword, shield, bow_and_arrow)
