"""Which family a model belongs to, from what it says of itself."""

from __future__ import annotations

from pathlib import Path

from dreamlab.errors import InputError
from dreamlab.priors.aliases import alias
from dreamlab.priors.deepfloyd import DeepFloydPriorConfig, DeepFloydUpscalerPriorConfig
from dreamlab.priors.flux import FluxPriorConfig
from dreamlab.priors.mvdream import MVDreamPriorConfig
from dreamlab.priors.pixart import PixArtPriorConfig
from dreamlab.priors.sana import SanaPriorConfig
from dreamlab.priors.sd3 import SD3PriorConfig
from dreamlab.priors.sdxl import SDXLPriorConfig
from dreamlab.priors.single_file import header, model_type, refuse_lora
from dreamlab.priors.source import PretrainedConfig, class_name, find
from dreamlab.priors.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.video import VideoPriorConfig
from dreamlab.priors.zero123 import Zero123PriorConfig

# ControlNet and IP-Adapter are not among them: they take a second model, and are chosen by prior.kind.
FAMILIES: tuple[type[PretrainedConfig], ...] = (
    StableDiffusionPriorConfig,
    SDXLPriorConfig,
    SD3PriorConfig,
    FluxPriorConfig,
    DeepFloydPriorConfig,
    DeepFloydUpscalerPriorConfig,
    PixArtPriorConfig,
    SanaPriorConfig,
    MVDreamPriorConfig,
    Zero123PriorConfig,
    VideoPriorConfig,
)
_EMBEDDED = "dreamlab-embedded"


def kind_of(model: str) -> str:
    """The `kind` of the prior's config for an alias, hub id, folder or .safetensors file.

    Raises InputError for what is no model or a model of a family that is not known here, and what finding it
    raises.
    """
    known = alias(model)
    if known is not None:
        return known.family
    config = PretrainedConfig(model=model)
    source = find(config)
    found = class_name(config, source)
    if found:
        kinds = [family.model_fields["kind"].default for family in FAMILIES if found in family.pipelines]
    else:
        if header(Path(source.place))[1].get("format", "").startswith(_EMBEDDED):
            return "embedded"
        refuse_lora(source.place)
        found = model_type(source.place)
        kinds = [family.model_fields["kind"].default for family in FAMILIES if found in family.single_files]
    if not kinds:
        supported = sorted({family.pipelines[0] for family in FAMILIES})
        raise InputError(
            f"{model} is a model of a kind that cannot be used",
            expected="one of " + ", ".join(supported),
            got=found,
        )
    return kinds[0]
