"""Things of the house, from candle to light bulb."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    COLORS,
    FAT,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    TALL,
    TURQUOISE,
    WHITE,
    WIDE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import arc, curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import box, cone, cushion, cylinder, dome, frustum, lathe, sphere, torus

BRIGHT = (RED, BLUE, GREEN, YELLOW, ORANGE, PURPLE, PINK, TURQUOISE)
FLAME = (1.0, 0.72, 0.12)
INK = np.array((0.08, 0.08, 0.09))


@generator("candle", "household", natural=(WHITE, WHITE, RED, YELLOW, BEIGE, GREEN), sizes=(TALL, FAT))
def candle(b: Builder, rng: Rng, main: Paint) -> None:
    r, tall, y = rng.uniform(0.17, 0.24), rng.uniform(0.75, 1.0), 0.08
    if rng.random() < 0.6:
        dish = paint(rng, (GOLDEN, METAL, BROWN, BLACK, BLUE), unlike=main.color)
        b.add(lathe([(0.3, 0), (0.42, 0.08), (0.4, 0.1), (0, 0.06)], 16), dish.rgb)
        b.add(torus(0.1, 0.03, 12, 6).rx(90).at(0.48, 0.08), dish.rgb)
        b.say(f"on {dish.a('dish')}")
    b.add(lathe([(r, 0), (r, tall), (r * 0.85, tall - 0.03), (0, tall - 0.04)], 14).at(y=y), main.rgb)
    for k in range(3):
        long = rng.uniform(0.15, 0.4)
        drip = sphere(0.05, long / 2, 0.05, segments=6, rows=6).at(y=y + tall - long / 2, z=r * 0.95)
        b.add(drip.ry(120 * k + rng.uniform(0, 60)), main.shade(1.1))
    b.add(cylinder(0.02, 0.12, 5).at(y=y + tall - 0.04), INK)
    b.add(lathe([(0, 0), (0.08, 0.08), (0.07, 0.16), (0, 0.34)], 8).at(y=y + tall + 0.04), FLAME)
    b.say("with a yellow flame")


@generator("clock", "household", natural=(*BRIGHT, WOODEN, GOLDEN, BLACK), wild=0.3)
def clock(b: Builder, rng: Rng, main: Paint) -> None:
    """An alarm clock: dial to +Z, two bells, two feet."""
    deep = rng.uniform(0.34, 0.46)
    dial = paint(rng, (WHITE, WHITE, BEIGE, YELLOW), unlike=main.color)
    b.add(cylinder(0.62, deep, 22).rx(90).at(z=-deep / 2), main.rgb)
    b.add(torus(0.58, 0.075, 22, 7).rx(90).at(z=deep / 2), main.shade(0.92))
    b.add(cylinder(0.53, 0.03, 22).rx(90).at(z=deep / 2), dial.rgb)
    z = deep / 2 + 0.045
    for k in range(12):
        mark = box(0.05, 0.09 if k % 3 else 0.13, 0.02).at(y=0.36)
        b.add(mark.rz(30 * k).at(z=z), INK)
    hour, minute = rng.uniform(0, 360), rng.uniform(0, 360)
    b.add(box(0.06, 0.28, 0.03).rz(hour).at(z=z), INK)
    b.add(box(0.045, 0.4, 0.03).rz(minute).at(z=z + 0.01), INK)
    bells = paint(rng, (GOLDEN, METAL), unlike=main.color) if rng.random() < 0.5 else main
    b.add_pair(dome(0.23, 0.2, 12).rz(-33).at(0.36, 0.6), bells.rgb)
    b.add_pair(rod((0.3, -0.45, 0), (0.46, -0.78, 0), (0.07, 0.05), 7), main.shade(0.85))
    b.add(tube(arc(0.16, 0, 180, 7), 0.03, 6).at(y=0.74), main.shade(0.8))
    b.say(f"with {dial.a('dial')}")
    if bells is not main:
        b.say(f"with {bells.words()} bells")


@generator("book", "household", natural=(RED, BLUE, GREEN, BROWN, PURPLE), sizes=(WIDE,), wild=0.3)
def book(b: Builder, rng: Rng, main: Paint) -> None:
    """Lies on its back with the cover up, or stands with the cover to +Z; spine at -X."""
    wide, tall, thick = rng.uniform(0.85, 1.0), rng.uniform(1.15, 1.35), rng.uniform(0.22, 0.4)
    leather, page = main.rgb, np.array((0.96, 0.93, 0.84))
    cover = 0.05
    pieces = [(box(wide, tall, cover).at(z=side * (thick / 2)), leather) for side in (-1, 1)]
    pieces.append((box(cover, tall, thick + cover).at(-wide / 2), main.shade(0.88)))
    pieces.append((box(wide * 0.94, tall * 0.94, thick - cover).at(0, tall * 0.03), page))
    trim = paint(rng, (GOLDEN, WHITE, YELLOW), unlike=main.color)
    front = thick / 2 + cover / 2 + 0.012
    style = int(rng.integers(3))
    if style == 0:
        pieces.append((box(wide * 0.62, 0.16, 0.03).at(0, tall * 0.68, front), trim.rgb))
        b.say(f"with {trim.a('title')}")
    elif style == 1:
        pieces.append((cylinder(wide * 0.22, 0.03, 14).rx(90).at(0, tall * 0.55, front - 0.02), trim.rgb))
        b.say(f"with {trim.a('circle')} on the cover")
    if rng.random() < 0.4:
        ribbon = box(0.09, 0.24, 0.02).at(wide * 0.2, -0.2, 0)
        pieces.append(
            (ribbon, np.array((0.85, 0.12, 0.15)) if main.color != "red" else np.array((0.15, 0.3, 0.8)))
        )
    lying = rng.random() < 0.45
    turn = rng.uniform(-20, 20)
    for solid, rgb in pieces:
        b.add(solid.at(y=-tall / 2).rx(-90).ry(turn) if lying else solid.ry(turn * 0.5), rgb)


@generator("umbrella", "household", natural=BRIGHT, wild=0.3, shelters=True)
def umbrella(b: Builder, rng: Rng, main: Paint) -> None:
    panels, wide, high = 8, rng.uniform(0.75, 0.9), rng.uniform(0.36, 0.46)
    angle = np.linspace(0.1, np.pi / 2, 5)
    outer = np.stack([wide * np.cos(angle), high * np.sin(angle)], axis=1)
    outer[-1, 0] = 0
    inner = outer[::-1] * (0.97, 0.93) - (0, 0.01)
    inner[0, 0] = 0
    canopy = lathe([*inner[1:][::-1], inner[0]], 16)
    shell = lathe(outer, 16)
    scallop = 1 + 0.05 * np.cos(np.arctan2(shell.vertices[:, 0], shell.vertices[:, 2]) * panels)
    shell = shell._replace(vertices=shell.vertices * (scallop[:, None] ** (1, 0, 1)))
    top = rng.uniform(1.05, 1.2)
    second = paint(rng, (WHITE, WHITE, YELLOW, BLACK), unlike=main.color)
    sector = np.floor(
        (np.arctan2(shell.centres()[:, 0], shell.centres()[:, 2]) / np.pi + 1) * panels / 2
    ).astype(int)
    striped = rng.random() < 0.3
    chosen = (sector % 4 == 0) & striped
    b.add(shell.at(y=top), np.where(chosen[:, None], second.rgb, main.rgb))
    b.add(canopy.at(y=top - 0.02), main.shade(0.85))
    b.add(cone(0.03, 0.16, 6).at(y=top + high - 0.02), INK)
    stick = paint(rng, (BLACK, WOODEN, METAL), unlike=main.color)
    b.add(cylinder(0.03, top + high - 0.02, 7), stick.rgb)
    b.add(
        tube(np.concatenate([[(0, 0.15, 0)], arc(0.13, 180, 360, 8) + np.array((0.13, 0, 0))]), 0.045, 7),
        stick.rgb,
    )
    if striped:
        b.say(f"with {second.words()} stripes")
    b.say(f"with {stick.a('handle')}")


@generator(
    "television", "household", natural=(BLACK, BROWN, WOODEN, RED, GREY, ORANGE, TURQUOISE), sizes=(WIDE,)
)
def television(b: Builder, rng: Rng, main: Paint) -> None:
    """An old set with a bulging back, screen to +Z, two knobs and an aerial."""
    wide, tall, deep = rng.uniform(1.15, 1.35), rng.uniform(0.85, 0.95), rng.uniform(0.5, 0.65)
    trim = paint(rng, (WHITE, BEIGE, METAL), unlike=main.color)
    b.add(box(wide, tall, deep, bevel=0.06).at(y=0.18), main.rgb)
    b.add(
        box(wide * 0.7, deep * 0.6, tall * 0.7, taper=0.7).rx(-90).at(y=0.18 + tall / 2, z=-deep / 2 + 0.03),
        main.shade(0.88),
    )
    screen = cushion(wide * 0.66, tall * 0.74, 0.12, 0.35).at(-wide * 0.11, 0.18 + tall / 2, deep / 2)
    glow = paint(rng, (BLUE, GREY, TURQUOISE), unlike=main.color)
    b.add(screen, glow.rgb * 0.7 if glow.color != "grey" else np.array((0.2, 0.23, 0.25)))
    for k, y in enumerate((0.72, 0.48)):
        b.add(
            cylinder(0.075, 0.06, 10).rx(90).at(wide * 0.37, 0.18 + tall * y, deep / 2),
            trim.shade(0.95 - 0.1 * k),
        )
    for k in range(3):
        b.add(box(0.17, 0.025, 0.03).at(wide * 0.37, 0.27 + 0.06 * k, deep / 2), INK)
    for side in (-1, 1):
        b.add(
            rod(
                (0, tall + 0.18, 0),
                (side * rng.uniform(0.3, 0.45), tall + rng.uniform(0.55, 0.7), 0),
                0.022,
                5,
            ),
            INK,
        )
        for z in (-1, 1):
            leg = rod(
                (side * wide * 0.42, 0, z * deep * 0.42), (side * wide * 0.36, 0.22, z * deep * 0.34), 0.04, 6
            )
            b.add(leg, main.shade(0.7))


@generator("lantern", "household", natural=(RED, BLACK, GREEN, GOLDEN, METAL, BLUE), sizes=(TALL, FAT))
def lantern(b: Builder, rng: Rng, main: Paint) -> None:
    """Square lantern with a pitched roof and a ring; the frame bears the colour, the panes glow."""
    wide, tall = rng.uniform(0.5, 0.62), rng.uniform(0.6, 0.75)
    b.add(box(wide * 1.25, 0.12, wide * 1.25, taper=0.85), main.rgb)
    b.add(box(wide * 0.8, tall, wide * 0.8).at(y=0.11), (1.0, 0.86, 0.42))
    for k in range(4):
        post = box(0.13, tall, 0.13).at(wide * 0.43, 0.1, wide * 0.43)
        b.add(post.ry(90 * k), main.rgb)
        b.add(box(wide * 0.9, 0.07, 0.07).at(0, 0.1 + tall * 0.5, wide * 0.43).ry(90 * k), main.shade(0.92))
    b.add(box(wide * 1.3, 0.09, wide * 1.3).at(y=tall + 0.1), main.rgb)
    b.add(box(wide * 1.2, 0.34, wide * 1.2, taper=0.3).at(y=tall + 0.18), main.shade(0.93))
    b.add(torus(0.13, 0.03, 14, 6).rx(90).at(y=tall + 0.64), main.shade(0.8))
    b.say("with a yellow light")


@generator("pillow", "household", natural=(WHITE, *BRIGHT, BEIGE), sizes=(WIDE,))
def pillow(b: Builder, rng: Rng, main: Paint) -> None:
    """A square pillow that leans back, thin at its rim."""
    size, thick = rng.uniform(1.0, 1.2), rng.uniform(0.4, 0.5)
    body = cushion(size, thick, size, 0.5, segments=24, rows=10)
    x, y, z = body.vertices.T
    reach = np.maximum(np.abs(x), np.abs(z)) / (size / 2)
    dent = 1 - 0.1 * reach**2 * (1 - np.minimum(np.abs(x), np.abs(z)) / (size / 2))
    body = body._replace(vertices=np.stack([x * dent, y * (1 - 0.55 * reach**3), z * dent], axis=1)).rx(90)
    tilt = rng.uniform(-25, -8)
    style = rng.random()
    trim = paint(rng, COLORS, unlike=main.color)
    b.add(body.rx(tilt), main.rgb)
    if style < 0.35:
        b.add(cylinder(0.07, thick + 0.02, 10).at(y=-thick / 2 - 0.01).rx(90 + tilt), trim.rgb)
        b.say(f"with {trim.a('button')}")
    elif style < 0.65:
        corner = size / 2 * 0.9
        for sx in (-1, 1):
            for sy in (-1, 1):
                b.add(sphere(0.09, segments=8, rows=6).at(sx * corner, sy * corner).rx(tilt), trim.rgb)
        b.say(f"with {trim.words()} corners")


@generator("spoon", "household", natural=(METAL, METAL, GOLDEN, WOODEN), sizes=(TALL,))
def spoon(b: Builder, rng: Rng, main: Paint) -> None:
    """Stands on its handle, hollow side to +Z."""
    bowl, long = rng.uniform(0.24, 0.3), rng.uniform(0.9, 1.1)
    profile = curve([(0, 0, 0), (bowl * 0.75, 0.06, 0), (bowl, 0.16, 0)], 5)[:, :2]
    inner = [(bowl * 0.9, 0.16), (bowl * 0.6, 0.1), (0, 0.06)]
    b.add(lathe([*profile, *inner], 14).scaled(1, 1, 1.45).rx(90).at(y=long + bowl * 1.3, z=-0.08), main.rgb)
    handle = curve([(0, 0, 0.1), (0, long * 0.5, 0), (0, long + 0.02, 0.06)], 7)
    flat = tube(handle, [0.09, 0.085, 0.07, 0.06, 0.05, 0.05, 0.06], 8)
    b.add(flat.scaled(1, 1, 0.55), main.shade(0.94))


@generator("fork", "household", natural=(METAL, METAL, GOLDEN, WOODEN), sizes=(WIDE, TALL))
def fork(b: Builder, rng: Rng, main: Paint) -> None:
    """Stands on its handle, tines up."""
    long, tines, wide = rng.uniform(0.85, 1.05), int(rng.integers(3, 5)), rng.uniform(0.4, 0.48)
    handle = tube([(0, 0, 0), (0, long * 0.5, 0), (0, long, 0)], [0.1, 0.07, 0.05], 8)
    b.add(handle.scaled(1, 1, 0.6), main.shade(0.94))
    neck = [(-0.05, 0), (0.05, 0), (wide / 2, 0.2), (wide / 2, 0.36), (-wide / 2, 0.36), (-wide / 2, 0.2)]
    b.add(extrude(neck, 0.07).at(y=long - 0.03), main.rgb)
    for k in range(tines):
        x = (k / (tines - 1) - 0.5) * (wide - 0.09)
        b.add(box(0.085, 0.45, 0.07, taper=(0.5, 1)).at(x, long + 0.3), main.rgb)


@generator("key", "household", natural=(GOLDEN, GOLDEN, METAL), sizes=(TALL, FAT))
def key(b: Builder, rng: Rng, main: Paint) -> None:
    """Old key, ring up, bit to +X, flat to +Z."""
    long, r = rng.uniform(0.85, 1.05), rng.uniform(0.25, 0.3)
    if rng.random() < 0.5:
        b.add(torus(r, 0.085, 18, 8).rx(90).at(y=long + r), main.rgb)
    else:
        for x, y in ((-0.2, 0.12), (0.2, 0.12), (0, 0.42)):
            b.add(torus(0.17, 0.065, 14, 7).rx(90).at(x, long + y), main.rgb)
    b.add(cylinder(0.08, long, 9), main.rgb)
    b.add(cylinder(0.13, 0.08, 10).at(y=long - 0.12), main.shade(0.9))
    b.add(box(0.36, 0.13, 0.1).at(0.2, 0.04), main.rgb)
    b.add(box(0.26, 0.13, 0.1).at(0.16, 0.27), main.rgb)
    if rng.random() < 0.5:
        b.add(box(0.1, 0.36, 0.1).at(0.34, 0.04), main.rgb)


@generator("light bulb", "household", natural=(YELLOW, YELLOW, WHITE), sizes=(TALL, FAT))
def light_bulb(b: Builder, rng: Rng, main: Paint) -> None:
    """Hangs upright on its screw base."""
    r, metal = rng.uniform(0.48, 0.55), paint(rng, (GREY, METAL, GOLDEN), unlike=main.color)
    angle = np.linspace(-np.pi * 0.33, np.pi / 2, 9)
    round_part = np.stack([r * np.cos(angle), 1.15 + r * np.sin(angle)], axis=1)
    b.add(lathe([(0.22, 0.45), *round_part[:-1], (0, 1.15 + r)], 16), main.rgb)
    for k in range(4):
        b.add(lathe([(0.2, 0), (0.25, 0.05), (0.2, 0.1)], 12).at(y=0.08 + 0.095 * k), metal.rgb)
    b.add(frustum(0.08, 0.19, 0.1, 10), INK)
    b.say(f"with {metal.a('base')}")


GENERATORS = (
    candle, clock, book, umbrella, television, lantern, pillow, spoon, fork, key, light_bulb,
)  # fmt: skip
