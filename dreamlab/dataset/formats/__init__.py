"""The formats that data sets are written in: one a file."""

from typing import Annotated

from pydantic import Field

from dreamlab.dataset.formats.blender import BlenderFormat
from dreamlab.dataset.formats.bop import BopFormat
from dreamlab.dataset.formats.coco import CocoFormat
from dreamlab.dataset.formats.nerfstudio import NerfstudioFormat

FormatConfig = Annotated[
    NerfstudioFormat | BlenderFormat | CocoFormat | BopFormat, Field(discriminator="kind")
]
