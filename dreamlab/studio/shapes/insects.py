"""Small crawlers and flyers: butterfly, bee, ladybug, spider, snail."""

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
    ORANGE,
    PINK,
    PURPLE,
    RED,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, eyes, on_ellipsoid, spindle
from dreamlab.studio.shapes.paths import curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import dome, sphere, torus


def _feelers(
    b: Builder, start: tuple[float, float, float], end: tuple[float, float, float], color: np.ndarray
) -> None:
    middle = [(s + e) / 2 + d for s, e, d in zip(start, end, (0.0, 0.08, 0.0), strict=True)]
    b.add_pair(tube(curve([start, middle, end], 5), 0.022, 6), color)
    b.add_pair(sphere(0.05, segments=8, rows=6).at(*end), color)


@generator("butterfly", "animal", natural=(ORANGE, BLUE, YELLOW, PINK, PURPLE, RED, LIGHT_BLUE))
def butterfly(b: Builder, rng: Rng, main: Paint) -> None:
    """Seen from the front with its wings spread like a sheet of paper, leaning back a little."""
    spots = paint(rng, (WHITE, YELLOW, BLACK, PINK, LIGHT_BLUE), unlike=main.color)
    big, small, fold = rng.uniform(0.85, 1.05), rng.uniform(0.6, 0.8), rng.uniform(12, 30)
    upper = (
        np.array([(0, -0.02), (0.5, 0.06), (0.95, 0.3), (1.05, 0.72), (0.85, 0.95), (0.45, 0.7), (0, 0.12)])
        * big
    )
    lower = (
        np.array(
            [(0, 0.08), (0, -0.12), (0.3, -0.66), (0.62, -0.8), (0.82, -0.55), (0.78, -0.12), (0.5, 0.02)]
        )
        * small
    )
    edge = DARK * 1.6 if main.color != "black" else spots.rgb
    for outline, spot_at in ((upper, (0.72, 0.6)), (lower, (0.5, -0.42))):
        middle = outline.mean(axis=0)
        scale = big if outline is upper else small
        parts = [
            (extrude(outline, 0.05), edge),
            (extrude(middle + (outline - middle) * 0.84, 0.08), main.rgb),
        ]
        for size, (x, y) in ((0.13, spot_at), (0.085, (spot_at[0] * 0.55, spot_at[1] * 0.62))):
            parts.append(
                (sphere(size, size, 0.06, segments=10, rows=4).at(x * scale, y * scale, 0), spots.rgb)
            )
        for solid, rgb in parts:
            b.add_pair(solid.ry(-fold).at(x=0.04), rgb)
    b.add(
        spindle(
            [(-0.62, 0, 0.02, 0.02), (-0.3, 0, 0.07, 0.07), (0.1, 0, 0.085, 0.085), (0.3, 0, 0.07, 0.07)], 10
        )
        .rx(-90)
        .at(y=0.0, z=0.02),
        DARK * 2,
    )
    b.add(sphere(0.11, segments=10, rows=6).at(0, 0.38, 0.04), DARK * 2)
    eyes(b, (0, 0.38, 0.04), (0.11,) * 3, 0.045, azimuth=38, elevation=14)
    _feelers(b, (0.04, 0.46, 0.04), (0.22, 0.8, 0.1), DARK * 2)
    b.say(f"with {spots.words()} spots")


@generator("bee", "animal", natural=(YELLOW,), wild=0.15)
def bee(b: Builder, rng: Rng, main: Paint) -> None:
    stripe = DARK if main.color != "black" else np.array((0.97, 0.82, 0.15))
    fat = rng.uniform(0.36, 0.42)
    girth = ((-0.62, 0.1), (-0.52, 0.5), (-0.34, 0.84), (-0.14, 1.0), (0.06, 0.98), (0.24, 0.86), (0.4, 0.5))
    solid = spindle([(z, 0.5, fat * share, fat * share) for z, share in girth], 14)
    z = solid.centres()[:, 2]
    banded = ((z > -0.52) & (z < -0.34)) | ((z > -0.14) & (z < 0.06)) | ((z > 0.24) & (z < 0.4))
    b.add(solid, np.where(banded[:, None], stripe, main.rgb))
    head = (0.0, 0.55, 0.5)
    b.add(sphere(0.29, 0.28, 0.25).at(*head), main.shade(0.92))
    eyes(b, head, (0.29, 0.28, 0.25), 0.1, azimuth=36, elevation=14)
    _feelers(b, (0.08, 0.78, 0.55), (0.2, 1.05, 0.72), DARK)
    for turn, size in ((-12, 0.42), (28, 0.32)):
        wing = sphere(size * 0.42, 0.025, size, segments=12, rows=4).at(z=-size * 0.9).ry(-62 + turn).rz(24)
        b.add_pair(wing.at(0.1, 0.82, 0.05), (0.86, 0.93, 0.98))
    b.add(spindle([(-0.2, 0, 0.01, 0.01), (0, 0, 0.05, 0.05)], 6).at(0, 0.5, -0.6), DARK)
    for at in (0.15, -0.02, -0.19):
        b.add_pair(rod((0.18, 0.24, at), (0.26, 0.02, at + 0.04), 0.03, 6), DARK)
    b.say("with black stripes" if main.color != "black" else "with yellow stripes")


