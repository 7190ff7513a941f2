"""Every operation and every kernel has somebody who calls it: what nobody runs is kept by nobody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import dreamlab
from dreamlab import ops

PACKAGE = Path(dreamlab.__file__).parent
# Called by nothing outside dreamlab.ops, and why they stay.
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
    paths = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "ops")]
    return [path.read_text(encoding="utf-8") for path in paths]


def exported(sources: Iterable[str]) -> set[str]:
    """Names of the library's functions that these C++ sources define."""
    found = (re.findall(r"^(?:void|int\w*|const char\*)\s+(dl_\w+)\(", source, re.M) for source in sources)
    return {name for names in found for name in names}


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


def test_every_kernel_is_called_from_python() -> None:
    kernels = exported(path.read_text(encoding="utf-8") for path in PACKAGE.glob("ops/csrc/*.cpp"))
    python = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert len(kernels) > 20
    assert {name for name in kernels if not re.search(rf"\b{name}\b", python)} == set()


def test_a_kernel_is_found_by_its_definition() -> None:
    source = "int dl_one(int x) {\nvoid dl_two(\n  dl_call(3);\nint64_t dl_three(\nconst char* dl_four() {"
    assert exported([source]) == {"dl_one", "dl_two", "dl_three", "dl_four"}


def test_every_back_end_has_the_same_operations() -> None:
    from dreamlab.ops.field import native, reference

    def functions(module: object) -> set[str]:
        return {name for name in set(ops.__all__) if callable(getattr(module, name, None))}

    both = {"hash_encode", "mlp", "encode_mlp", "march", "sample_points", "composite"}
    assert both <= functions(native) and both <= functions(reference)
