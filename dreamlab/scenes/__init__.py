"""What is being optimised. FieldConfig is the list of fields; a mesh is made of one, see MeshScene."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.scenes.base import RadianceField
from dreamlab.scenes.density import DensityConfig
from dreamlab.scenes.hashgrid import HashGridField, HashGridFieldConfig
from dreamlab.scenes.mesh import MeshScene, MeshSceneConfig
from dreamlab.scenes.mlp import MLPField, MLPFieldConfig
from dreamlab.scenes.sdf import SDFField, SDFFieldConfig
from dreamlab.scenes.voxel import VoxelField, VoxelFieldConfig

FieldConfig = Annotated[
    HashGridFieldConfig | MLPFieldConfig | VoxelFieldConfig | SDFFieldConfig, Field(discriminator="kind")
]

__all__ = [
    "DensityConfig",
    "FieldConfig",
    "HashGridField",
    "HashGridFieldConfig",
    "MLPField",
    "MLPFieldConfig",
    "MeshScene",
    "MeshSceneConfig",
    "RadianceField",
    "SDFField",
    "SDFFieldConfig",
    "VoxelField",
    "VoxelFieldConfig",
]
