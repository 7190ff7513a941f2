"""Vehicles of road and rail: car, truck, bus, train, fire truck, police car."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    DARK_GREEN,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SILVER,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, LAMP, PANE, STEEL, TAIL_LAMP, side_profile, wheels
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, frustum, sphere


@generator("car", "vehicle", natural=(RED, RED, BLUE, YELLOW, WHITE, SILVER, GREEN))
def car(b: Builder, rng: Rng, main: Paint) -> None:
    length, width, high = rng.uniform(1.7, 2.1), rng.uniform(0.85, 1.0), rng.uniform(0.36, 0.44)
    radius = rng.uniform(0.2, 0.25)
    half = length / 2
    rear = rng.choice((0.0, 0.3))  # a hatchback ends in its cabin, a saloon has a boot
    low = radius * 0.75
    b.add(
        side_profile(
            [
                (-half, low),
                (half, low),
                (half, low + high * 0.55),
                (half * 0.9, low + high * 0.85),
                (half * 0.35, low + high),
                (-half * 0.9, low + high),
                (-half, low + high * 0.8),
            ],
            width,
        ),
        main.rgb,
    )
    deck, tall = low + high - 0.02, rng.uniform(0.34, 0.42)
    cabin = length * (0.62 - rear * 0.3)
    middle = -half * 0.97 + rear + cabin / 2
    taper = (0.8, 0.68)
    b.add(box(width * 0.94, tall, cabin, taper).at(0, deck, middle), main.rgb)
    lean = float(np.degrees(np.arctan2(width * 0.094, tall)))
    for start, end in ((-0.4, -0.03), (0.03, 0.4)):
        pane = [(start, 0.14), (end, 0.14), (end * 0.8, 0.8), (start * 0.8, 0.8)]
        side = (
            side_profile([(z * cabin, y * tall) for z, y in pane], 0.03)
            .rz(lean)
            .at(width * 0.47, deck, middle)
        )
        b.add_pair(side, PANE)
    b.add(box(width * 0.78, tall * 0.7, cabin * 1.0, (0.84, 0.79)).at(0, deck + tall * 0.1, middle), PANE)
    b.add(box(width * 0.84, 0.06, cabin * 0.72, (0.96, 0.96)).at(0, deck + tall * 0.94, middle), main.rgb)
    wheels(b, width / 2 - 0.05, (half * 0.6, -half * 0.6), radius, 0.17, STEEL * 1.2)
    lamp_y = low + high * 0.42
    b.add_pair(cylinder(0.085, 0.06, 10).rx(90).at(width * 0.34, lamp_y, half - 0.02), LAMP)
    b.add_pair(box(0.18, 0.1, 0.06).at(width * 0.34, lamp_y - 0.02, -half), TAIL_LAMP)
    b.add(box(width * 0.34, 0.1, 0.04).at(0, lamp_y - 0.06, half), DARK)
    for z in (half, -half):
        b.add(
            box(width * 1.02, 0.09, 0.1, bevel=0.02).at(0, low - 0.02, z),
            STEEL if main.color != "grey" else DARK,
        )
    if rng.random() < 0.25:
        stripe = paint(rng, (WHITE, BLACK, YELLOW, RED), unlike=main.color)
        b.add(box(width * 0.22, 0.03, cabin * 0.7).at(0, deck + tall, middle), stripe.rgb)
        b.add(box(width * 0.22, 0.03, half * 0.5).rx(5).at(0, deck, half * 0.62), stripe.rgb)
        b.say(f"with {with_article(stripe.words())} stripe")


def _lamps(b: Builder, x: float, y: float, front: float, back: float, size: float = 0.08) -> None:
    """Head and tail lamps."""
    b.add_pair(cylinder(size, 0.06, 10).rx(90).at(x, y, front - 0.02), LAMP)
    b.add_pair(box(size * 1.8, size * 1.4, 0.06).at(x, y - size * 0.7, back), TAIL_LAMP)


def _cab(
    b: Builder, rgb: np.ndarray, width: float, low: float, tall: float, back: float, front: float
) -> None:
    """A lorry's cab with windscreen, side windows, grille and bumper."""
    deep = front - back
    outline = [
        (back, low),
        (front, low),
        (front, low + tall * 0.55),
        (front - deep * 0.12, low + tall),
        (back, low + tall),
    ]
    b.add(side_profile(outline, width), rgb)
    screen = box(width * 0.84, tall * 0.4, 0.05).rx(-14).at(0, low + tall * 0.54, front - deep * 0.01)
    b.add(screen, PANE)
    pane = [
        (back + deep * 0.2, low + tall * 0.55),
        (front - deep * 0.12, low + tall * 0.55),
        (front - deep * 0.22, low + tall * 0.9),
        (back + deep * 0.2, low + tall * 0.9),
    ]
    b.add(side_profile(pane, width * 1.02), PANE)
    b.add(box(width * 0.5, tall * 0.16, 0.05).at(0, low + tall * 0.24, front), DARK)
    b.add(box(width * 1.03, 0.1, 0.12, bevel=0.02).at(0, low - 0.02, front), STEEL)
    b.add_pair(cylinder(0.08, 0.05, 10).rx(90).at(width * 0.37, low + tall * 0.32, front - 0.01), LAMP)


