from __future__ import annotations

import pytest
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture.bake import BakeConfig, bake, bake_colors
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.analytic import Solid, sphere, torus, union

SHAPE = union(torus(0.5, 0.18), sphere(0.3, (0.0, 0.25, 0.3)))


def sides(x: torch.Tensor) -> torch.Tensor:
    """Red right half (+X), blue left half: what a viewer on +Z sees on the right is red."""
    right = (x[:, :1] > 0).float()
    return right * torch.tensor([0.8, 0.1, 0.1]) + (1 - right) * torch.tensor([0.1, 0.2, 0.8])


@pytest.fixture(scope="session")
def colored() -> Mesh:
    field = Solid(SHAPE, rgb=sides)
    return bake_colors(
        clean(extract(field, ExtractConfig(resolution=48)).mesh, CleanConfig(faces=3000)), field
    )


@pytest.fixture(scope="session")
def textured() -> Mesh:
    field = Solid(SHAPE, rgb=sides)
    fine = extract(field, ExtractConfig(resolution=64)).mesh
    flat = unwrap(clean(fine, CleanConfig(faces=1500)), resolution=512)
    return bake(flat, field, BakeConfig(resolution=512, normal_map=True), fine=fine)
