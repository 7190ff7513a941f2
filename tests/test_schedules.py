"""Ramps: ends, shapes and what they refuse."""

import pytest
from pydantic import BaseModel, ValidationError

from dreamlab.core.schedules import Ramp


class Holder(BaseModel):
    weight: Ramp


def test_ramp_rests_outside_and_is_linear_inside() -> None:
    ramp = Ramp(start=2.0, end=6.0, from_=0.25, to=0.75)
    assert [ramp(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)] == [2.0, 2.0, 4.0, 6.0, 6.0]


def test_cosine_ramp_is_flat_at_its_ends() -> None:
    ramp = Ramp(start=0.0, end=1.0, curve="cosine")
    assert ramp(0.5) == pytest.approx(0.5)
    assert ramp(0.01) < 0.001 and ramp(0.99) > 0.999


def test_step_ramp_jumps() -> None:
    ramp = Ramp(start=0.0, end=1.0, from_=0.5, to=0.5)
    assert ramp(0.49) == 0.0 and ramp(0.5) == 1.0


def test_number_is_a_constant_and_mapping_uses_the_word_from() -> None:
    assert Holder.model_validate({"weight": 3}).weight == Ramp.constant(3.0)
    ramp = Holder.model_validate({"weight": {"start": 0, "end": 1, "from": 0.2, "to": 0.4}}).weight
    assert ramp(0.3) == pytest.approx(0.5)
    assert Ramp.model_validate(ramp.model_dump()) == ramp and "from" in ramp.model_dump()


def test_scaling_scales_both_ends() -> None:
    ramp = Ramp(start=1.0, end=3.0).scaled(2.0)
    assert (ramp(0.0), ramp(1.0)) == (2.0, 6.0)


def test_a_second_ramp_takes_over_at_its_own_beginning() -> None:
    decay = {"start": 4, "end": 0, "from": 0.5, "curve": "cosine"}
    ramp = Ramp.model_validate({"start": 0, "end": 2, "to": 0.25, "then": decay})
    assert [ramp(p) for p in (0.0, 0.125, 0.4, 0.5, 1.0)] == [0.0, 1.0, 2.0, 4.0, 0.0]
    assert ramp(0.75) == pytest.approx(2.0) and ramp.scaled(3.0)(0.5) == 12.0
    plain = ramp.model_dump()
    assert Ramp.model_validate(plain) == ramp and "then" not in plain["then"]


@pytest.mark.parametrize(
    "bad",
    [
        {"start": 0, "end": 1, "to": 0.5, "then": {"start": 1, "end": 0, "from": 0.4}},
        {"start": 0, "end": 1, "from": 0.6, "to": 0.4},
        {"start": 0, "end": float("nan")},
        {"start": 0, "end": 1, "till": 0.4},
        {"start": 0, "end": 1, "to": 1.5},
        True,
        "high",
    ],
)
def test_senseless_ramps_are_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"weight": bad})
