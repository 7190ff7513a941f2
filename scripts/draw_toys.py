"""Draw what every distillation method does to points in the plane: `scripts/draw_toys.py docs/figures`.

The prior is a Gaussian mixture, exact at every noise level: three tight modes under the prompt, one broad
cloud that is everything else, one cloud that the negative prompt names. Each of 64 points follows its own
gradient.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.guidance import (
    AnchorDSConfig,
    ASDConfig,
    CFGConfig,
    CSDConfig,
    DDSConfig,
    ISMConfig,
    NFSDConfig,
    NoiseConfig,
    RFDSConfig,
    SDIConfig,
    SDSConfig,
    SJCConfig,
    VSDConfig,
)
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.priors.analytic import Component, GaussianMixturePrior

POINTS, EXTENT, PANEL, ZOOM = 64, 2.4, 240, 2
INK, PALE, HOT = (38, 44, 56), (255, 255, 255), (214, 92, 58)
Trail = list[Tensor]


@dataclass(frozen=True)
class Panel:
    """A title, the prior under its prompt, and where the points went."""

    title: str
    prior: GaussianMixturePrior
    prompt: str
    trail: Trail


def point(x: float, y: float) -> Tensor:
    return torch.tensor([x, y]).reshape(2, 1, 1)


def three_modes() -> GaussianMixturePrior:
    angles = [math.pi / 2 + i * 2 * math.pi / 3 for i in range(3)]
    modes = [Component(point(math.cos(a), math.sin(a)), 0.2, text="prompt") for a in angles]
    return GaussianMixturePrior(
        [
            *modes,
            Component(point(0.0, 0.0), 1.2, 3.0, text="else"),
            Component(point(0.0, -0.5), 1.2, 1.0, text="bad"),
        ]
    )


def two_classes() -> GaussianMixturePrior:
    return GaussianMixturePrior(
        [Component(point(0.5, 0.0), 0.6, text="prompt"), Component(point(-0.5, 0.0), 0.6, text="other")]
    )


def one_cloud() -> GaussianMixturePrior:
    return GaussianMixturePrior([Component(point(0.0, 0.0), 0.7, text="prompt")])


def as_render(points: Tensor) -> RenderOutput:
    rgb = torch.cat([points, torch.zeros_like(points[:, :1])], dim=1)[:, None, None]
    one = torch.ones_like(rgb[..., :1])
    return RenderOutput(rgb, one, one, torch.zeros_like(rgb))


class Still:
    """Points as the source of an edit."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __call__(self, cameras: Cameras, background: Tensor) -> RenderOutput:
        return as_render(self.points)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        pass


def seen(n: int) -> Cameras:
    zero = torch.zeros(n)
    return orbit_cameras(zero, zero, zero + 1, zero + 1, (1, 1))


def scattered(seed: int = 0) -> Tensor:
    return 0.9 * torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(seed))


def descend(
    guidance: Guidance, prompts: ViewPrompts, start: Tensor, steps: int = 400, rate: float = 0.1
) -> Trail:
    """Each point down its own gradient, at a rate that falls to a tenth."""
    generator, x, trail = torch.Generator().manual_seed(1), start, [start]
    for i in range(steps):
        x = x.detach().requires_grad_()
        loss = guidance(as_render(x), seen(len(x)), prompts, i / steps, generator).loss
        (gradient,) = torch.autograd.grad(loss, x)
        x = (x - rate * (1 - 0.9 * i / steps) * len(x) * gradient).detach()
        trail.append(x)
    return trail


def follow(
    title: str,
    prior: GaussianMixturePrior,
    build: Callable[..., Guidance],
    cfg: CFGConfig = CFGConfig(text=1),
    noise: NoiseConfig = NoiseConfig(),
) -> Panel:
    negative = "bad" if any(c.text == "bad" for c in prior.components) else ""
    prompts = ViewPrompts(prior, "prompt", negative, view_dependent=False)
    return Panel(title, prior, "prompt", descend(build(prior, cfg, noise), prompts, scattered()))


def sampled(title: str, prior: GaussianMixturePrior) -> Panel:
    x = prior.sample(prior.embed(["prompt"] * POINTS), torch.Generator().manual_seed(0))
    return Panel(title, prior, "prompt", [x.flatten(1)])


def edited(prior: GaussianMixturePrior) -> Panel:
    """Points of the other class, edited into the prompt's: DDS moves them over and keeps their places."""
    start = prior.sample(prior.embed(["other"] * POINTS), torch.Generator().manual_seed(0)).flatten(1)
    config = DDSConfig(source_prompt="other", weighting="uniform")
    guidance = config.build(prior, CFGConfig(text=1))
    guidance.set_source(lambda: Still(start))
    prompts = ViewPrompts(prior, "prompt", view_dependent=False)
    return Panel("DDS: other to prompt", prior, "prompt", descend(guidance, prompts, start))


