"""One run's settings: what YAML, presets and `--set` resolve to, checked before anything heavy begins."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic import Field as Setting
from typing_extensions import Self

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.mixture import parts_of, prior_names
from dreamlab.losses import LOSS_KINDS
from dreamlab.mesh.geometry.shape import parse_size
from dreamlab.mesh.surface.clean import CleanConfig
from dreamlab.mesh.surface.extract import ExtractConfig
from dreamlab.mesh.texture.bake import BakeConfig
from dreamlab.priors import EmbeddedPriorConfig, PriorConfig
from dreamlab.render.volume import VolumeRendererConfig
from dreamlab.run.config_errors import explained
from dreamlab.run.presets import did_you_mean, load_preset, load_yaml, parse_value
from dreamlab.scenes import FieldConfig, HashGridFieldConfig
from dreamlab.stages.base import StageConfig

LONGEST_PROMPT = 1000
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control, unpaired surrogate, line and paragraph ends
_TURNS_TEXT_AROUND = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
MeshFormat = Literal["glb", "obj", "ply", "stl", "3mf", "usdz", "splat.ply"]


class RunStageConfig(StageConfig):
    """A stage of a run; `guidance` is its own method, or None for the run's. What its `cfg` and `noise` do
    not set is the run's.
    """

    guidance: GuidanceConfig | None = None
    cfg: CFGConfig | None = None
    noise: NoiseConfig | None = None


class MeshConfig(BaseModel):
    """How the field becomes files: surface, cleaning, texture and formats. Without a texture the vertices are
    coloured. `size` is the longest side, such as 0.3m or 12in; else the box of the field is 2 m wide. Origin
    "base" is the middle of the underside. `compression` is for GLB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    extract: ExtractConfig = ExtractConfig()
    clean: CleanConfig = CleanConfig()
    texture: bool = True
    bake: BakeConfig = BakeConfig()
    formats: tuple[MeshFormat, ...] = ("glb", "obj")
    size: str | None = None
    origin: Literal["keep", "centre", "base"] = "keep"
    compression: Literal["none", "draco"] = "none"

    @field_validator("size")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_size(text)
        return text


class TurntableConfig(BaseModel):
    """The film of the finished mesh: `frames` views around it, `size` pixels square. 0 frames: no film.
    Elevation in degrees.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Setting(default=60, ge=0, le=1000)
    size: int = Setting(default=512, ge=32, le=2048)
    fps: int = Setting(default=20, ge=1, le=60)
    elevation: float = Setting(default=15.0, ge=-89, le=89)


class SavingConfig(BaseModel):
    """What is kept on the way, in steps: a checkpoint and a preview picture every so often (0: no
    previews).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint_every: int = Setting(default=100, ge=1)
    keep: int = Setting(default=2, ge=1)
    preview_every: int = Setting(default=50, ge=0)
    preview_size: int = Setting(default=128, ge=16, le=1024)


