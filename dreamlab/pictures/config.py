"""A picture of the object, as a run is given it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

ELEVATION = 15.0
"""From how far above things are usually taken, degrees: what counts where nobody says."""


class ImageConfig(BaseModel):
    """A picture, and the camera that took it; degrees.

    path: a file with an alpha channel, or on a plain background; the run keeps what it has cut out of it.
    azimuth: from where around the object, 0 its front, 90 the side that stands on +X; null: guessed where the
    prior can tell, else 0, and written here.
    elevation: from how far above; null: 15.
    fovy: vertical field of view of a picture that the unit sphere would fill.
    fill: radius of the object's outline in units of that sphere's; less for what is longer from other sides.
    weight: how much the view from there is drawn to the picture; 1 is as much as the prior draws other views.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    azimuth: float | None = Field(default=None, ge=-360, le=360)
    elevation: float | None = Field(default=None, ge=-90, le=90)
    fovy: float = Field(default=40.0, ge=5, le=120)
    fill: float = Field(default=0.9, gt=0.1, le=1.0)
    weight: float = Field(default=4.0, ge=0.0, le=100.0)

    @field_validator("path")
    @classmethod
    def _from_anywhere(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @property
    def stood(self) -> float:
        """The elevation, degrees."""
        return ELEVATION if self.elevation is None else self.elevation
