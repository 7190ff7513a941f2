"""What the stages of a run share, built from its config when it is asked for: priors, prompts, field,
guidance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.guidance import CFGConfig, NoiseConfig
from dreamlab.guidance.mixture import build_guidance, prior_names
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.guidance.reference import BesidePictures, Picture, WithPictures
from dreamlab.losses import LossConfig, StartShapeLossConfig
from dreamlab.mesh.real_sizes import names_a_noun
from dreamlab.mesh.scene_words import read_scene, things_of
from dreamlab.mesh.shape_words import parse_shape
from dreamlab.priors.diffusers.picture import ShownPictureConfig
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.protocols import HasCopies, HasTokenLimit, HasVocabulary, Prior
from dreamlab.render.base import RendererSettings
from dreamlab.run.config import RunConfig
from dreamlab.run.machine import pick_device
from dreamlab.run.offer import offer
from dreamlab.run.origin import asset_facts, given_facts, prior_facts
from dreamlab.run.pictures import pictures_of, shown_prior
from dreamlab.run.prior_cache import Build, build_prior
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir, asset_name
from dreamlab.run.start_shape import shape_of
from dreamlab.scenes import RadianceField
from dreamlab.stages import DistilConfig, ExportStageConfig, FitViewsConfig
from dreamlab.stages.given import given_surface
from dreamlab.stages.protocol import SurfaceMesh
from dreamlab.stages.state import OptimiserState

# Stages have seeds this far apart, so that neighbouring run seeds never share a stage's randomness.
_STAGE_SEED = 1_000_000_007


def _several(prompt: str) -> str:
    """What is to be said of a prompt that names several things; "" of others."""
    try:
        things = things_of(read_scene(prompt))
    except InputError:
        return ""
    if len(things) < 2 or not all(map(names_a_noun, things)):
        return ""
    return f"the prompt names {len(things)} things: `dreamlab scene` makes each by itself, in its own colours"


class RunContext:
    """See dreamlab.stages.protocol.Context. Each part is built once, when it is first asked for: a prior is
    gigabytes.

    prior: instead of building `config.prior`.
    folder: where stages write their files.
    recorded: what the run has written down of its prior, which a program may have given it.
    build: how it comes by the priors that the config names.
    """

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        prior: Prior | None = None,
        folder: Path = Path(),
        recorded: Any = None,
        build: Build = build_prior,
    ) -> None:
        self.config, self.device, self.folder, self._prior = config, device, folder, prior
        self._given, self._recorded, self._build_prior = prior, recorded, build
        self.prompt, self.asset = config.prompt, asset_name(config.prompt)
        self._prompts: ViewPrompts | None = None
        self.left: OptimiserState | None = None
        self._further: dict[str, Prior] = {}
        self._shared: Guidance | None = None
        self._pictures: list[Picture] | None = None

    @property
    def made_by(self) -> dict[str, Any]:
        if self._given is not None:
            return asset_facts(self.config, given_facts(self._given))
        given = isinstance(self._recorded, Mapping) and "given" in self._recorded
        return asset_facts(self.config, self._recorded if given else prior_facts(self.config.prior))

    @property
    def source(self) -> Path | None:
        return self.config.begin if self.config.begins_with_mesh else None

    @property
    def given(self) -> bool:
        """Whether a program has made the prior."""
        return self._given is not None

    @property
    def renderer(self) -> RendererSettings:
        return self.config.renderer

    @property
    def loaded(self) -> bool:
        """Whether prior and prompts have been made."""
        return self._prior is not None and self._prompts is not None

    @property
    def prior(self) -> Prior:
        if self._prior is None:
            config = shown_prior(self.config, self.folder)
            self._prior = self._build_prior(config, self.device)
            if isinstance(self._prior, HasCopies):
                devices = map(pick_device, self.config.prior_devices)
                self._prior.copies = [self._build_prior(config, device) for device in devices]
        return self._prior

    @property
    def prompts(self) -> ViewPrompts:
        """The prompt as it is heard, encoded. "auto": priors that take several views at once are told the
        cameras, others get words.
        """
        if self._prompts is None:
            config, words = self.config, self.config.view_dependent
            if words == "auto":
                words = self.prior.views_per_group == 1
            told = (config.heard, config.negative_prompt, words, config.view_words)
            self._prompts = ViewPrompts(self.prior, *told)
        return self._prompts

    @property
    def pictures(self) -> list[Picture]:
        """What the run was shown; read once."""
        if self._pictures is None:
            self._pictures = pictures_of(self.config.images, self.folder)
        return self._pictures

    def placed(self, config: RunConfig) -> None:
        """Go on with a config that differs in nothing but the cameras of the pictures."""
        self.config, self._pictures = config, None

    def begun(self) -> SurfaceMesh | None:
        """What the first stage gets: the mesh that the run begins with, or nothing."""
        config = self.config
        if config.begin is None or not config.begins_with_mesh:
            return None
        random = torch.Generator().manual_seed(config.seed)
        return given_surface(config.begin, config.field.build(random), random)

    def field(self) -> RadianceField:
        """The field as the run begins: new, or that of the run named by `begin`."""
        config = self.config
        if config.begin is None or config.begins_with_mesh:
            field = config.field.build(torch.Generator().manual_seed(config.seed))
            if config.shape is not None:
                field.start = shape_of(config.shape, self.folder)
            return field.to(self.device)
        earlier = RunDir.find(config.begin.parent, str(config.begin))
        if (theirs := earlier.config().field) != config.field:
            raise ConfigError(
                f"the run {config.begin} has another kind of field, so this one cannot begin with it",
                expected=f"field: {theirs.model_dump(mode='json')}",
                mend="Take the preset that it was made with",
            )
        return field_of(earlier).to(self.device)

    @property
    def losses(self) -> tuple[LossConfig, ...]:
        """Of fields, beside the stages' own."""
        shape = self.config.shape
        return () if shape is None else (StartShapeLossConfig(weight=shape.weight, rim=shape.rim),)

    def guidance(self, stage: DistilConfig) -> Guidance:
        """The stage's method with its calibration; stages without any of their own share the run's, and what
        it has learned.
        """
        if stage.guidance is None and stage.cfg is None and stage.noise is None:
            if self._shared is None:
                self._shared = self._build(stage)
            return self._shared
        return self._build(stage)

    def calibration(self, stage: DistilConfig | FitViewsConfig) -> tuple[CFGConfig, NoiseConfig]:
        """The stage's guidance scales and noise levels, or the run's."""
        return stage.cfg or self.config.cfg, stage.noise or self.config.noise

    def stage_seed(self, stage: DistilConfig | FitViewsConfig) -> int:
        """A seed for each optimisation, in their order."""
        return self.config.seed + _STAGE_SEED * [s.name for s in self.config.optimisations].index(stage.name)

    def notes(self) -> list[str]:
        """What is to be said of the prompt and of the object's proportions before the run starts."""
        lines = self.prior.limits(self.config.heard) if isinstance(self.prior, HasVocabulary) else []
        if lines and self.config.prior.kind == "embedded":
            lines = [*lines, offer(self.device)]
        if isinstance(self.prior, HasVocabulary) and (line := _several(self.config.prompt)):
            lines = [*lines, line]
        export = self.config.last(ExportStageConfig)
        if export is not None and export.bbox is not None:
            lines = [*lines, *(f"{change}, once it is finished" for change in parse_shape(export.bbox))]
        if isinstance(self.prior, HasTokenLimit):
            cut = dict.fromkeys(self.prior.cut_words(text) for text in self.prompts.texts)
            if lost := ", ".join(repr(words) for words in cut if words):
                lines = [*lines, f"the text is too long for the prior, which will not read {lost}"]
        return lines

    def _build(self, stage: DistilConfig) -> Guidance:
        config, method = self.config, stage.guidance or self.config.guidance
        for name in sorted(prior_names(method) - self._further.keys()):
            self._further[name] = self._build_prior(config.priors[name], self.device)
        prior = self.prior
        if config.images and isinstance(prior, EmbeddedPrior):
            prior = BesidePictures(prior, self.pictures)
        guidance = build_guidance(method, prior, *self.calibration(stage), self._further)
        if not config.images:
            return guidance
        apart = isinstance(config.prior, ShownPictureConfig)  # its groups stay as it was trained for
        return WithPictures(guidance, self.pictures, 1 if apart else prior.views_per_group)