class RunConfig(BaseModel):
    """Everything that decides a run's result. view_dependent "auto": words such as "front view" are added
    for priors that are not told the camera. `cfg` and `noise` are the prior's calibration: guidance scales
    and noise levels, which any `guidance` works with. `priors` are further ones that guidances name; `begin`
    is the folder of a run whose object this one begins with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    negative_prompt: str = ""
    view_dependent: bool | Literal["auto"] = "auto"
    seed: int = Setting(default=0, ge=0, lt=2**32)
    device: str = "auto"
    begin: Path | None = None
    prior: PriorConfig = EmbeddedPriorConfig()
    priors: dict[str, PriorConfig] = {}
    cfg: CFGConfig = CFGConfig()
    noise: NoiseConfig = NoiseConfig()
    guidance: GuidanceConfig = SDSConfig()
    field: FieldConfig = HashGridFieldConfig()
    renderer: VolumeRendererConfig = VolumeRendererConfig()
    stages: tuple[RunStageConfig, ...] = Setting(default=(RunStageConfig(),), min_length=1)
    mesh: MeshConfig = MeshConfig()
    turntable: TurntableConfig = TurntableConfig()
    saving: SavingConfig = SavingConfig()

    @model_validator(mode="before")
    @classmethod
    def _stages_inherit(cls, values: Any) -> Any:
        """Fill up a stage's `cfg` and `noise` from the run's, so that the resolved config is whole."""
        if not isinstance(values, dict) or not isinstance(values.get("stages"), list | tuple):
            return values
        return values | {"stages": [_inheriting(values, stage) for stage in values["stages"]]}

    @field_validator("begin")
    @classmethod
    def _from_anywhere(cls, begin: Path | None) -> Path | None:
        return None if begin is None else begin.expanduser().resolve()  # a run may be resumed from elsewhere

    @model_validator(mode="after")
    def _nothing_missing(self) -> Self:
        methods = [stage.guidance or self.guidance for stage in self.stages]
        if unknown := sorted(set().union(*map(prior_names, methods)) - self.priors.keys()):
            near = did_you_mean(unknown[0], self.priors)
            raise ConfigError(
                f"a guidance asks for the prior {unknown[0]!r}, which `priors` does not name",
                mend=near or f"Give it with --set priors.{unknown[0]}.kind=KIND",
            )
        at_first = (methods[0], *(part.guidance for part in parts_of(methods[0])))
        if self.begin is None and any(config.kind == "dds" for config in at_first):
            raise ConfigError(
                "dds edits an object, and the first stage has none",
                mend="Name the run whose object it is: --set begin=outputs/0001-a-blue-mushroom",
            )
        return self

    @field_validator("prompt")
    @classmethod
    def _prompt(cls, prompt: str) -> str:
        return checked_prompt(prompt)

    @field_validator("negative_prompt")
    @classmethod
    def _negative(cls, prompt: str) -> str:
        return checked_prompt(prompt, "negative prompt") if prompt else ""

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def yaml(self) -> str:
        """The whole resolved config as YAML that `--config` reads back."""
        import yaml

        values = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _inheriting(run: dict[str, Any], stage: Any) -> Any:
    if not isinstance(stage, dict):
        return stage
    parts = {name: (run.get(name), stage.get(name)) for name in ("cfg", "noise")}
    return stage | {
        name: {**whole, **part}
        for name, (whole, part) in parts.items()
        if isinstance(whole, dict) and isinstance(part, dict)
    }


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


def resolve(
    prompt: str | None = None,
    *,
    preset: str = "default",
    file: Path | None = None,
    settings: dict[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Preset, then the config file, then `settings`, then `key.path=value` overrides; later ones win.

    Raises:
        ConfigError: an unknown preset, key or kind, or a value of the wrong type or range.
        InputError: a prompt that cannot be used.
    """
    values = load_preset(preset)
    if file is not None:
        values = merge(values, load_yaml(file))
    values = merge(values, settings or {})
    if prompt is not None:
        values["prompt"] = checked_prompt(prompt)
    for override in overrides:
        assign(values, override)
    return from_values(values)


def from_values(values: dict[str, Any]) -> RunConfig:
    """Check plain values against RunConfig; a ConfigError tells the first thing that is wrong."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise explained(error, RunConfig) from error


def merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, mapping by mapping. A mapping of another `kind` replaces the old one whole."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if value.get("kind", old.get("kind")) == old.get("kind"):
                value = merge(old, value)
        merged[key] = value
    return merged


def assign(values: dict[str, Any], override: str) -> None:
    """Apply one `a.b=c` in place. List items go by number, name or kind: `stages.0.steps=9`."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set cannot read {override!r}", expected="key=value, such as stages.0.steps=200")
    value = parse_value(text)
    here: Any = values
    for key in keys[:-1]:
        if isinstance(here, list):
            here = here[_index(here, key, path)]
        else:
            if not isinstance(here.get(key), dict | list):
                here[key] = {}
            here = here[key]
    last = keys[-1]
    if isinstance(here, list):
        index = _index(here, last, path)
        # Losses in their long form, set as in the short one: the value is the weight.
        here[index] = here[index] | {"weight": value} if _is_loss(here[index], last) else value
    elif last == "kind":
        here.clear()
        here["kind"] = value
    else:
        here[last] = value


def _is_loss(item: Any, kind: str) -> bool:
    return isinstance(item, dict) and item.get("kind") == kind in LOSS_KINDS


def _index(items: list[Any], key: str, path: str) -> int:
    named = [item if isinstance(item, dict) else {} for item in items]
    names = [str(item.get("name", item.get("kind", ""))) for item in named]
    if key in names:
        return names.index(key)
    if key.isdigit() and int(key) < len(items):
        return int(key)
    known = [name for name in names if name] + [str(i) for i in range(len(items))]
    raise ConfigError(
        f"--set {path}: there is no item {key!r}",
        expected="one of " + ", ".join(known),
        mend=did_you_mean(key, known),
    )
