"""One run's settings, checked before anything heavy begins."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator
from pydantic import Field as Setting
from typing_extensions import Self

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.schedules import Ramp
from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.mixture import parts_of, prior_names
from dreamlab.guidance.prompts import ViewWordsConfig
from dreamlab.mesh.io.load import READABLE
from dreamlab.pictures.config import ImageConfig
from dreamlab.priors import EmbeddedPriorConfig, PriorConfig
from dreamlab.render import RendererConfig, VolumeRendererConfig
from dreamlab.run.partial_ramps import whole_ramps
from dreamlab.run.picture_checks import check_pictures
from dreamlab.run.presets import did_you_mean
from dreamlab.run.real_size import with_real_size
from dreamlab.run.stage_list import inheriting, listed
from dreamlab.scenes import FieldConfig, HashGridFieldConfig
from dreamlab.stages import AnyStageConfig, DistilConfig, FitViewsConfig, RetextureStageConfig
from dreamlab.stages.protocol import SceneKind

LONGEST_PROMPT = 1000
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control, unpaired surrogate, line and paragraph ends
_TURNS_TEXT_AROUND = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SHAPE_WEIGHT = 2000.0  # beside the embedded prior; with 500 a castle got towers that its boxes lack
_Stage = TypeVar("_Stage")


def _volume_unless_named(value: Any) -> Any:
    return {"kind": "volume"} | value if isinstance(value, dict) else value


def _yaml_switch(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return {False: "off", True: "auto"}[value] if isinstance(value, bool) else value


def _as_file(value: Any) -> Any:
    """The short form."""
    return {"file": value} if isinstance(value, str | Path) else value


class SavingConfig(BaseModel):
    """What is kept on the way, in steps: a checkpoint and a preview picture every so often (0: no
    previews).

    log: what collects figures, previews and settings, beside the run's own metrics.jsonl: tensorboard, wandb.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint_every: int = Setting(default=100, ge=1)
    keep: int = Setting(default=2, ge=1)
    preview_every: int = Setting(default=50, ge=0)
    preview_size: int = Setting(default=128, ge=16, le=1024)
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()


