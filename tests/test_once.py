"""What has been written several times before stands in one place now, and what was a trick in none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dreamlab

PACKAGE = Path(dreamlab.__file__).parent
PLACES = {
    "sRGB's curve": (r"0\.0031308|0\.04045", {"mesh/geometry/color.py"}),
    "absorption along a ray": (
        r"cumprod\(|torch\.exp\(-\(?sigma|expm1\(",
        {"core/quadrature.py", "ops/field/reference.py"},  # of even steps; of any, with gradient
    ),
    "the chunks of a GLB": (
        r"0x4E4F534A",
        {"mesh/io/gltf.py", "mesh/io/gltf_file.py"},  # the writer and the reader
    ),
    "the angle-weighted normal": (r"def vertex_normals", {"mesh/geometry/topology.py"}),
    "abilities of priors by the names of attributes": (r"(get|has)attr\((self\.)?_?prior\b", set()),
    "views told apart by the bits of their cameras": (r"equal\([^)]*c2w|c2w\S* == ", set()),
    "tangents": (r"def tangents_of", {"mesh/geometry/shape.py"}),
}


def places(pattern: str) -> set[str]:
    found = (path for path in PACKAGE.rglob("*.py") if re.search(pattern, path.read_text(encoding="utf-8")))
    return {path.relative_to(PACKAGE).as_posix() for path in found}


@pytest.mark.parametrize("what", PLACES)
def test_it_stands_in_its_place_alone(what: str) -> None:
    pattern, expected = PLACES[what]
    assert places(pattern) == expected