@generator("ladybug", "animal", natural=(RED, RED, RED, ORANGE, YELLOW), wild=0.2)
def ladybug(b: Builder, rng: Rng, main: Paint) -> None:
    dots = Paint(BLACK.sample(rng), "black") if main.color != "black" else Paint(RED.sample(rng), "red")
    wide, high = rng.uniform(0.58, 0.66), rng.uniform(0.44, 0.54)
    b.add(dome(1, 1, 16, 5).scaled(wide, high, 0.72).at(y=0.16), main.rgb)
    b.add(sphere(wide * 0.94, 0.12, 0.68, segments=14, rows=6).at(y=0.15), main.shade(0.6))
    b.add(torus(1, 0.022, 24, 6).rz(90).scaled(1, high, 0.72).at(y=0.165), dots.rgb)
    for azimuth, elevation in ((35, 50), (80, 32), (120, 58), (145, 24), (38, 16)):
        place, out = on_ellipsoid((0, 0.16, 0), (wide, high, 0.72), azimuth, elevation)
        b.add_pair(
            sphere(0.1, 0.035, 0.1, segments=10, rows=4).aligned(out / (wide, high, 0.72)).at(*place),
            dots.rgb,
        )
    head, radii = (0.0, 0.26, 0.68), (0.25, 0.2, 0.18)
    b.add(sphere(*radii).at(*head), DARK * 1.6)
    eyes(b, head, radii, 0.095, azimuth=36, elevation=20)
    _feelers(b, (0.09, 0.44, 0.72), (0.24, 0.66, 0.86), DARK)
    for z in (0.36, 0.0, -0.36):
        b.add_pair(rod((wide * 0.7, 0.14, z * 0.9), (wide * 1.12, 0.0, z * 1.2), 0.045, 6), DARK)
    b.say(f"with {dots.words()} spots")


@generator("spider", "animal", natural=(BLACK, BLACK, BROWN, PURPLE, RED))
def spider(b: Builder, rng: Rng, main: Paint) -> None:
    fat, reach, lift = rng.uniform(0.34, 0.42), rng.uniform(0.85, 1.05), rng.uniform(0.62, 0.82)
    b.add(sphere(fat, fat * 0.9, fat * 1.1, segments=14).at(0, 0.5, -0.38), main.rgb)
    head, radii = (0.0, 0.44, 0.16), (0.27, 0.24, 0.26)
    b.add(sphere(*radii).at(*head), main.shade(0.9))
    for k, azimuth in enumerate((48, 15, -22, -52)):
        a = np.deg2rad(azimuth)
        out = np.array((np.cos(a), 0, np.sin(a)))
        hip = np.array((0.14, 0.44, 0.1)) + out * 0.1
        knee = (hip[0] + out[0] * reach * 0.5, lift + 0.05 * (k % 2), hip[2] + out[2] * reach * 0.5)
        foot = (hip[0] + out[0] * reach, 0.02, hip[2] + out[2] * reach)
        b.add_pair(tube([hip, knee, foot], (0.065, 0.055, 0.025), 7), main.shade(0.8))
    eyes(b, head, radii, 0.085, azimuth=20, elevation=28)
    eyes(b, head, radii, 0.05, azimuth=52, elevation=36)
    b.add_pair(rod((0.07, 0.34, 0.36), (0.06, 0.2, 0.46), (0.045, 0.012), 6), (0.95, 0.93, 0.88))
    if rng.random() < 0.6:
        mark = paint(rng, (RED, YELLOW, WHITE), unlike=main.color)
        b.add(sphere(fat * 0.4, 0.06, fat * 0.6, segments=8, rows=4).at(0, 0.5 + fat * 0.88, -0.4), mark.rgb)
        b.say(f"with {with_article(mark.words())} mark")


@generator("snail", "animal", natural=(BROWN, ORANGE, RED, PURPLE, YELLOW, GREEN))
def snail(b: Builder, rng: Rng, main: Paint) -> None:
    """The shell bears the colour."""
    body = paint(rng, (BEIGE, BEIGE, YELLOW, GREEN), unlike=main.color)
    wide = rng.uniform(0.22, 0.28)
    b.add(
        spindle(
            [
                (-0.95, 0.03, 0.04, 0.03),
                (-0.55, 0.08, 0.2, 0.08),
                (0.1, 0.12, 0.24, 0.12),
                (0.5, 0.16, 0.2, 0.15),
                (0.7, 0.26, 0.12, 0.12),
            ],
            12,
        ),
        body.rgb,
    )
    b.add(
        tube(curve([(0, 0.16, 0.4), (0, 0.3, 0.66), (0, 0.58, 0.76)], 5), (0.16, 0.17, 0.16, 0.15, 0.14), 10),
        body.rgb,
    )
    head = (0.0, 0.64, 0.8)
    b.add(sphere(0.19, segments=12).at(*head), body.rgb)
    b.add_pair(rod((0.08, 0.76, 0.84), (0.19, 1.04, 0.92), 0.035, 6), body.rgb)
    b.add_pair(sphere(0.085, segments=10, rows=6).at(0.19, 1.08, 0.92), (0.97, 0.97, 0.95))
    b.add_pair(sphere(0.055, segments=8, rows=6).at(0.2, 1.09, 0.97), DARK)
    turn = np.linspace(0.5, 4.6 * np.pi, 44)
    r = 0.46 * (turn / turn[-1]) ** 0.85
    phase = turn - turn[-1] - 0.6
    spiral = np.stack([np.zeros(44), 0.66 + r * np.sin(phase), -0.24 - r * np.cos(phase)], axis=1)
    thick = 0.05 + 0.13 * (turn / turn[-1])
    shade = np.repeat(np.where(np.arange(43) % 4 < 2, 1.0, 0.78), 16)
    solid = tube(spiral, thick, 8).scaled(wide / 0.16, 1, 1)
    rgb = main.rgb * np.concatenate([np.ones(8), shade, np.ones(8)])[:, None]
    b.add(solid, rgb)
    b.add(sphere(wide * 0.8, 0.4, 0.4, segments=12).at(0, 0.66, -0.24), main.shade(0.7))
    b.say(f"with {with_article(body.words())} body")


GENERATORS = (butterfly, bee, ladybug, spider, snail)