class StartShapeConfig(BaseModel):
    """A rough shape to begin as.

    file: a closed mesh, or several closed parts in one file.
    weight: of the loss that keeps matter where the shape has it.
    rim: how far from its surface that does not count much, in world units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    weight: Ramp = Ramp.constant(SHAPE_WEIGHT)
    rim: float = Setting(default=0.1, gt=0.0, le=2.0)

    @field_validator("file")
    @classmethod
    def _from_anywhere(cls, file: Path) -> Path:
        return file.expanduser().resolve()


class RunConfig(BaseModel):
    """Everything that decides a run's result.

    prompt: what to make, such as "a red mushroom".
    negative_prompt: what to keep away from.
    expand: what is added to a bare prompt before the embedded prior hears it, if its grammar knows the noun;
    "auto": a colour where none is said; "full": details too; the seed picks the variant.
    expanded: what the prior hears instead of the prompt; null: the prompt. Written here when the run begins.
    view_dependent: whether words such as "front view" are added; "auto": for priors that are not told the
    camera.
    view_words: where around the object a view is called what.
    seed: same seed, same bytes.
    device: auto, cpu, cuda, cuda:N or mps.
    prior_devices: further devices, each with a copy of the prior that takes its share of all denoising.
    threads: of the processor, on which sums depend in their last digits; null: this machine's cores, shared
    with the runs that are alive, and written here when the run begins.
    begin: a run whose object to begin with, or a mesh file to refine; the former is a run's folder, and gives
    its field, the latter is for stages that work on meshes.
    shape: a rough shape that the field begins as, in the place of a ball, and is kept near; a mesh file alone
    is the `file` of it.
    images: pictures of what is made, each with its camera; see docs/pictures.md.
    prior: the 2D diffusion model.
    priors: further ones, by the names that guidances call them by.
    cfg: the prior's calibration: guidance scales, with which any guidance works.
    noise: the prior's calibration: noise levels, with which any guidance works.
    guidance: the method of distillation, where a stage names none.
    field: what is optimised, until it becomes a mesh.
    renderer: that of the field, where a stage names none.
    stages: what is done, one after another; see docs/extending.md for how the list may be written.
    saving: what is kept on the way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    negative_prompt: str = ""
    expand: Annotated[Literal["auto", "full", "off"], BeforeValidator(_yaml_switch)] = "auto"
    expanded: str | None = None
    view_dependent: bool | Literal["auto"] = "auto"
    view_words: ViewWordsConfig = ViewWordsConfig()
    seed: int = Setting(default=0, ge=0, lt=2**32)
    device: str = "auto"
    prior_devices: tuple[str, ...] = ()
    threads: int | None = Setting(default=None, ge=1, le=1024)
    begin: Path | None = None
    shape: Annotated[StartShapeConfig | None, BeforeValidator(_as_file)] = None
    images: tuple[ImageConfig, ...] = Setting(default=(), max_length=8)
    prior: PriorConfig = EmbeddedPriorConfig()
    priors: dict[str, PriorConfig] = {}
    cfg: CFGConfig = CFGConfig()
    noise: NoiseConfig = NoiseConfig()
    guidance: GuidanceConfig = SDSConfig()
    field: FieldConfig = HashGridFieldConfig()
    renderer: Annotated[RendererConfig, BeforeValidator(_volume_unless_named)] = VolumeRendererConfig()
    stages: tuple[AnyStageConfig, ...] = Setting(min_length=1)
    saving: SavingConfig = SavingConfig()

    @model_validator(mode="before")
    @classmethod
    def _whole_stages(cls, values: Any) -> Any:
        """Every stage in full: kinds, the usual end, the run's `cfg` and `noise` where a stage sets parts of
        them, whole ramps and real sizes, so that the resolved config needs nothing else."""
        if not isinstance(values, dict):
            return values
        stages = listed(values.get("stages", [{}]))
        if not isinstance(stages, list):
            return values
        stages = [with_real_size(values.get("prompt"), inheriting(values, stage)) for stage in stages]
        return whole_ramps(cls, values | {"stages": stages})

    @field_validator("begin")
    @classmethod
    def _from_anywhere(cls, begin: Path | None) -> Path | None:
        return None if begin is None else begin.expanduser().resolve()  # a run may be resumed from elsewhere

    @field_validator("prompt")
    @classmethod
    def _prompt(cls, prompt: str) -> str:
        return checked_prompt(prompt)

    @field_validator("negative_prompt")
    @classmethod
    def _negative(cls, prompt: str) -> str:
        return checked_prompt(prompt, "negative prompt") if prompt else ""

    @field_validator("expanded")
    @classmethod
    def _expanded(cls, text: str | None) -> str | None:
        return None if text is None else checked_prompt(text, "expanded prompt")

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        """Each stage gets what it can work on, and has a name of its own."""
        names = [stage.name for stage in self.stages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"two stages are called {twice[0]!r}",
                mend="Give each a name of its own: {kind: …, name: …}",
            )
        self.scene_before(len(self.stages))
        first = self.stages[0]
        if isinstance(first, DistilConfig | FitViewsConfig) and not first.active:
            raise ConfigError(
                f"the stage {first.name!r} would make no step, and nothing stands before it",
                expected="stop_after of 1 or more, or null",
                mend=f"Set stages.{first.name}.stop_after=null",
            )
        return self

    @model_validator(mode="after")
    def _nothing_missing(self) -> Self:
        methods = [stage.guidance or self.guidance for stage in self.distillations]
        if unknown := sorted(set().union(*map(prior_names, methods)) - self.priors.keys()):
            near = did_you_mean(unknown[0], self.priors)
            raise ConfigError(
                f"a guidance asks for the prior {unknown[0]!r}, which `priors` does not name",
                mend=near or f"Give it with --set priors.{unknown[0]}.kind=KIND",
            )
        kept = self.last(RetextureStageConfig)
        if kept is not None and not self.begins_with_mesh:
            raise ConfigError(
                f"the stage {kept.name!r} colours a mesh file, and the run begins with none",
                mend="Name it with --from chair.glb",
            )
        first = self.stages[0]
        method = (first.guidance or self.guidance) if isinstance(first, DistilConfig) else None
        at_first = [] if method is None else [method, *(part.guidance for part in parts_of(method))]
        if self.begin is None and any(config.kind == "dds" for config in at_first):
            raise ConfigError(
                "dds edits an object, and the first stage has none",
                mend="Name the run whose object it is: --set begin=outputs/0001-a-blue-mushroom",
            )
        return self

    @model_validator(mode="after")
    def _begins_as_one_thing(self) -> Self:
        if self.shape is not None and self.begin is not None:
            raise ConfigError(
                "a run that begins with an object has no other shape to begin as",
                got=f"begin={self.begin} and shape={self.shape.file}",
                mend="Take one of them away (--from, --shape)",
            )
        return self

    @model_validator(mode="after")
    def _pictures_can_be_used(self) -> Self:
        methods = [stage.guidance or self.guidance for stage in self.distillations]
        check_pictures(self.images, self.prior, self.stages, methods)
        return self

    @model_validator(mode="after")
    def _losses_fit_the_scene(self) -> Self:
        """Said here, before a prior is loaded for nothing."""
        for stage, scene in self.optimisations_on():
            on_mesh = scene == "mesh"
            for loss in stage.losses:
                knows_distance = self.field.knows_distance and not on_mesh
                lacks_distance = loss.needs_distance and not knows_distance
                if lacks_distance or (loss.needs_triangles and not on_mesh):
                    what = "fields that know a distance" if lacks_distance else "meshes"
                    raise ConfigError(
                        f"the loss {loss.kind!r} of stage {stage.name!r} is for {what}",
                        got="a mesh" if on_mesh else f"field.kind={self.field.kind}",
                        mend="Set field.kind=sdf, or take the loss away"
                        if lacks_distance and not on_mesh
                        else "Take the loss away, or move it to a stage that it fits",
                    )
        return self

    @model_validator(mode="after")
    def _views_are_projected_last(self) -> Self:
        *_, last = (None, *self.optimisations)
        for stage, on in self.optimisations_on():
            if isinstance(stage, FitViewsConfig) and stage.project and (stage is not last or on != "mesh"):
                raise ConfigError(
                    f"stage {stage.name!r} puts views onto a mesh, which is for the last optimisation and "
                    "for meshes",
                    got="a field" if stage is last else "another after it",
                    mend=f"Set stages.{stage.name}.project=false",
                )
        return self

    @model_validator(mode="after")
    def _renderers_fit_the_scene(self) -> Self:
        for stage, scene in self.optimisations_on():
            on = "mesh" if scene == "mesh" else "field"
            renderer = stage.renderer or (self.renderer if on == "field" else None)
            if renderer is not None and renderer.draws != on:
                other = "raster" if on == "mesh" else "volume"
                raise ConfigError(
                    f"the renderer {renderer.kind!r} does not draw a {on}",
                    expected=f"a {renderer.draws} before stage {stage.name!r}",
                    mend=f"Set stages.{stage.name}.renderer.kind={other}",
                )
        return self

    @property
    def heard(self) -> str:
        """What the prior hears: the prompt, or what it was expanded to."""
        return self.prompt if self.expanded is None or self.expand == "off" else self.expanded

    # ---- the list of stages ----

    @property
    def optimisations(self) -> list[DistilConfig | FitViewsConfig]:
        return [stage for stage in self.stages if isinstance(stage, DistilConfig | FitViewsConfig)]

    @property
    def distillations(self) -> list[DistilConfig]:
        return [stage for stage in self.stages if isinstance(stage, DistilConfig)]

    def optimisations_on(self) -> Iterator[tuple[DistilConfig | FitViewsConfig, SceneKind]]:
        """Every optimisation, with what it gets."""
        for index, stage in enumerate(self.stages):
            if isinstance(stage, DistilConfig | FitViewsConfig):
                yield stage, self.scene_before(index)

    @property
    def total_steps(self) -> int:
        return sum(stage.total_steps for stage in self.stages)

    @property
    def begins_with_mesh(self) -> bool:
        return self.begin is not None and self.begin.suffix.lower() in READABLE

    def scene_before(self, index: int) -> SceneKind:
        """What stands before stage number `index`. ConfigError where a stage gets what it cannot work on."""
        scene: SceneKind = "mesh" if self.begins_with_mesh else "none"
        for stage in self.stages[:index]:
            if scene not in stage.accepts:
                have = {"none": "nothing yet", "field": "a field", "mesh": "a mesh already"}[scene]
                needs = " or ".join(sorted(stage.accepts - {"none"}))
                raise ConfigError(
                    f"the stage {stage.name!r} cannot stand there",
                    expected=f"a {needs} before it",
                    got=have,
                    mend="The usual order is distil, extract, clean, simplify, texture, export, turntable; a "
                    "mesh of your own (--from) is for --preset refine",
                )
            scene = stage.returns(scene)
        return scene

    def last(self, kind: type[_Stage]) -> _Stage | None:
        """The last stage of a kind, by its config's class."""
        return next((stage for stage in reversed(self.stages) if isinstance(stage, kind)), None)

    def yaml(self) -> str:
        """The whole resolved config as YAML that `--config` reads back."""
        import yaml

        values = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def checked_prompt(prompt: str, name: str = "prompt") -> str:
    """The prompt without outer blanks. Raises InputError if it is empty, too long or holds unprintable
    characters.
    """
    text = prompt.strip()
    if not text:
        raise InputError(
            f"the {name} is empty", mend='Say in a few words what to make: dreamlab run "a red mushroom"'
        )
    if len(text) > LONGEST_PROMPT:
        raise InputError(
            f"the {name} is too long",
            expected=f"at most {LONGEST_PROMPT} characters",
            got=f"{len(text)}",
            mend="Priors read only the first few dozen words; say it shorter",
        )
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category in _UNPRINTABLE or character in _TURNS_TEXT_AROUND:
            raise InputError(
                f"the {name} holds a character that cannot be shown",
                expected="one line of printable text",
                got=f"U+{ord(character):04X} at place {place + 1}",
            )
    return text
