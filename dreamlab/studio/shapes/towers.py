"""Towers and odd houses: tower, lighthouse, windmill, well, igloo."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.buildings import arch, roof_slabs
from dreamlab.studio.shapes.core import Builder, FloatArray, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    DARK_RED,
    GREEN,
    GREY,
    LIGHT_BLUE,
    PURPLE,
    RED,
    STONE,
    TALL,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, LAMP, PANE, STEEL, TIMBER
from dreamlab.studio.shapes.paths import arc, extrude, rod
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, frustum, lathe, sphere, torus


@generator("tower", "building", natural=(STONE, STONE, GREY, BEIGE, WHITE, BROWN), sizes=(TALL,))
def tower(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, BLUE, PURPLE, GREEN, BROWN), unlike=main.color)
    r, tall = rng.uniform(0.34, 0.42), rng.uniform(1.3, 1.6)
    b.add(lathe([(r * 1.15, 0), (r, 0.22), (r * 0.95, tall)], 16), main.rgb)
    b.add(lathe([(r * 0.95, 0), (r * 1.22, 0.12), (r * 1.22, 0.3)], 16).at(y=tall - 0.02), main.shade(0.88))
    for k in range(8):
        b.add(box(r * 0.42, 0.16, 0.12).at(0, tall + 0.26, r * 1.12).ry(45 * k), main.rgb)
    if rng.random() < 0.6:
        b.add(cylinder(r * 0.85, 0.22, 14).at(y=tall + 0.2), main.shade(0.8))
        b.add(cone(r * 1.12, rng.uniform(0.5, 0.7), 14).at(y=tall + 0.42), roof.rgb)
        b.say(f"with {with_article(roof.words())} roof")
    else:
        b.add(cylinder(0.025, 0.6, 6).at(y=tall + 0.2), TIMBER)
        b.add(extrude([(0, 0), (0.34, 0.11), (0, 0.22)], 0.03).at(0.02, tall + 0.54, 0), roof.rgb)
        b.say(f"with {with_article(roof.words())} flag")
    b.add(arch(0.3, 0.46, 0.16).at(0, 0, r * 1.06), TIMBER)
    for k, y in enumerate((0.5, 0.72, 0.6, 0.82)):
        b.add(arch(0.12, 0.24, 0.1).at(0, tall * y, r * 0.95).ry(90 * k), DARK)
    for _ in range(9):
        y = rng.uniform(0.3, tall - 0.25)
        b.add(box(0.18, 0.09, 0.05, bevel=0.02).at(0, y, r * 0.98).ry(rng.uniform(0, 360)), main.shade(0.78))


@generator("lighthouse", "building", natural=(WHITE, WHITE, WHITE, RED, YELLOW, BLUE), sizes=(TALL,))
def lighthouse(b: Builder, rng: Rng, main: Paint) -> None:
    band = paint(rng, (RED, RED, BLUE, DARK_RED, WHITE), unlike=main.color)
    low, high, tall = rng.uniform(0.38, 0.44), rng.uniform(0.22, 0.27), rng.uniform(1.4, 1.6)
    steps = int(rng.choice((5, 7)))
    # The bands are narrower than what is between them, so that the tower's own colour wins.
    edges = np.arange(steps + 1.0)
    edges[1:-1:2] += 0.16
    edges[2:-1:2] -= 0.16
    edges /= steps
    for k in range(steps):
        start, end = edges[k], edges[k + 1]
        r0, r1 = (low + (high - low) * t for t in (start, end))
        b.add(frustum(r0, r1, tall * (end - start), 16).at(y=tall * start), band.rgb if k % 2 else main.rgb)
    b.add(cylinder(high * 1.5, 0.07, 16).at(y=tall), DARK * 2.5)
    b.add(torus(high * 1.45, 0.022, 16, 5).at(y=tall + 0.2), DARK * 2.5)
    for k in range(8):
        b.add(cylinder(0.015, 0.2, 4).at(0, tall + 0.02, high * 1.45).ry(45 * k), DARK * 2.5)
    b.add(cylinder(high * 0.85, 0.3, 10).at(y=tall + 0.06), LAMP)
    b.add(dome(high * 1.12, 0.24, 14, 4).at(y=tall + 0.35), band.rgb)
    b.add(sphere(0.05, segments=6, rows=4).at(y=tall + 0.61), DARK * 2.5)
    b.add(arch(0.24, 0.36, 0.12).at(0, 0, low * 0.96), TIMBER)
    for k, y in enumerate((0.45, 0.65, 0.3, 0.55)):
        radius = low + (high - low) * y
        b.add(box(0.1, 0.14, 0.06).at(0, tall * y, radius).ry(90 * k), DARK * 2)
    b.add(dome(1, 0.14, 10, 2).scaled(0.66, 1, 0.6).at(y=-0.08), (0.45, 0.44, 0.42))
    b.say(f"with {band.words()} stripes")


@generator("windmill", "building", natural=(WHITE, WHITE, BEIGE, STONE, RED, WOODEN))
def windmill(b: Builder, rng: Rng, main: Paint) -> None:
    cap = paint(rng, (RED, BROWN, DARK_RED, BLUE, GREY), unlike=main.color)
    low, high, tall = rng.uniform(0.42, 0.5), rng.uniform(0.26, 0.3), rng.uniform(1.1, 1.25)
    b.add(frustum(low, high, tall, 10), main.rgb)
    b.add(cylinder(high * 1.12, 0.07, 12).at(y=tall - 0.02), main.shade(0.75))
    b.add(dome(high * 1.08, 0.34, 12, 4).at(y=tall + 0.04), cap.rgb)
    front, y, turn = high + 0.22, tall + 0.06, rng.uniform(0, 90)
    b.add(cylinder(0.05, 0.5, 8).rx(90).at(0, y, front - 0.42), TIMBER)
    b.add(sphere(0.09, segments=8, rows=6).at(0, y, front + 0.08), TIMBER)
    long = rng.uniform(0.85, 0.98)
    for k in range(4):
        sail = (
            (box(0.05, long, 0.05), TIMBER),
            (box(0.22, long * 0.74, 0.025).at(0.12, long * 0.24, 0), np.array((0.95, 0.92, 0.84))),
        )
        for solid, rgb in sail:
            b.add(solid.rz(turn + 90 * k).at(0, y, front), rgb)
        for t in (0.24, 0.6, 0.97):
            b.add(box(0.24, 0.03, 0.045).at(0.12, long * t, 0).rz(turn + 90 * k).at(0, y, front), TIMBER)
    b.add(arch(0.26, 0.42, 0.16).at(0, 0, low * 0.9), TIMBER)
    for k, t in ((0, 0.62), (1, 0.4), (2, 0.5), (3, 0.4)):
        radius = low + (high - low) * t
        b.add(box(0.15, 0.18, 0.08).at(0, tall * t, radius * 0.97).ry(90 * k), PANE * 0.7)
    b.say(f"with {with_article(cap.words())} cap")


@generator("well", "building", natural=(STONE, STONE, GREY, RED, BEIGE, WHITE))
def well(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, BROWN, DARK_RED, BLUE, GREEN), unlike=main.color)
    r, tall, high = rng.uniform(0.52, 0.6), rng.uniform(0.62, 0.72), rng.uniform(0.55, 0.65)
    b.add(lathe([(r, 0), (r, tall), (r * 0.78, tall), (r * 0.78, tall * 0.5)], 14), main.rgb)
    b.add(torus(r * 0.9, 0.07, 16, 6).at(y=tall), main.shade(0.82))
    b.add(cylinder(r * 0.77, 0.02, 14).at(y=tall * 0.72), (0.2, 0.45, 0.75))
    for row in range(3):
        for k in range(8):
            b.add(
                box(r * 0.5, 0.13, 0.06, bevel=0.02)
                .at(0, 0.05 + 0.2 * row, r * 0.96)
                .ry(45 * k + 22.5 * row),
                main.shade(0.86),
            )
    b.add_pair(box(0.09, high + 0.14, 0.1).at(r * 0.92, tall - 0.1, 0), TIMBER)
    b.add(rod((-r * 1.2, tall + high * 0.55, 0), (r * 1.2, tall + high * 0.55, 0), 0.05, 8), TIMBER * 1.3)
    b.add(rod((r * 1.2, tall + high * 0.55, 0), (r * 1.2, tall + high * 0.35, 0.06), 0.03, 6), STEEL)
    b.add(rod((0, tall + 0.2, 0), (0, tall + high * 0.55, 0), 0.02, 5), (0.85, 0.78, 0.6))
    b.add(frustum(0.1, 0.14, 0.2, 10).at(y=tall + 0.02), (0.6, 0.4, 0.22))
    roof_slabs(b, roof.rgb, r * 1.75, 0.4, r * 1.25, tall + high - 0.02, thick=0.06)
    b.say(f"with {with_article(roof.words())} roof")


def _snow_blocks(outer: FloatArray) -> Solid:
    """Blocks whose outer faces are the quads [N,4,3], counter-clockwise from outside, and which reach
    inwards.
    """
    one = np.array(
        [
            (4, 5, 6),
            (4, 6, 7),
            (0, 2, 1),
            (0, 3, 2),
            *((k, (k + 1) % 4, k + 4) for k in range(4)),
            *(((k + 1) % 4, (k + 1) % 4 + 4, k + 4) for k in range(4)),
        ]
    )
    corners = np.concatenate([outer * 0.93, outer], axis=1)
    return Solid(corners.reshape(-1, 3), (one + 8 * np.arange(len(outer))[:, None, None]).reshape(-1, 3))


@generator("igloo", "building", natural=(WHITE, WHITE, WHITE, LIGHT_BLUE), wild=0.2)
def igloo(b: Builder, rng: Rng, main: Paint) -> None:
    r, tall, reach = rng.uniform(0.75, 0.85), rng.uniform(0.68, 0.82), rng.uniform(0.28, 0.4)
    b.add(dome(r * 0.975, tall * 0.985, 20, 6), main.shade(0.68))
    levels, quads, tints = np.linspace(0, np.pi / 2 * 0.93, 6), [], []
    for row, count in enumerate((12, 12, 10, 8, 6)):
        e = np.array((levels[row], levels[row], levels[row + 1], levels[row + 1]))
        e = e + np.array((0.012, 0.012, -0.012, -0.012))
        for k in range(count):
            middle = (k + 0.5 * (row % 2)) * 2 * np.pi / count
            if row < 2 and np.cos(middle) > 0.93:
                continue
            a = middle + np.array((-0.5, 0.5, 0.5, -0.5)) * 2 * np.pi / count * 0.93
            quads.append(
                np.stack([r * np.cos(e) * np.sin(a), tall * np.sin(e), r * np.cos(e) * np.cos(a)], axis=1)
            )
            tints.append(1 - 0.05 * ((k + row) % 3))
    b.add(_snow_blocks(np.array(quads)), main.rgb * np.repeat(tints, 12)[:, None])
    end = r + reach
    inner, over = 0.24, 0.38
    half = arc(1.0, 0, 180, 9)[:, :2]
    ring = np.concatenate([half * over, half[::-1] * inner])
    for k in range(3):
        z = r * 0.78 + (end - r * 0.78) * (k + 0.5) / 3
        b.add(extrude(ring, (end - r * 0.78) / 3 * 0.94).at(z=z), main.rgb * (1 - 0.05 * (k % 2)))
    b.add(extrude(half * inner * 1.05, 0.04).at(z=end - 0.07), DARK * 2)
    b.say("with a round entrance")


GENERATORS = (tower, lighthouse, windmill, well, igloo)
