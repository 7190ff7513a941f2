"""Whether a run's prior, stages and methods can use its pictures, said before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from dreamlab.core.errors import ConfigError
from dreamlab.guidance import GuidanceConfig
from dreamlab.guidance.mixture import parts_of
from dreamlab.pictures.config import ImageConfig
from dreamlab.priors import PriorConfig
from dreamlab.priors.diffusers.picture import ShownPictureConfig
from dreamlab.stages import AnyStageConfig, FitViewsConfig


def check_pictures(
    images: Sequence[ImageConfig],
    prior: PriorConfig,
    stages: Sequence[AnyStageConfig],
    methods: Sequence[GuidanceConfig],
) -> None:
    """Raises ConfigError. methods: of all stages that distil."""
    shown = isinstance(prior, ShownPictureConfig)
    if shown:
        _check_front(images, prior)
    if not images:
        return
    every = [*methods, *(part.guidance for method in methods for part in parts_of(method))]
    if not shown and any(isinstance(stage, FitViewsConfig) for stage in stages):
        raise ConfigError(
            "fit-views asks the prior for every view, and this prior is shown no picture",
            mend="Choose one that is, such as --prior imagedream; take `images` away; or distil instead",
        )
    if any(method.kind == "dds" for method in every):
        raise ConfigError("dds edits an object, and takes no pictures", mend="Take `images` away")


def _check_front(images: Sequence[ImageConfig], prior: ShownPictureConfig) -> None:
    if not images and prior.image is None:
        mend = "Give it with --set prior.image=VALUE, or a picture with --image"
        raise ConfigError("prior.image is missing", mend=mend)
    if images and images[0].azimuth not in (None, 0.0):
        raise ConfigError(
            f"{prior.title} is shown the front",
            expected="a first picture from azimuth 0",
            got=f"{images[0].azimuth:g}",
        )
