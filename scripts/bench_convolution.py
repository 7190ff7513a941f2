"""Times the 3x3 convolution against torch's, forward and backward: on the shapes of the embedded prior's
network, on shapes at the border of where tiles pay, and within the whole network. Writes JSON: interleaved
medians in milliseconds.

    python scripts/bench_convolution.py [--threads 1 2] [--images 16] [--rounds 7]
        [--only shapes border network]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import torch
from bench_tools import free_share, interleaved
from torch import Tensor

from dreamlab.ops import use_backend
from dreamlab.ops.conv import native as native_convolution
from dreamlab.ops.field import reference
from dreamlab.ops.threads import available_cores
from dreamlab.priors.embedded.unet import UNet, UNetConfig, channels_last

_SHAPES = [  # inputs, outputs, side
    (20, 64, 32),
    (64, 64, 32),
    (192, 64, 32),
    (128, 20, 32),
    (64, 128, 16),
    (128, 128, 16),
    (384, 128, 16),
    (128, 256, 8),
    (256, 256, 8),
    (512, 256, 8),
]
_BORDER = [(4, 64, 32), (8, 8, 32), (16, 16, 32), *((128, 128, side) for side in (1, 2, 3, 4, 5, 6, 8))]

Convolution = Callable[[Tensor, Tensor, Tensor], Tensor]
_BOTH: dict[str, Convolution] = {"torch": reference.conv3x3, "ours": native_convolution.conv3x3}


def _drawn(*shape: int) -> Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


def _directions(n: int, inputs: int, outputs: int, side: int) -> dict[str, Callable[[], object]]:
    """Jobs "direction whose": forward, and backward to the input and to weight and bias, ready to run."""
    x, weight, bias = _drawn(n, inputs, side, side), _drawn(outputs, inputs, 3, 3) / 30, torch.randn(outputs)
    gradient = _drawn(n, outputs, side, side)
    jobs: dict[str, Callable[[], object]] = {}
    for whose, convolution in _BOTH.items():
        x_leaf, weight_leaf, bias_leaf = (t.clone().requires_grad_() for t in (x, weight, bias))
        of_x = convolution(x_leaf, weight, bias)
        of_weight = convolution(x, weight_leaf, bias_leaf)

        def forward(convolution: Convolution = convolution) -> object:
            return convolution(x, weight, bias)

        def to_input(out: Tensor = of_x, leaf: Tensor = x_leaf) -> object:
            return torch.autograd.grad(out, leaf, gradient, retain_graph=True)

        def to_weight(
            out: Tensor = of_weight, leaves: tuple[Tensor, ...] = (weight_leaf, bias_leaf)
        ) -> object:
            return torch.autograd.grad(out, leaves, gradient, retain_graph=True)

        jobs |= {f"forward {whose}": forward, f"to input {whose}": to_input, f"to weight {whose}": to_weight}
    return jobs


def _compared(times: dict[str, float]) -> dict[str, dict[str, float]]:
    report = {}
    for name in times:
        what = name.removesuffix(" torch")
        if what != name:
            torchs, ours = times[name], times[f"{what} ours"]
            report[what] = {
                "torch": round(torchs, 2),
                "ours": round(ours, 2),
                "faster": round(torchs / ours, 2),
            }
    return report


def shapes(which: list[tuple[int, int, int]], n: int, rounds: int, clock: Callable[[], float]) -> dict:
    report = {}
    for inputs, outputs, side in which:
        times = interleaved(_directions(n, inputs, outputs, side), rounds, clock)
        report[f"{inputs} -> {outputs}, {side} x {side}"] = _compared(times)
    return report


def network(n: int, rounds: int, clock: Callable[[], float]) -> dict:
    """Milliseconds an image: a forward pass without gradients, and forward and backward in training."""
    torch.manual_seed(0)
    net = UNet(UNetConfig())
    channels_last(net)
    side, text = net.config.image_size, torch.randn(n, 12, net.config.text_width)
    rest = (torch.ones(n, 12, dtype=torch.bool), torch.randn(n, net.config.text_width), torch.randn(n, 16))
    rays, known = torch.randn(n, 6, side // net.config.patch, side // net.config.patch), torch.ones(n) > 0
    images = torch.randn(n, net.config.image_channels, side, side)

    def forward() -> Tensor:
        mask, pooled, camera = rest
        mean = net.conditional_mean(text, mask, pooled, camera, rays, known)
        return net(images, mean, torch.zeros(n), text, *rest, rays, known, 4)

    def under(back_end: str, gradients: bool) -> Callable[[], object]:
        def run() -> None:
            with (
                use_backend("reference" if back_end == "torch" else "native"),
                torch.set_grad_enabled(gradients),
            ):
                out = forward()
                if gradients:
                    net.zero_grad(set_to_none=True)
                    out.square().mean().backward()

        return run

    jobs = {
        f"{what} {whose}": under(whose, what != "forward")
        for what in ("forward", "training")
        for whose in _BOTH
    }
    return _compared({name: t / n for name, t in interleaved(jobs, rounds, clock).items()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, available_cores()}))
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--only", nargs="+", choices=("shapes", "border", "network"), default=["shapes", "network"]
    )
    options = parser.parse_args()
    report: dict = {"images": options.images}
    free = [free_share(max(options.threads))]
    for threads in options.threads:
        torch.set_num_threads(threads)
        # One thread's processor time is free of what else the machine does, but for caches and memory.
        clock = time.thread_time if threads == 1 else time.perf_counter
        part = report[f"{threads} threads"] = {}
        if "shapes" in options.only:
            part["shapes"] = shapes(_SHAPES, options.images, options.rounds, clock)
        if "border" in options.only:
            part["border"] = shapes(_BORDER, options.images, options.rounds, clock)
        if "network" in options.only:
            part["milliseconds an image"] = network(options.images, options.rounds, clock)
    free.append(free_share(max(options.threads)))
    report["free_share_of_cores"] = min(free)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