@generator("truck", "vehicle", natural=(RED, BLUE, WHITE, YELLOW, GREEN, ORANGE))
def truck(b: Builder, rng: Rng, main: Paint) -> None:
    """The cab bears the colour; behind it a box or an open bed."""
    load = paint(rng, (WHITE, WHITE, SILVER, ORANGE, BLUE), unlike=main.color)
    width, half, radius = rng.uniform(0.75, 0.85), rng.uniform(0.95, 1.12), 0.21
    cab = half - rng.uniform(0.55, 0.65)
    b.add(box(width * 0.8, 0.14, half * 1.95).at(0, 0.2, 0), DARK * 2)
    _cab(b, main.rgb, width, 0.2, rng.uniform(0.72, 0.85), cab, half)
    length, middle = cab + half - 0.06, (cab - half - 0.06) / 2
    if rng.random() < 0.6:
        tall = rng.uniform(0.75, 0.95)
        b.add(box(width * 1.08, tall, length).at(0, 0.32, middle), main.shade(0.88))
        b.add(box(width * 1.1, tall * 0.24, length * 1.01).at(0, 0.32 + tall * 0.4, middle), load.rgb)
        b.add(box(0.02, tall * 0.85, 0.03).at(0, 0.38, -half - 0.02), DARK)
        b.say(f"with {with_article(load.words())} stripe")
    else:
        b.add(box(width * 1.06, 0.08, length).at(0, 0.34, middle), main.rgb)
        b.add_pair(box(0.07, 0.36, length).at(width * 0.5, 0.34, middle), main.rgb)
        for z in (cab - 0.1, -half + 0.04):
            b.add(box(width * 1.06, 0.36, 0.07).at(0, 0.34, z), main.rgb)
        b.add(
            frustum(0.48, 0.1, 0.3, 8).scaled(width * 0.9, 1, length * 0.9).at(0, 0.4, middle),
            (0.45, 0.32, 0.2),
        )
        b.say("with a load of earth")
    wheels(b, width / 2 - 0.02, (half * 0.7, -half * 0.35, -half * 0.76), radius, 0.18, STEEL * 1.2)
    b.add_pair(box(0.14, 0.1, 0.05).at(width * 0.34, 0.22, -half), TAIL_LAMP)


@generator("bus", "vehicle", natural=(YELLOW, RED, RED, BLUE, GREEN, ORANGE))
def bus(b: Builder, rng: Rng, main: Paint) -> None:
    stripe = paint(rng, (WHITE, WHITE, GREY, YELLOW), unlike=main.color)
    width, half, tall = rng.uniform(0.7, 0.8), rng.uniform(1.05, 1.2), rng.uniform(0.68, 0.78)
    decks = 2 if rng.random() < 0.25 else 1
    high = tall * (1.6 if decks == 2 else 1)
    b.add(box(width, high, half * 2, bevel=0.08).at(y=0.17), main.rgb)
    b.add(box(width * 0.6, 0.07, half * 0.5, bevel=0.02).at(y=0.16 + high, z=-half * 0.2), stripe.rgb)
    for deck in range(decks):
        level = 0.17 + high - tall * 0.52 - deck * tall * 0.72
        for z in np.linspace(-half * 0.8, half * 0.8, 6):
            b.add_pair(box(0.03, tall * 0.34, half * 0.26).at(width / 2, level, z), PANE * 0.8)
        b.add(box(width * 0.84, tall * 0.4, 0.04).at(0, level - 0.03, half), PANE * 0.8)
        b.add(box(width * 0.7, tall * 0.3, 0.04).at(0, level, -half), PANE * 0.8)
    b.add(box(0.03, tall * 0.62, half * 0.2).at(width / 2 + 0.005, 0.19, half * 0.62), DARK * 2.5)
    b.add_pair(box(0.03, 0.1, half * 1.9).at(width / 2, 0.36, 0), stripe.rgb)
    b.add(box(width * 0.5, 0.1, 0.04).at(0, 0.06 + high, half + 0.005), DARK)
    b.add(box(width * 1.02, 0.09, 0.1, bevel=0.02).at(0, 0.16, half), DARK)
    _lamps(b, width * 0.36, 0.32, half + 0.02, -half - 0.01)
    wheels(b, width / 2 - 0.06, (half * 0.62, -half * 0.6), 0.19, 0.16, STEEL * 1.2)
    if decks == 2:
        b.say("with two decks")
    b.say(f"with {with_article(stripe.words())} stripe")


