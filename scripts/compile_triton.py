"""Compiles every Triton kernel to machine code for given cards, on a machine that needs no GPU.

    python scripts/compile_triton.py                      # compute capability 8.0 and 9.0
    python scripts/compile_triton.py --capability 75 86   # a T4, an RTX 3090

Triton brings its own assembler. What is compiled is what dreamlab.ops.field.triton_launch asks for, with
every number of features. It says nothing of results: the tests compare those, in Triton's interpreter.
Exit code 1 if a kernel does not compile.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)  # the interpreter's functions cannot be compiled
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from dreamlab.ops.field import triton_grid, triton_launch, triton_rays
from dreamlab.ops.interface import FEATURES

# An argument has the same type in every kernel.
_OTHERS = {
    **dict.fromkeys(("n_points", "levels", "n_rays", "grid", "most_steps"), "i32"),
    **dict.fromkeys(("layout", "counts"), "*i32"),
    **dict.fromkeys(("starts", "index"), "*i64"),
    "occupancy": "*u8",
    "step": "fp32",
}


def kernels(some_features: Sequence[int]) -> Iterator[tuple[Any, dict[str, int | bool]]]:
    """Every kernel with every set of its constants."""
    for features in some_features:
        sizes = {"FEATURES": features, "BLOCK": triton_launch.POINTS}
        for kernel in (triton_grid.encode, triton_grid.encode_to_table, triton_grid.encode_to_points):
            yield kernel, sizes
    sizes = {"RAYS": triton_launch.RAYS, "STEPS": triton_launch.STEPS}
    for fill in (False, True):
        yield triton_rays.march, {**sizes, "FILL": fill}
    yield triton_rays.composite, sizes
    yield triton_rays.composite_backward, sizes


def compiled(kernel: Any, constants: dict[str, int | bool], capability: int) -> Any:
    """The kernel as triton has it for a card of this compute capability (90: 9.0)."""
    signature = {
        name: "constexpr" if name in constants else _OTHERS.get(name, "*fp32") for name in kernel.arg_names
    }
    source = ASTSource(kernel, signature, constants)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--capability", type=int, nargs="+", default=[80, 90], help="(default: 80 90)")
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES, help="(default: 1 2 4 8)")
    options = parser.parse_args()
    failed = 0
    for capability in options.capability:
        for kernel, constants in kernels(options.features):
            name = f"sm_{capability} {kernel.__name__} {constants}"
            try:
                size = len(compiled(kernel, constants, capability).asm["cubin"])
                sys.stdout.write(f"{name}: {size} bytes\n")
            except Exception as error:
                failed += 1
                sys.stdout.write(f"{name}: FAILED: {type(error).__name__}: {error}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
