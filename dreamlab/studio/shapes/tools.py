"""Tools, mostly upright with their flat side facing +Z."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
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
from dreamlab.studio.shapes.parts import PANE, STEEL, TIMBER
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, lathe, sphere, torus


def _handle(b: Builder, rng: Rng, main: Paint, length: float, radius: float, bottom: float) -> Paint:
    """A round handle that stands on `bottom`; wooden unless the caption says otherwise."""
    grip = paint(rng, (WOODEN, WOODEN, RED, BLUE, BLACK), unlike=main.color)
    b.add(
        lathe(
            [
                (radius, 0),
                (radius * 1.15, length * 0.12),
                (radius * 0.85, length * 0.4),
                (radius * 0.9, length),
            ],
            10,
        ).at(y=bottom),
        grip.rgb,
    )
    b.say(f"with {with_article(grip.words())} handle")
    return grip


@generator("axe", "tool", natural=(METAL, METAL, SILVER, GREY, RED))
def axe(b: Builder, rng: Rng, main: Paint) -> None:
    """The head bears the colour."""
    _handle(b, rng, main, 1.6, 0.085, 0)
    reach, wide = rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.52)
    head = [
        (0.1, 1.24),
        (reach * 0.6, 1.14),
        (reach * 0.95, 1.34 - wide),
        (reach * 1.08, 1.34),
        (reach * 0.95, 1.34 + wide),
        (reach * 0.6, 1.52),
        (0.1, 1.44),
    ]
    sides = (1, -1) if rng.random() < 0.3 else (1,)
    for side in sides:
        b.add(extrude(np.array(head) * (side, 1), 0.12), main.rgb)
        edge = [
            (reach * 0.95, 1.34 - wide),
            (reach * 1.16, 1.34),
            (reach * 0.95, 1.34 + wide),
            (reach * 1.0, 1.34),
        ]
        b.add(
            extrude(np.array(edge) * (side, 1), 0.08),
            main.shade(1.5) if main.color != "white" else main.shade(0.8),
        )
    b.add(box(0.3, 0.26, 0.24, bevel=0.03).at(y=1.21), main.shade(0.8))
    if len(sides) == 2:
        b.say("with two blades")


@generator("hammer", "tool", natural=(METAL, METAL, GREY, BLACK, RED))
def hammer(b: Builder, rng: Rng, main: Paint) -> None:
    """The head bears the colour."""
    _handle(b, rng, main, 1.25, 0.09, 0)
    b.add(box(0.28, 0.28, 0.28, bevel=0.03).at(y=1.14), main.shade(0.85))
    b.add(cylinder(0.13, 0.2, 12).rz(-90).at(0.1, 1.28, 0), main.rgb)
    b.add(lathe([(0.17, 0), (0.19, 0.04), (0.19, 0.16), (0.17, 0.2)], 14).rz(-90).at(0.28, 1.28, 0), main.rgb)
    if rng.random() < 0.6:
        claw = curve([(-0.1, 1.3, 0), (-0.34, 1.3, 0), (-0.52, 1.2, 0), (-0.6, 1.04, 0)], 7)
        for z in (0.07, -0.07):
            b.add(tube(claw + np.array((0, 0, z)), (0.11, 0.1, 0.085, 0.075, 0.06, 0.045, 0.02), 6), main.rgb)
    else:
        b.add(extrude([(-0.1, 1.14), (-0.5, 1.26), (-0.5, 1.3), (-0.1, 1.42)], 0.24), main.rgb)


@generator("pickaxe", "tool", natural=(METAL, GREY, METAL, BLACK, GOLDEN))
def pickaxe(b: Builder, rng: Rng, main: Paint) -> None:
    """The head bears the colour."""
    _handle(b, rng, main, 1.5, 0.085, 0)
    reach, drop = rng.uniform(0.72, 0.85), rng.uniform(0.28, 0.4)
    arm = curve(
        [
            (0.04, 1.42, 0),
            (reach * 0.45, 1.4, 0),
            (reach * 0.8, 1.42 - drop * 0.5, 0),
            (reach, 1.42 - drop, 0),
        ],
        8,
    )
    b.add_pair(tube(arm, np.linspace(0.12, 0.02, 8), 8), main.rgb)
    b.add(box(0.26, 0.28, 0.26, bevel=0.03).at(y=1.28), main.shade(0.8))


@generator("shovel", "tool", natural=(METAL, GREY, RED, BLUE, GREEN))
def shovel(b: Builder, rng: Rng, main: Paint) -> None:
    """The blade, at the bottom, bears the colour."""
    grip = paint(rng, (WOODEN, WOODEN, YELLOW, BLACK), unlike=main.color)
    wide, tall = rng.uniform(0.3, 0.36), rng.uniform(0.6, 0.72)
    blade = [
        (-wide, tall),
        (-wide, tall * 0.4),
        (-wide * 0.7, tall * 0.14),
        (0, 0),
        (wide * 0.7, tall * 0.14),
        (wide, tall * 0.4),
        (wide, tall),
    ]
    b.add(extrude(blade, 0.06).rx(6), main.rgb)
    b.add(rod((0, tall * 0.35, 0.05), (0, tall + 0.25, 0.05), (0.05, 0.085), 8), main.shade(0.8))
    b.add_pair(box(wide * 0.9, 0.06, 0.12).at(wide * 0.55, tall - 0.02, 0.06), main.shade(0.75))
    top = tall + 1.1
    b.add(rod((0, tall + 0.1, 0.05), (0, top, 0.05), 0.055, 8), grip.rgb)
    b.add_pair(rod((0, top - 0.02, 0.05), (0.17, top + 0.2, 0.05), 0.045, 8), grip.shade(0.8))
    b.add(rod((-0.2, top + 0.2, 0.05), (0.2, top + 0.2, 0.05), 0.06, 8), grip.rgb)
    b.say(f"with {with_article(grip.words())} handle")


@generator("screwdriver", "tool", natural=(RED, YELLOW, BLUE, GREEN, ORANGE, BLACK))
def screwdriver(b: Builder, rng: Rng, main: Paint) -> None:
    """Tip downwards; the handle bears the colour."""
    long, r = rng.uniform(0.75, 0.95), rng.uniform(0.19, 0.23)
    b.add(cylinder(0.06, long, 10).at(y=0.12), STEEL * 1.2)
    b.add(box(0.2, 0.22, 0.045, taper=(0.6, 2.4)), STEEL * 1.2)
    b.add(
        lathe(
            [(0.08, 0), (r * 0.6, 0.06), (r * 0.62, 0.16), (r, 0.3), (r, 0.66), (r * 0.75, 0.8), (0, 0.84)],
            12,
        ).at(y=long),
        main.rgb,
    )
    for k in range(6):
        b.add(
            box(0.075, 0.36, 0.05, bevel=0.015).at(0, long + 0.28, r).ry(60 * k),
            main.shade(0.6) if main.color != "black" else STEEL,
        )
    b.add(torus(r * 0.62, 0.03, 14, 6).at(y=long + 0.12), main.shade(0.6))


@generator("saw", "tool", natural=(METAL, METAL, SILVER, GREY))
def saw(b: Builder, rng: Rng, main: Paint) -> None:
    """Lies along X; the blade bears the colour."""
    grip = paint(rng, (WOODEN, WOODEN, RED, ORANGE, BLUE, YELLOW), unlike=main.color)
    long, tall, teeth = rng.uniform(1.45, 1.6), rng.uniform(0.44, 0.52), int(rng.integers(12, 17))
    step = long / teeth
    bottom = [p for k in range(teeth) for p in ((-0.02 + k * step, 0.0), (-0.02 + (k + 0.5) * step, -0.085))]
    b.add(extrude([*bottom, (long, 0.0), (long, tall * 0.5), (0, tall)], 0.045), main.rgb)
    outline = curve(
        [
            (0.12, tall),
            (-0.12, tall * 1.2),
            (-0.38, tall * 1.3),
            (-0.52, tall * 0.9),
            (-0.42, 0.15),
            (-0.5, -0.12),
            (-0.3, -0.2),
            (0.1, 0.02),
        ],
        19,
    )
    b.add(tube(np.c_[outline, np.zeros(19)], 0.065, 8), grip.rgb)
    b.add(rod((0.1, 0.02, 0), (0.12, tall, 0), 0.065, 8), grip.rgb)
    for y in (0.12, tall - 0.1):
        b.add(cylinder(0.04, 0.19, 8).rx(90).at(0.11, y, -0.095), (0.9, 0.75, 0.3))
    b.say(f"with {with_article(grip.words())} handle")


@generator("wrench", "tool", natural=(METAL, METAL, SILVER, GREY, RED, BLUE))
def wrench(b: Builder, rng: Rng, main: Paint) -> None:
    r, jaw = rng.uniform(0.3, 0.36), rng.uniform(0.15, 0.19)
    open_end = [(r * np.sin(a), r * np.cos(a)) for a in np.linspace(0.62, 2 * np.pi - 0.62, 17)]
    notch = [(-jaw, 0.02), (-jaw * 0.5, -0.12), (jaw * 0.5, -0.12), (jaw, 0.02)]
    head = extrude(open_end + notch, 0.16)
    b.add(head.rz(-15).at(y=1.3), main.rgb)
    b.add(box(0.2, 1.1, 0.12, bevel=0.03).at(y=0.02), main.rgb)
    b.add(box(0.09, 0.7, 0.14).at(y=0.2), main.shade(0.7))
    b.add(torus(0.19, 0.09, 18, 8).rx(90).at(y=-0.12), main.rgb)


@generator("anvil", "tool", natural=(GREY, GREY, BLACK, METAL), holds=True)
def anvil(b: Builder, rng: Rng, main: Paint) -> None:
    """The horn points to +X."""
    tall, wide = rng.uniform(0.6, 0.72), rng.uniform(0.34, 0.42)
    b.add(box(0.95, 0.16, wide * 1.5, taper=(0.86, 0.86), bevel=0.02), main.rgb)
    b.add(box(0.72, tall * 0.42, wide * 1.1, taper=(0.6, 0.72)).at(y=0.15), main.shade(0.85))
    b.add(box(0.44, tall * 0.3, wide * 0.82, taper=(1.9, 1.15)).at(y=0.12 + tall * 0.4), main.shade(0.9))
    b.add(box(1.0, 0.24, wide, bevel=0.02).at(-0.1, tall * 0.82, 0), main.rgb)
    b.add(
        cone(wide * 0.48, rng.uniform(0.55, 0.7), 12)
        .rz(-90)
        .scaled(1, 0.6, 1)
        .at(0.38, tall * 0.82 + 0.12, 0),
        main.rgb,
    )
    b.add(box(0.98, 0.02, wide * 0.96).at(-0.1, tall * 0.82 + 0.235, 0), main.shade(1.3))
    if rng.random() < 0.4:
        b.add(box(1.0, 0.42, wide * 1.7, bevel=0.04).at(y=-0.4), TIMBER * 1.25)
        b.say("on a wooden block")


@generator("telescope", "tool", natural=(GOLDEN, BROWN, BLACK, WHITE, BLUE, RED))
def telescope(b: Builder, rng: Rng, main: Paint) -> None:
    """On three legs; looks up and to the front."""
    trim = paint(rng, (GOLDEN, SILVER, BLACK, WHITE), unlike=main.color)
    tilt, r = rng.uniform(28, 42), rng.uniform(0.17, 0.21)
    y, long = 0.95, rng.uniform(0.75, 0.9)
    parts = [
        (lathe([(r, -0.3), (r, long)], 14), main.rgb),
        (lathe([(r * 1.18, 0), (r * 1.18, 0.14)], 14).at(y=long - 0.06), trim.rgb),
        (cylinder(r * 0.95, 0.02, 14).at(y=long + 0.075), PANE),
        (cylinder(r * 0.72, 0.35, 12).at(y=-0.62), main.shade(0.85)),
        (cylinder(r * 0.8, 0.07, 12).at(y=-0.66), trim.rgb),
        (cylinder(r * 0.5, 0.2, 10).at(y=-0.84), trim.shade(0.8)),
        (cylinder(r * 1.08, 0.08, 14).at(y=-0.3), trim.rgb),
    ]
    for solid, rgb in parts:
        b.add(solid.rx(90 - tilt).at(y=y), rgb)
    b.add(sphere(0.12, segments=10, rows=6).at(0, y - 0.2, -0.04), trim.shade(0.8))
    for k in range(3):
        b.add(rod((0, y - 0.22, 0.03), (0, 0, 0.55), (0.055, 0.04), 6).ry(60 + 120 * k), TIMBER)
    b.say(f"with {trim.words()} rings")


@generator("ladder", "tool", natural=(WOODEN, WOODEN, METAL, YELLOW, RED, GREEN))
def ladder(b: Builder, rng: Rng, main: Paint) -> None:
    wide, rungs, spread = rng.uniform(0.3, 0.38), int(rng.choice((5, 6, 7))), rng.uniform(14, 19)
    tall = 1.7
    folding = rng.random() < 0.6
    lean = spread if folding else 0
    b.add_pair(box(0.1, tall, 0.09, bevel=0.02).rz(3).at(wide, 0, 0).rx(-lean).at(z=0.45 * folding), main.rgb)
    for k in range(rungs):
        t = (k + 0.6) / rungs
        b.add(
            box(wide * 2 - 0.1 * t, 0.06, 0.14).at(y=tall * t - 0.03).rx(-lean).at(z=0.45 * folding),
            main.shade(0.82),
        )
    if folding:
        b.add_pair(
            box(0.08, tall, 0.07, bevel=0.02).rz(3).at(wide, 0, 0).rx(lean).at(z=-0.5), main.shade(0.7)
        )
        for t in (0.3, 0.6):
            b.add(box(wide * 2 - 0.1, 0.06, 0.06).at(y=tall * t).rx(lean).at(z=-0.5), main.shade(0.65))
        b.add(
            box(wide * 1.7, 0.07, 0.3).at(0, tall * np.cos(np.deg2rad(lean)) - 0.04, -0.03), main.shade(0.9)
        )
    b.say(f"with {('five', 'six', 'seven')[rungs - 5]} rungs")


GENERATORS = (axe, hammer, pickaxe, shovel, screwdriver, saw, wrench, anvil, telescope, ladder)
