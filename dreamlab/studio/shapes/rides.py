"""Things to ride and drive off the road: bicycle, motorcycle, tractor, tank, skateboard, wagon."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, FloatArray, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    DARK_GREEN,
    GREEN,
    GREY,
    LIME,
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
from dreamlab.studio.shapes.parts import (
    DARK,
    LAMP,
    PANE,
    STEEL,
    TAIL_LAMP,
    side_profile,
    spindle,
    wheel,
    wheels,
)
from dreamlab.studio.shapes.paths import curve, rod, tube
from dreamlab.studio.shapes.solids import box, cylinder, frustum, sphere, torus


def _spoked_wheel(b: Builder, radius: float, z: float, tyre: FloatArray, rim: FloatArray) -> None:
    """A thin wheel with a coloured rim at x = 0 on y = 0."""
    thick = 0.03
    b.add(torus(radius - 0.075, 0.035, 22, 6).rz(90).at(0, radius, z), rim)
    b.add(torus(radius - thick, thick, 24, 6).rz(90).at(0, radius, z), tyre)
    b.add(cylinder(0.06, 0.14, 8).at(y=-0.07).rz(90).at(0, radius, z), STEEL)
    for k in range(4):
        b.add(
            rod((0, -radius + thick, 0), (0, radius - thick, 0), 0.012, 4).rx(45 * k + 20).at(0, radius, z),
            STEEL * 1.3,
        )


@generator("bicycle", "vehicle", natural=(RED, BLUE, GREEN, YELLOW, BLACK, PINK))
def bicycle(b: Builder, rng: Rng, main: Paint) -> None:
    seat = paint(rng, (BLACK, BLACK, BROWN, WHITE), unlike=main.color)
    radius, reach = rng.uniform(0.38, 0.44), rng.uniform(0.55, 0.62)
    for z in (-reach, reach):
        _spoked_wheel(b, radius, z, DARK * 1.5, main.rgb)
    hub, crank, post = (0, radius, -reach), (0, radius * 0.9, -0.06), (0, radius + 0.48, -0.22)
    stem, fork = (0, radius + 0.46, reach - 0.16), (0, radius, reach)
    for start, end in ((crank, post), (crank, stem), (post, stem), (hub, post), (hub, crank), (stem, fork)):
        b.add(rod(start, end, 0.06, 8), main.rgb)
    b.add(rod(post, (0, radius + 0.6, -0.25), 0.035, 6), STEEL)
    b.add(
        spindle([(-0.2, 0, 0.11, 0.05), (-0.08, 0, 0.12, 0.05), (0.16, 0, 0.035, 0.04)], 8).at(
            0, radius + 0.62, -0.24
        ),
        seat.rgb,
    )
    top = (0, radius + 0.66, reach - 0.22)
    b.add(rod(stem, top, 0.035, 6), STEEL)
    bar = curve(
        [
            (-0.34, top[1] + 0.02, top[2] - 0.12),
            (-0.2, top[1] + 0.04, top[2] + 0.03),
            (0, top[1], top[2]),
            (0.2, top[1] + 0.04, top[2] + 0.03),
            (0.34, top[1] + 0.02, top[2] - 0.12),
        ],
        11,
    )
    b.add(tube(bar, 0.03, 6), STEEL)
    b.add_pair(rod(bar[-2], bar[-1], 0.045, 6), seat.rgb)
    b.add(torus(0.11, 0.025, 14, 6).rz(90).at(*crank), STEEL)
    for side in (1, -1):
        b.add(
            rod(
                (0, crank[1], crank[2]),
                (0.1 * side, crank[1] - 0.15 * side, crank[2] + 0.06 * side),
                0.025,
                6,
            ),
            STEEL,
        )
        b.add(box(0.14, 0.04, 0.1).at(0.14 * side, crank[1] - 0.17 * side, crank[2] + 0.06 * side), DARK)
    b.say(f"with {with_article(seat.words())} seat")


@generator("motorcycle", "vehicle", natural=(RED, BLACK, BLUE, ORANGE, GREEN))
def motorcycle(b: Builder, rng: Rng, main: Paint) -> None:
    seat = paint(rng, (BLACK, BLACK, BROWN), unlike=main.color)
    radius, reach = rng.uniform(0.33, 0.38), rng.uniform(0.66, 0.74)
    for z in (-reach, reach):
        rubber, hub = wheel(radius, 0.2)
        b.add(rubber.at(0, radius, z), DARK)
        b.add(hub.at(0, radius, z), main.shade(0.85))
        fender = [
            (0.0, radius * np.cos(a) * 1.14, radius * np.sin(a) * 1.14) for a in np.linspace(-1.1, 1.1, 7)
        ]
        b.add(tube(np.array(fender) + np.array((0, radius, z)), 0.085, 8).scaled(1.6, 1, 1), main.rgb)
    b.add(box(0.28, 0.32, 0.4, bevel=0.06).at(0, radius - 0.08, 0), STEEL * 0.8)
    b.add(box(0.32, 0.2, 0.62, bevel=0.05).at(0, radius + 0.18, -0.06), main.rgb)
    for y in (0.02, 0.1):
        b.add(box(0.34, 0.035, 0.32).at(0, radius + y - 0.04, 0.02), STEEL * 1.2)
    b.add(
        spindle(
            [
                (-0.22, -0.04, 0.07, 0.06),
                (-0.1, 0, 0.14, 0.12),
                (0.16, 0.04, 0.19, 0.16),
                (0.34, 0.02, 0.1, 0.1),
            ],
            12,
        ).at(0, radius + 0.42, 0.06),
        main.rgb,
    )
    b.add(
        spindle(
            [
                (-0.34, 0.06, 0.09, 0.04),
                (-0.2, 0.02, 0.16, 0.07),
                (0.05, -0.02, 0.15, 0.07),
                (0.18, 0, 0.06, 0.04),
            ],
            10,
        ).at(0, radius + 0.38, -0.32),
        seat.rgb,
    )
    b.add(spindle([(-0.2, 0.06, 0.05, 0.05), (0.1, 0, 0.12, 0.08)], 8).at(0, radius + 0.34, -0.66), main.rgb)
    b.add(box(0.12, 0.08, 0.05).at(0, radius + 0.36, -0.88), TAIL_LAMP)
    b.add_pair(rod((0.12, radius, reach), (0.13, radius + 0.56, reach - 0.28), 0.04, 8), STEEL * 1.2)
    bar = curve(
        [
            (-0.44, radius + 0.62, reach - 0.48),
            (-0.22, radius + 0.7, reach - 0.32),
            (0.22, radius + 0.7, reach - 0.32),
            (0.44, radius + 0.62, reach - 0.48),
        ],
        9,
    )
    b.add(tube(bar, 0.035, 6), STEEL)
    b.add_pair(rod(bar[-2], bar[-1], 0.055, 8), DARK)
    b.add(sphere(0.14, 0.14, 0.1, segments=12, rows=6).at(0, radius + 0.5, reach - 0.16), main.rgb)
    b.add(sphere(0.11, 0.11, 0.06, segments=12, rows=6).at(0, radius + 0.5, reach - 0.08), LAMP)
    b.add_pair(
        tube(
            curve([(0.16, radius - 0.02, 0.2), (0.2, radius - 0.14, -0.1), (0.2, radius - 0.1, -0.8)], 6),
            (0.03, 0.035, 0.04, 0.045, 0.05, 0.055),
            8,
        ),
        STEEL * 1.3,
    )
    b.say(f"with {with_article(seat.words())} seat")


@generator("tractor", "vehicle", natural=(GREEN, GREEN, RED, BLUE, ORANGE))
def tractor(b: Builder, rng: Rng, main: Paint) -> None:
    hub = paint(rng, (YELLOW, YELLOW, WHITE, RED, ORANGE), unlike=main.color)
    big, small = rng.uniform(0.42, 0.5), rng.uniform(0.22, 0.27)
    b.add(box(0.42, 0.36, 0.95, taper=(0.9, 0.96), bevel=0.05).at(0, 0.42, 0.38), main.rgb)
    b.add(box(0.3, 0.24, 0.03).at(0, 0.48, 0.86), DARK)
    b.add_pair(cylinder(0.055, 0.04, 10).rx(90).at(0.15, 0.7, 0.84), LAMP)
    for z in (0.24, 0.4, 0.56):
        b.add_pair(box(0.02, 0.14, 0.05).at(0.205, 0.54, z), DARK)
    b.add(box(0.3, 0.24, 1.5).at(0, 0.26, 0.05), main.shade(0.55))
    b.add(box(0.56, 0.2, 0.72).at(0, 0.44, -0.42), main.rgb)
    b.add(box(0.52, 0.56, 0.56, taper=(0.9, 0.9)).at(0, 0.62, -0.42), PANE)
    b.add(box(0.6, 0.08, 0.66, bevel=0.03).at(0, 1.16, -0.42), main.rgb)
    for x, z in ((0.25, -0.15), (0.25, -0.69)):
        b.add_pair(rod((x, 0.62, z), (x * 0.92, 1.18, z * 0.94 - 0.02), 0.035, 6), main.rgb)
    b.add(cylinder(0.045, 0.42, 8).at(0.1, 0.74, 0.5), DARK * 2)
    wheels(b, 0.46, (-0.46,), big, 0.24, hub.rgb)
    wheels(b, 0.36, (0.62,), small, 0.16, hub.rgb)
    arch = np.array([(0, np.cos(a), np.sin(a)) for a in np.linspace(-1.1, 1.1, 7)]) * big * 1.12 + (
        0.46,
        big,
        -0.46,
    )
    b.add_pair(tube(arch, 0.06, 6).at(-0.46).scaled(2.4, 1, 1).at(0.46), main.rgb)
    b.say(f"with {hub.words()} hubs")


@generator("tank", "vehicle", natural=(GREEN, DARK_GREEN, DARK_GREEN, GREY, BROWN))
def tank(b: Builder, rng: Rng, main: Paint) -> None:
    half, width, long = rng.uniform(0.8, 0.92), rng.uniform(0.62, 0.72), rng.uniform(0.7, 0.95)
    b.add(
        side_profile(
            [(-half * 0.95, 0.26), (half * 0.85, 0.26), (half, 0.42), (half * 0.6, 0.56), (-half, 0.56)],
            width * 1.1,
        ),
        main.rgb,
    )
    track = [
        (-half * 0.75, 0.0),
        (half * 0.75, 0.0),
        (half * 1.02, 0.2),
        (half * 0.92, 0.4),
        (-half * 0.92, 0.4),
        (-half * 1.02, 0.2),
    ]
    tread = DARK * 2 if main.color != "black" else STEEL * 0.7
    b.add_pair(side_profile(track, 0.24).at(width * 0.66), tread)
    for z in np.linspace(-half * 0.72, half * 0.72, 5):
        b.add_pair(cylinder(0.14, 0.28, 12).at(y=-0.14).rz(90).at(width * 0.66, 0.18, z), main.shade(0.7))
    b.add_pair(box(0.3, 0.05, half * 1.96).at(width * 0.66, 0.42, 0), main.shade(0.85))
    b.add(frustum(0.44, 0.32, 0.26, 12).at(0, 0.55, -0.1), main.shade(0.92))
    b.add(cylinder(0.15, 0.07, 10).at(0.1, 0.8, -0.2), main.shade(0.7))
    tilt = rng.uniform(2, 14)
    b.add(frustum(0.075, 0.06, long, 10).rx(90 - tilt).at(0, 0.68, 0.2), main.shade(0.8))
    end = np.array((0, np.sin(np.deg2rad(tilt)), np.cos(np.deg2rad(tilt)))) * long + (0, 0.68, 0.2)
    b.add(cylinder(0.09, 0.14, 10).at(y=-0.1).rx(90 - tilt).at(*end), DARK)
    if rng.random() < 0.5:
        mark = paint(rng, (WHITE, RED, YELLOW), unlike=main.color)
        b.add_pair(sphere(0.12, 0.1, 0.03, segments=10, rows=4).ry(90).at(0.385, 0.68, -0.1), mark.rgb)
        b.say(f"with {with_article(mark.words())} mark")
    else:
        b.say("with a long gun" if long > 0.82 else "with a short gun")


@generator("skateboard", "toy", natural=(RED, BLUE, GREEN, PURPLE, ORANGE, LIME), holds=True)
def skateboard(b: Builder, rng: Rng, main: Paint) -> None:
    rim = paint(rng, (YELLOW, WHITE, PINK, GREEN, ORANGE), unlike=main.color)
    half, width = rng.uniform(0.85, 1.0), rng.uniform(0.24, 0.3)
    rise = 0.16
    deck = [
        (-half, rise + 0.3, 0.14, 0.04),
        (-half * 0.9, rise + 0.24, width * 0.85, 0.045),
        (-half * 0.62, rise + 0.1, width, 0.05),
        (half * 0.62, rise + 0.1, width, 0.05),
        (half * 0.9, rise + 0.24, width * 0.85, 0.045),
        (half, rise + 0.3, 0.14, 0.04),
    ]
    b.add(spindle(deck, 12, square=0.4), main.rgb)
    for z in (-half * 0.52, half * 0.52):
        b.add(box(0.2, 0.1, 0.14).at(0, 0.12, z), STEEL)
        b.add(rod((-0.2, 0.11, z), (0.2, 0.11, z), 0.035, 6), STEEL)
        tyre = cylinder(0.115, 0.12, 14).at(y=-0.06).rz(90)
        b.add_pair(tyre.at(width * 0.82, 0.115, z), rim.rgb)
        b.add_pair(cylinder(0.05, 0.14, 8).at(y=-0.07).rz(90).at(width * 0.82, 0.115, z), DARK)
    b.say(f"with {rim.words()} wheels")


GENERATORS = (bicycle, motorcycle, tractor, tank, skateboard)