@generator("train", "vehicle", natural=(RED, GREEN, BLUE, BLACK, DARK_GREEN))
def train(b: Builder, rng: Rng, main: Paint) -> None:
    """A steam engine; the boiler and the cab bear the colour."""
    trim = paint(rng, (YELLOW, YELLOW, RED, BLUE, WHITE), unlike=main.color)
    r, half = rng.uniform(0.28, 0.33), rng.uniform(0.95, 1.1)
    axle, y = 0.19, 0.36 + r
    b.add(box(0.66, 0.12, half * 2).at(0, 0.3, 0), DARK * 2)
    boiler = half * 1.3
    b.add(cylinder(r, boiler, 16).rx(90).at(0, y, half - boiler - 0.06), main.rgb)
    for t in (0.04, 0.4, 0.76):
        b.add(cylinder(r * 1.04, 0.06, 16).rx(90).at(0, y, half - 0.1 - boiler * t), trim.rgb)
    b.add(cylinder(r * 0.82, 0.05, 16).rx(90).at(0, y, half - 0.08), DARK * 2)
    b.add(sphere(0.1, 0.1, 0.07, segments=10, rows=6).at(0, y + r * 0.3, half), LAMP)
    b.add(frustum(0.1, 0.12, 0.34, 12).at(0, y + r * 0.85, half - 0.32), DARK * 2)
    b.add(frustum(0.13, 0.21, 0.16, 12).at(0, y + r * 0.85 + 0.3, half - 0.32), trim.rgb)
    b.add(dome(0.13, 0.22, 12, 4).at(0, y + r * 0.9, half - 0.75), trim.rgb)
    cabin, back = half * 0.62, -half
    b.add(box(0.72, 0.92, cabin).at(0, 0.38, back + cabin / 2), main.rgb)
    b.add(box(0.86, 0.08, cabin * 1.25, taper=(0.9, 1)).at(0, 1.3, back + cabin / 2), main.shade(0.8))
    b.add(box(0.74, 0.3, cabin * 0.5).at(0, 0.9, back + cabin / 2), PANE * 0.75)
    b.add_pair(box(0.16, 0.24, 0.04).at(0.25, 0.95, back + cabin), PANE * 0.75)
    b.add(
        cone(0.42, 0.4, 4).ry(45).scaled(1.15, 1, 0.9).rx(90).scaled(1, 0.55, 1).at(0, 0.2, half - 0.06),
        trim.rgb,
    )
    wheels(b, 0.34, (half * 0.66, half * 0.24), axle, 0.1, trim.rgb, DARK * 2.5)
    wheels(b, 0.34, (-half * 0.2, -half * 0.68), axle * 1.35, 0.1, trim.rgb, DARK * 2.5)
    b.add_pair(box(0.05, 0.06, half * 1.2).at(0.42, axle, 0), STEEL)
    if rng.random() < 0.4:
        for k, size in enumerate((0.1, 0.12, 0.15)):
            b.add(
                sphere(size, segments=10, rows=6).at(0, y + r + 0.5 + 0.2 * k, half - 0.36 - 0.16 * k),
                (0.93, 0.93, 0.94),
            )
        b.say("with white smoke")
    b.say(f"with {trim.words()} wheels")


