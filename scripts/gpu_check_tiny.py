"""gpu_check, tiny models of every family by every method in half precision: do devices and types fit
together."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import torch
from gpu_check_record import Check, Setting, Skip
from priors import tiny  # pyright: ignore[reportMissingImports]
from pydantic import TypeAdapter

from dreamlab.core.errors import ConfigError, UnavailableError
from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig
from dreamlab.guidance.mixture import build_guidance
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors import PriorConfig
from dreamlab.priors.protocols import Prior
from dreamlab.render import VolumeRendererConfig
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import optimise

METHODS = [config.model_fields["kind"].default for config in get_args(get_args(GuidanceConfig)[0])]
_MORE: dict[str, dict[str, Any]] = {
    "dds": {"source_prompt": "a blue ball"},
    "mixture": {"parts": [{"guidance": {"kind": "sds"}}, {"guidance": {"kind": "csd"}}]},
}


def _controlnet(folder: Path) -> dict[str, Any]:
    base = tiny.stable_diffusion(folder / "base")
    return {"model": base, "controlnet": str(tiny.controlnet(folder / "net", base))}


def _ip_adapter(folder: Path) -> dict[str, Any]:
    base = tiny.stable_diffusion(folder / "base")
    adapter = tiny.ip_adapter(folder / "adapter", base)
    return {"model": base, "adapter": str(adapter)}


def _shown(make: Callable[[Path], Path], folder: Path) -> dict[str, Any]:
    return {"model": make(folder / "model"), "image": str(tiny.picture(folder / "image.png"))}


def _plain(make: Callable[[Path], Path], folder: Path) -> dict[str, Any]:
    return {"model": make(folder)}


FAMILIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "stable-diffusion": partial(_plain, tiny.stable_diffusion),
    "sdxl": partial(_plain, tiny.sdxl),
    "sd3": partial(_plain, tiny.sd3),
    "flux": partial(_plain, tiny.flux),
    "deepfloyd": partial(_plain, tiny.deepfloyd),
    "pixart": partial(_plain, tiny.pixart),
    "sana": partial(_plain, tiny.sana),
    "mvdream": partial(_plain, tiny.mvdream),
    "video": partial(_plain, tiny.video),
    "controlnet": _controlnet,
    "ip-adapter": _ip_adapter,
    "zero123": partial(_shown, tiny.zero123),
    "imagedream": partial(_shown, tiny.imagedream),
}


def tiny_checks(setting: Setting) -> list[Check]:
    families = list(FAMILIES)[:1] if setting.quick else FAMILIES
    return [
        Check(f"{family} by {method}", lambda f=family, m=method: _two_steps(f, m, setting))
        for family in families
        for method in METHODS
    ]


@cache
def _prior(family: str, device: torch.device) -> Prior:
    """A tiny model in the precision that a GPU would choose for it."""
    folder = Path(tempfile.mkdtemp())
    made = FAMILIES[family](folder)
    settings = made | {"kind": family, "model": str(made["model"]), "offline": True, "cache_prompts": False}
    config = TypeAdapter(PriorConfig).validate_python(settings | {"resolution": 32})
    half = str(getattr(type(config), "half", torch.float16)).removeprefix("torch.")
    return config.model_copy(update={"dtype": half}).build(device)


def _two_steps(family: str, method: str, setting: Setting) -> dict[str, Any]:
    prior = _prior(family, setting.device)
    guidance = TypeAdapter(GuidanceConfig).validate_python({"kind": method, **_MORE.get(method, {})})
    field = HashGridFieldConfig(levels=2, log2_table_size=8, finest_resolution=16, width=16)
    try:
        events = optimise(
            OptimiseConfig(steps=2, views=max(4, prior.views_per_group), size=32),  # pyright: ignore[reportArgumentType]
            field.build(torch.Generator().manual_seed(1)).to(setting.device),
            VolumeRendererConfig(samples=16).build(),
            prior,
            build_guidance(guidance, prior, CFGConfig(text=2), NoiseConfig(), {}),
            ViewPrompts(prior, "a red ball", "", view_dependent=prior.views_per_group == 1),
            seed=0,
        )
        last = list(events)[-1]
    except (ConfigError, UnavailableError) as error:  # methods that ask for more than this family has
        raise Skip(str(error)) from error
    assert {"loss", "parameter_grad_norm"} <= last.metrics.keys(), "not a number"
    assert last.metrics["parameter_grad_norm"] > 0, "no gradient"
    return {"grad_norm": last.metrics["parameter_grad_norm"]}
