"""Plain solids, which teach form, colour and place."""

from __future__ import annotations

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLUE,
    GOLDEN,
    GREEN,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    UPRIGHT,
    YELLOW,
    Paint,
    generator,
)
from dreamlab.studio.shapes.paths import extrude, heart_outline, star_outline
from dreamlab.studio.shapes.solids import box, cone, frustum, lathe, sphere, torus

PLAIN = (RED, BLUE, GREEN, YELLOW, ORANGE, PURPLE)


@generator("cube", "shape", natural=PLAIN, wild=0.7, holds=True)
def cube(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(box(1, 1, 1, bevel=rng.choice([0.0, 0.05])).ry(rng.uniform(0, 90)), main.rgb)


@generator("sphere", "shape", natural=PLAIN, wild=0.7, holds=True)
def ball(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(sphere(1, segments=20, rows=14), main.rgb)


@generator("cylinder", "shape", natural=PLAIN, sizes=UPRIGHT, wild=0.7, holds=True)
def cylinder(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(frustum(0.5, 0.5, rng.uniform(1.0, 1.3), 22), main.rgb)


@generator("cone", "shape", natural=PLAIN, sizes=UPRIGHT, wild=0.7)
def pointed(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(cone(0.55, rng.uniform(1.1, 1.4), 22), main.rgb)


@generator("pyramid", "shape", natural=(*PLAIN, GOLDEN), sizes=UPRIGHT, wild=0.7)
def pyramid(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(cone(0.8, rng.uniform(0.9, 1.1), 4).ry(45 + rng.uniform(-20, 20)), main.rgb)


@generator("ring", "shape", natural=(*PLAIN, GOLDEN, GOLDEN), wild=0.6)
def ring(b: Builder, rng: Rng, main: Paint) -> None:
    """Stands upright, its hole to +Z."""
    b.add(torus(0.8, rng.uniform(0.13, 0.2), 28, 10).rx(90), main.rgb)


@generator("star", "shape", natural=(YELLOW, YELLOW, GOLDEN, RED, BLUE), wild=0.5)
def star(b: Builder, rng: Rng, main: Paint) -> None:
    outline = star_outline(5, 1, rng.uniform(0.4, 0.5))
    b.add(extrude(outline, rng.uniform(0.3, 0.45), rng.uniform(0.1, 0.4)), main.rgb)


@generator("heart", "shape", natural=(RED, RED, PINK, PURPLE), wild=0.5)
def heart(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(extrude(heart_outline(0.9), rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.4)), main.rgb)


@generator("hemisphere", "shape", natural=PLAIN, wild=0.7)
def hemisphere(b: Builder, rng: Rng, main: Paint) -> None:
    profile = [(1, 0), (0.95, 0.31), (0.81, 0.59), (0.59, 0.81), (0.31, 0.95), (0, 1)]
    b.add(lathe(profile, 20), main.rgb)


GENERATORS = (cube, ball, cylinder, pointed, pyramid, ring, star, heart, hemisphere)