@generator("fire truck", "vehicle", natural=(RED,), wild=0.12)
def fire_truck(b: Builder, rng: Rng, main: Paint) -> None:
    width, half, tall = rng.uniform(0.74, 0.82), rng.uniform(1.0, 1.15), rng.uniform(0.62, 0.72)
    cab = half * 0.42
    b.add(box(width, tall * 0.88, half + cab).at(0, 0.2, (cab - half) / 2), main.rgb)
    _cab(b, main.rgb, width, 0.2, tall * 1.1, cab - 0.02, half)
    b.add_pair(box(0.03, 0.1, half * 1.35).at(width / 2, 0.5, -half * 0.3), (0.97, 0.97, 0.95))
    for z in (-half * 0.75, -half * 0.35, half * 0.05):
        b.add_pair(box(0.03, 0.22, half * 0.26).at(width / 2, 0.23, z), STEEL)
    top = 0.2 + tall * 0.88
    tilt = rng.uniform(3, 12)
    for x in (-0.14, 0.14):
        b.add(
            box(0.06, 0.07, half * 1.9).at(x, 0.06, half * 0.8).rx(-tilt).at(0, top + 0.04, -half * 0.95),
            (0.92, 0.92, 0.93),
        )
    for k in range(8):
        b.add(
            box(0.3, 0.05, 0.05)
            .at(0, 0.07, half * (0.05 + 0.22 * k))
            .rx(-tilt)
            .at(0, top + 0.04, -half * 0.95),
            (0.92, 0.92, 0.93),
        )
    b.add(cylinder(0.2, 0.1, 12).at(0, top - 0.02, -half * 0.7), STEEL)
    b.add_pair(
        sphere(0.08, 0.08, 0.08, segments=8, rows=6).at(width * 0.3, 0.22 + tall * 1.1, half * 0.7),
        (0.15, 0.4, 0.95),
    )
    wheels(b, width / 2 - 0.03, (half * 0.68, -half * 0.62), 0.21, 0.18, STEEL * 1.2)
    b.add_pair(box(0.14, 0.1, 0.05).at(width * 0.34, 0.3, -half), TAIL_LAMP)
    b.say("with a ladder on top")


@generator("police car", "vehicle", natural=(WHITE, WHITE, BLACK, BLUE), wild=0.1)
def police_car(b: Builder, rng: Rng, main: Paint) -> None:
    door = paint(rng, (BLACK, BLUE, WHITE), unlike=main.color)
    half, width, low, deck = rng.uniform(0.95, 1.05), rng.uniform(0.85, 0.95), 0.17, 0.55
    b.add(
        side_profile(
            [
                (-half, low),
                (half, low),
                (half, 0.42),
                (half * 0.92, 0.5),
                (half * 0.4, deck),
                (-half * 0.92, deck),
                (-half, 0.5),
            ],
            width,
        ),
        main.rgb,
    )
    b.add(
        side_profile(
            [
                (-half * 0.42, low + 0.02),
                (half * 0.36, low + 0.02),
                (half * 0.36, deck - 0.01),
                (-half * 0.42, deck - 0.01),
            ],
            width * 1.02,
        ),
        door.rgb,
    )
    cabin = [(-half * 0.62, deck - 0.02), (half * 0.42, deck - 0.02), (half * 0.12, 0.9), (-half * 0.4, 0.9)]
    b.add(side_profile(cabin, width * 0.84), PANE * 0.8)
    b.add(box(width * 0.86, 0.06, half * 0.56).at(0, 0.87, -half * 0.14), main.rgb)
    for z0, z1 in ((half * 0.42, half * 0.12), (-half * 0.1, -half * 0.12), (-half * 0.62, -half * 0.4)):
        post = [(z0 - 0.04, deck - 0.02), (z0 + 0.04, deck - 0.02), (z1 + 0.04, 0.9), (z1 - 0.04, 0.9)]
        b.add_pair(side_profile(post, 0.05).at(width * 0.41), main.rgb)
    b.add(box(0.26, 0.13, 0.14, bevel=0.03).at(-0.14, 0.92, -half * 0.12), (0.9, 0.1, 0.1))
    b.add(box(0.26, 0.13, 0.14, bevel=0.03).at(0.14, 0.92, -half * 0.12), (0.1, 0.25, 0.95))
    b.add(box(width * 0.34, 0.1, 0.04).at(0, 0.3, half), DARK)
    for z in (half, -half):
        b.add(box(width * 1.02, 0.09, 0.1, bevel=0.02).at(0, low - 0.02, z), DARK * 3)
    _lamps(b, width * 0.34, 0.36, half, -half)
    wheels(b, width / 2 - 0.05, (half * 0.62, -half * 0.62), 0.21, 0.17, STEEL * 1.2)
    b.say(f"with {door.words()} doors")
    b.say("with red and blue lights")


GENERATORS = (car, truck, bus, train, fire_truck, police_car)
