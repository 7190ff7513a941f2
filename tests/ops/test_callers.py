"""Every operation has somebody who calls it: kernels that nobody runs are kept by nobody."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import dreamlab
from dreamlab import ops

ROOMS = Path(dreamlab.__file__).parent
# Called by no room, and why they stay.
ALONE = {
    "hash_encode": "the first half of encode_mlp: its twin, and tables read back",
    "mlp": "the second half of encode_mlp: its twin",
    "use_backend": "chooses among the back ends: for tests and benchmarks",
    "BackendName": "the names that use_backend takes",
    "Composite": "what composite returns",
    "Fragments": "what rasterise returns",
}


def callers(sources: Iterable[str]) -> set[str]:
    """Names of dreamlab.ops that these sources use, as ops.NAME or imported from there."""
    found: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Attribute(value=ast.Name(id="ops")):
                    found.add(node.attr)
                case ast.ImportFrom(module=str(module)) if module.startswith("dreamlab.ops"):
                    found |= {alias.name for alias in node.names}
    return found


def outside() -> list[str]:
    paths = [path for path in ROOMS.rglob("*.py") if path.parent != ROOMS / "ops"]
    return [path.read_text(encoding="utf-8") for path in paths]


def test_every_operation_has_a_caller_or_a_reason() -> None:
    public = set(ops.__all__)
    assert public - callers(outside()) - set(ALONE) == set()
    assert set(ALONE) <= public


def test_an_operation_without_a_caller_is_noticed() -> None:
    sources = [
        "from dreamlab import ops\nops.march(1)\n",
        "from dreamlab.ops.raster.rasterise import rasterise\n",
    ]
    assert callers(sources) == {"march", "rasterise"}


def test_every_back_end_has_the_same_operations() -> None:
    from dreamlab.ops.field import native, reference

    def functions(module: object) -> set[str]:
        return {name for name in set(ops.__all__) if callable(getattr(module, name, None))}

    both = {"hash_encode", "mlp", "encode_mlp", "march", "sample_points", "composite"}
    assert both <= functions(native) and both <= functions(reference)