def spread_panels() -> list[Panel]:
    vsd, sds = VSDConfig(weighting="uniform", learning_rate=1e-2), SDSConfig()
    cloud, pair = one_cloud(), two_classes()
    return [
        sampled("data", cloud),
        follow("SDS collapses", cloud, sds.build),
        follow("VSD keeps the spread", cloud, vsd.build),
        edited(pair),
        *(follow(f"SDS, guidance {s}", pair, sds.build, CFGConfig(text=s)) for s in (1, 2, 4)),
        follow("VSD, guidance 2", pair, vsd.build, CFGConfig(text=2)),
    ]


def method_panels() -> list[Panel]:
    prior, guided = three_modes(), CFGConfig(text=2)
    low = NoiseConfig.model_validate({"t_min": 0.02, "t_max": 0.6})
    walk = NoiseConfig.model_validate({"t_min": 0.2, "t_max": 0.6, "levels": "linear"})
    methods: list[tuple[str, Callable[..., Guidance], CFGConfig, NoiseConfig]] = [
        ("SDS", SDSConfig().build, guided, low),
        ("SDS, unguided", SDSConfig().build, CFGConfig(text=1), low),
        ("SJC", SJCConfig(weighting="uniform", variance_reduction=False).build, guided, low),
        ("VSD", VSDConfig(weighting="uniform", learning_rate=1e-2).build, guided, low),
        ("CSD", CSDConfig(weighting="uniform").build, guided, low),
        ("NFSD", NFSDConfig(weighting="uniform").build, guided, low),
        ("ISM", ISMConfig().build, guided, low),
        ("SDI", SDIConfig(inversion_scale=-3.75).build, guided, walk),
        ("ASD", ASDConfig(weighting="uniform").build, guided, low),
        ("AnchorDS", AnchorDSConfig(weighting="uniform").build, guided, low),
        ("RFDS", RFDSConfig(weighting="uniform", reverse=True).build, guided, low),
    ]
    return [
        sampled("data", prior),
        *(follow(title, prior, build, cfg, noise) for title, build, cfg, noise in methods),
    ]


def pixel(points: Tensor) -> list[tuple[float, float]]:
    size = PANEL * ZOOM
    return [((x / EXTENT + 1) * size / 2, (1 - y / EXTENT) * size / 2) for x, y in points.tolist()]


def shade(panel: Panel) -> Image.Image:
    """The density under the prompt, pale to blue."""
    axis = torch.linspace(-EXTENT, EXTENT, PANEL)
    grid = torch.stack(torch.meshgrid(axis, -axis, indexing="xy"), dim=-1).reshape(-1, 2, 1, 1)
    level = torch.full((len(grid),), 0.02)
    density = panel.prior.log_density(grid, level, panel.prior.embed([panel.prompt] * len(grid))).exp()
    strength = (density / density.max()).sqrt().reshape(PANEL, PANEL, 1)
    color = 255 - strength * torch.tensor([150.0, 95.0, 40.0])
    image = Image.fromarray(color.byte().numpy())
    return image.resize((PANEL * ZOOM, PANEL * ZOOM), Image.Resampling.BICUBIC)


def draw(panel: Panel) -> Image.Image:
    image = shade(panel)
    pen = ImageDraw.Draw(image, "RGBA")
    paths = [pixel(torch.stack([at[i] for at in panel.trail])) for i in range(POINTS)]
    for path in paths:
        if len(path) > 1:
            pen.line(path, fill=(*INK, 50), width=ZOOM)
    for path in paths:
        x, y = path[-1]
        pen.ellipse((x - 3 * ZOOM, y - 3 * ZOOM, x + 3 * ZOOM, y + 3 * ZOOM), fill=(*HOT, 220), outline=PALE)
    pen.text((8 * ZOOM, 6 * ZOOM), panel.title, fill=INK, font=ImageFont.load_default(size=14 * ZOOM))
    return image.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def sheet(panels: list[Panel], columns: int = 4) -> Image.Image:
    rows, gap = -(-len(panels) // columns), 6
    board = Image.new("RGB", (columns * (PANEL + gap) - gap, rows * (PANEL + gap) - gap), PALE)
    for i, panel in enumerate(panels):
        board.paste(draw(panel), ((i % columns) * (PANEL + gap), (i // columns) * (PANEL + gap)))
    return board


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where toys_spread.png and toys_methods.png go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    sheet(spread_panels()).save(folder / "toys_spread.png", optimize=True)
    sheet(method_panels()).save(folder / "toys_methods.png", optimize=True)


if __name__ == "__main__":
    main()
