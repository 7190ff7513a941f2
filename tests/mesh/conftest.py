from __future__ import annotations

import pytest
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.surface.extract import ExtractConfig, Extraction, extract
from dreamlab.mesh.texture.bake import BakeConfig, bake, bake_colors
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.analytic import Solid, sphere, torus

HALF = 100.0  # density on the zero level of an analytic solid


def halves(x: torch.Tensor) -> torch.Tensor:
    """Red on the right (+X), dark green on the left: a colour that sRGB and linear tell well apart."""
    right = (x[:, :1] > 0).float()
    return right * torch.tensor([0.8, 0.1, 0.1]) + (1 - right) * torch.tensor([0.05, 0.3, 0.05])


@pytest.fixture(scope="session")
def ball() -> Extraction:
    return extract(Solid(sphere(0.6)), ExtractConfig(resolution=64, iso=HALF))


@pytest.fixture(scope="session")
def ring() -> Extraction:
    return extract(Solid(torus()), ExtractConfig(resolution=64, iso=HALF))


@pytest.fixture(scope="session")
def colored(ball: Extraction) -> Mesh:
    """A cleaned ball with vertex colours."""
    return bake_colors(clean(ball.mesh, CleanConfig(faces=2000)), Solid(sphere(0.6), rgb=halves))


@pytest.fixture(scope="session")
def cut(ball: Extraction) -> Mesh:
    """A cleaned ball with vertex colours of a palette, cut along its borders."""
    how = BakeConfig(palette=PaletteConfig(mode="on"))
    return bake_colors(clean(ball.mesh, CleanConfig(faces=600)), Solid(sphere(0.6), rgb=halves), how)


@pytest.fixture(scope="session")
def textured(ball: Extraction) -> Mesh:
    """A cleaned ball with albedo and normal textures."""
    flat = unwrap(clean(ball.mesh, CleanConfig(faces=1000)), resolution=256)
    return bake(
        flat, Solid(sphere(0.6), rgb=halves), BakeConfig(resolution=256, normal_map=True), fine=ball.mesh
    )
