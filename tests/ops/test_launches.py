"""How many operations the reference hands to a device, and how often the host waits for it: on a GPU each
costs microseconds, whatever it does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_transfers import Transfers

from dreamlab import ops
from dreamlab.core.cameras import OrbitCamerasConfig
from dreamlab.core.types import RenderOutput
from dreamlab.render import VolumeRendererConfig
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.scenes import HashGridFieldConfig

NO_LAUNCH = {"view", "_unsafe_view", "expand", "slice", "select", "unsqueeze", "squeeze", "unbind", "split",
             "split_with_sizes", "t", "alias", "detach", "transpose", "permute"}  # fmt: skip
"""They only name the same memory anew."""
WAITS = {"nonzero", "bincount", "lift_fresh"}
"""Beside reading numbers: they need some for the shape of what they return, and what torch.tensor(list) and
tensor.new_tensor(list) end in copies from the host."""


class Launches(Transfers):
    """Counts operations, and notes where the host waits: for numbers, or to copy its own to the device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.count += name not in NO_LAUNCH
        if name in WAITS:
            self.note()
        return super().__torch_dispatch__(func, types, args, kwargs)


def encoding(levels: int, n: int) -> Any:
    spec = ops.HashGridSpec(levels=levels, log2_table_size=12, base_resolution=4, finest_resolution=64)
    table = torch.zeros(spec.table_rows, spec.features, requires_grad=True)

    def encode() -> None:
        with ops.use_backend("reference"):
            ops.hash_encode(torch.rand(n, 3), table, spec).sum().backward()

    encode()  # what is kept on the device is there from the second time on
    return encode


@pytest.mark.parametrize("n", [0, 1, 500])
def test_an_encoding_takes_as_many_operations_at_sixteen_levels_as_at_two(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for levels in (2, 16):
        encode = encoding(levels, n)
        with Launches(monkeypatch) as launches:
            encode()
        assert not launches.places
        counts.append(launches.count)
    assert counts[0] == counts[1] < 60


def rendered(samples: int = 24) -> Any:
    field = HashGridFieldConfig(levels=16, log2_table_size=10, finest_resolution=64, width=16)
    scene = field.build(torch.Generator().manual_seed(0))
    renderer = VolumeRendererConfig(samples=samples).build()
    background = SolidBackgroundConfig().build(torch.Generator())
    cameras = OrbitCamerasConfig(views=2).build((8, 8)).sample(2, 0.0, torch.Generator().manual_seed(0))

    def render() -> RenderOutput:
        with ops.use_backend("reference"):
            return renderer(scene, cameras, background=background, buffers=("normal",))

    render()
    return render


def test_a_render_waits_for_what_shapes_depend_on_and_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    render = rendered()
    with Launches(monkeypatch) as launches:
        out = render()
        forwards = launches.count
        out.rgb.sum().backward()
    assert forwards < 320 and launches.count < 400
    needed = (
        "steps.max().item()",
        "kept.nonzero(",
        "torch.stack([ray[0], ray[-1]",
        "(heaviest >= 0).nonzero()",
    )
    assert len(launches.places) == len(needed)
    assert all(part in place for part, place in zip(needed, launches.places, strict=True))


def test_waiting_and_copying_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(3)
    with Launches(monkeypatch) as launches:
        x[0].item(), x.tolist(), x.nonzero(), x.new_tensor([1.0]), bool(x[0])
    assert len(launches.places) == 5 and launches.count > 3


def test_what_is_kept_on_the_device_serves_gradients_though_it_was_made_without() -> None:
    spec = ops.HashGridSpec(levels=2, log2_table_size=7, base_resolution=3, finest_resolution=11)
    with torch.inference_mode(), ops.use_backend("reference"):
        ops.hash_encode(torch.rand(4, 3), torch.zeros(spec.table_rows, 2), spec)
    table = torch.zeros(spec.table_rows, 2, requires_grad=True)
    with ops.use_backend("reference"):
        ops.hash_encode(torch.rand(4, 3), table, spec).sum().backward()
    assert table.grad is not None and float(table.grad.sum()) == pytest.approx(4 * 2 * 2)
