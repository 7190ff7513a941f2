"""Vehicles on land: everything on wheels or tracks."""

from __future__ import annotations

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import BLACK, BLUE, GREEN, RED, SILVER, WHITE, YELLOW, Paint, generator, paint
from dreamlab.studio.shapes.parts import DARK, LAMP, PANE, STEEL, TAIL_LAMP, side_profile, wheels
from dreamlab.studio.shapes.solids import box, cylinder


@generator("car", "vehicle", natural=(RED, RED, BLUE, YELLOW, WHITE, SILVER, GREEN))
def car(b: Builder, rng: Rng, main: Paint) -> None:
    length, width, high = rng.uniform(1.7, 2.1), rng.uniform(0.85, 1.0), rng.uniform(0.36, 0.44)
    radius, half = rng.uniform(0.2, 0.25), 0.0
    half = length / 2
    rear = rng.choice((0.0, 0.3))  # a hatchback ends in its cabin, a saloon has a boot
    low = radius * 0.75
    b.add(side_profile([(-half, low), (half, low), (half, low + high * 0.55), (half * 0.9, low + high * 0.85),
                        (half * 0.35, low + high), (-half * 0.9, low + high), (-half, low + high * 0.8)], width), main.rgb)  # fmt: skip
    deck, tall = low + high - 0.02, rng.uniform(0.34, 0.42)
    cabin = length * (0.62 - rear * 0.3)
    middle = -half * 0.97 + rear + cabin / 2
    taper = (0.8, 0.68)
    b.add(box(width * 0.94, tall, cabin, taper).at(0, deck, middle), main.rgb)
    for z in (-0.22, 0.22):
        b.add(box(width * 0.96, tall * 0.66, cabin * 0.37, (0.86, 0.8)).at(0, deck + tall * 0.12, middle + z * cabin * 0.82), PANE)
    b.add(box(width * 0.78, tall * 0.7, cabin * 1.0, (0.84, 0.79)).at(0, deck + tall * 0.1, middle), PANE)
    b.add(box(width * 0.84, 0.06, cabin * 0.72, (0.96, 0.96)).at(0, deck + tall * 0.94, middle), main.rgb)
    wheels(b, width / 2 - 0.05, (half * 0.6, -half * 0.6), radius, 0.17, STEEL * 1.2)
    lamp_y = low + high * 0.42
    b.add_pair(cylinder(0.085, 0.06, 10).rx(90).at(width * 0.34, lamp_y, half - 0.02), LAMP)
    b.add_pair(box(0.18, 0.1, 0.06).at(width * 0.34, lamp_y - 0.02, -half), TAIL_LAMP)
    b.add(box(width * 0.34, 0.1, 0.04).at(0, lamp_y - 0.06, half), DARK)
    for z in (half, -half):
        b.add(box(width * 1.02, 0.09, 0.1, bevel=0.02).at(0, low - 0.02, z), STEEL if main.colour != "grey" else DARK)
    if rng.random() < 0.25:
        stripe = paint(rng, (WHITE, BLACK, YELLOW, RED), unlike=main.colour)
        b.add(box(width * 0.22, 0.03, cabin * 0.7).at(0, deck + tall + 0.0, middle), stripe.rgb)
        b.add(box(width * 0.22, 0.03, half * 0.5).rx(5).at(0, deck, half * 0.62), stripe.rgb)
        b.say(f"with a {stripe.words()} stripe")


GENERATORS = (car,)
