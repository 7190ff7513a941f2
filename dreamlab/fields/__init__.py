"""What is being optimised. FieldConfig is the list of fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.fields.density import DensityConfig
from dreamlab.fields.hashgrid import HashGridField, HashGridFieldConfig
from dreamlab.fields.mlp import MLPField, MLPFieldConfig
from dreamlab.fields.voxel import VoxelField, VoxelFieldConfig

FieldConfig = Annotated[HashGridFieldConfig | MLPFieldConfig | VoxelFieldConfig, Field(discriminator="kind")]

__all__ = [
    "DensityConfig",
    "FieldConfig",
    "HashGridField",
    "HashGridFieldConfig",
    "MLPField",
    "MLPFieldConfig",
    "VoxelField",
    "VoxelFieldConfig",
]
