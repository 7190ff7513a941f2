"""Which family a model belongs to, from what it says of itself."""

from __future__ import annotations

from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.priors.diffusers.aliases import alias
from dreamlab.priors.diffusers.deepfloyd import DeepFloydPriorConfig, DeepFloydUpscalerPriorConfig
from dreamlab.priors.diffusers.flux import FluxPriorConfig
from dreamlab.priors.diffusers.imagedream import ImageDreamPriorConfig
from dreamlab.priors.diffusers.mvdream import MVDreamPriorConfig
from dreamlab.priors.diffusers.pixart import PixArtPriorConfig
from dreamlab.priors.diffusers.sana import SanaPriorConfig
from dreamlab.priors.diffusers.sd3 import SD3PriorConfig
from dreamlab.priors.diffusers.sdxl import SDXLPriorConfig
from dreamlab.priors.diffusers.single_file import header, model_type, refuse_lora
from dreamlab.priors.diffusers.source import PretrainedConfig, class_name, find, index_of
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.diffusers.unusable import refuse_known
from dreamlab.priors.diffusers.video import VideoPriorConfig
from dreamlab.priors.diffusers.zero123 import Zero123PriorConfig

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
    ImageDreamPriorConfig,  # before MVDream, whose class its folders name
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
        index = index_of(config, source)
        kinds = [
            family.model_fields["kind"].default
            for family in FAMILIES
            if found in family.pipelines
            and all((index.get(part) or [None])[-1] for part in family.with_parts)
        ]
    else:
        if header(Path(source.place))[1].get("format", "").startswith(_EMBEDDED):
            return "embedded"
        refuse_lora(source.place)
        found = model_type(source.place)
        kinds = [family.model_fields["kind"].default for family in FAMILIES if found in family.single_files]
    if not kinds:
        refuse_known(model, found)
        supported = sorted({family.pipelines[0] for family in FAMILIES})
        raise InputError(
            f"{model} is a model of a kind that cannot be used",
            expected="one of " + ", ".join(supported),
            got=found,
        )
    return kinds[0]
