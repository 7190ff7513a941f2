"""All of a stage that changes from step to step, as one thing that can be saved, restored and begun anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import HasUniformGroups
from dreamlab.guidance.protocol import Guidance
from dreamlab.render.background import Background
from dreamlab.render.base import Renderer
from dreamlab.stages.adam_uniform import AdamUniform
from dreamlab.stages.base import Optimisable, OptimiseConfig
from dreamlab.stages.watchdog import Recovery, Watchdog


class OptimiserState:
    """All of an optimisation that changes: scene, background, what the renderer knows, Adam, randomness,
    guidance, watchdog.

    What the stage `before` left goes on where it fits: its background where the settings are equal, and what
    its renderer knows. Adam, randomness and watchdog begin anew.
    """

    def __init__(
        self,
        stage: OptimiseConfig,
        scene: Optimisable,
        renderer: Renderer,
        guidance: Guidance,
        seed: int,
        before: OptimiserState | None = None,
    ) -> None:
        self.stage, self.scene, self.renderer, self.guidance = stage, scene, renderer, guidance
        self.seed, self.step = seed, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.device = next(iter(scene.parameters())).device
        self.renderer.to(self.device)
        if before is not None:
            renderer.take_over(before.renderer)
        if before is not None and before.stage.background == stage.background:
            self.background: Background = before.background
        else:
            self.background = stage.background.build(self.generator).to(self.device)
        self.watchdog = Watchdog(stage.watchdog)
        self.parameters, self.optimizers = self._new_adam()
        self._good: dict[str, Tensor] = {}
        self._good_step = -1
        self.keep()

    # ---- saving and loading ----

    def state_dict(self) -> dict[str, Tensor]:
        """All state as flat named tensors on the CPU, independent copies: enough to go on exactly.

        Names begin with "scene.", "background.", "renderer.", "guidance.", "adam." or "watchdog."; "good."
        holds the state that a rollback would return to, unless that is the present one.
        """
        state = self._present()
        state |= {f"watchdog.{k}": v for k, v in self.watchdog.state_dict().items()}
        if self._good_step != self.step:
            state |= {f"good.{k}": v.clone() for k, v in self._good.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state_dict of the same stage and scene. DamagedError if it does not fit."""
        try:
            self._restore({k: v for k, v in state.items() if not k.startswith(("good.", "watchdog."))})
            self.watchdog.load_state_dict(part_of(state, "watchdog."))
            good = part_of(state, "good.")
            self._good = good or self._present()
            self._good_step = int(self._good["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DamagedError(
                "the saved optimiser state does not fit this stage",
                expected="a state of the same config",
                got=str(error).splitlines()[0],
                mend="Resume with the config that the run was started with",
            ) from error

    def keep(self) -> None:
        """Remember the present as the last good state."""
        self._good, self._good_step = self._present(), self.step

    def apply(self, recovery: Recovery) -> None:
        """Do what the watchdog asks."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * recovery.attempt)
        if recovery.kind == "rollback":
            self._restore(self._good)
        else:
            self.scene.restart(generator, recovery.blob_factor)
            self.renderer.reset()
            self.background = self.stage.background.build(generator).to(self.device)
            self.parameters, self.optimizers = self._new_adam()
            self.step = 0
        self.generator = generator
        self.keep()

    def healthy(self) -> bool:
        """Whether all parameters are finite."""
        return bool(torch.stack([p.isfinite().all() for p in self.parameters.values()]).all())

    def _present(self) -> dict[str, Tensor]:
        state = {"step": torch.tensor(self.step), "generator": self.generator.get_state()}
        parts = {
            "scene": self.scene,
            "background": self.background,
            "renderer": self.renderer,
            "guidance": self.guidance,
        }
        for prefix, part in parts.items():
            state |= {f"{prefix}.{k}": v for k, v in part.state_dict().items()}
        for name, parameter in self.parameters.items():
            for optimizer in self.optimizers:
                moments = optimizer.state.get(parameter, {})
                state |= {f"adam.{name}.{key}": value for key, value in moments.items()}
        return {k: v.detach().cpu().clone() for k, v in state.items()}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        self.step = int(state["step"])
        self.generator.set_state(state["generator"].cpu())
        self.scene.load_state_dict(part_of(state, "scene."))
        self.background.load_state_dict(part_of(state, "background."))
        self.renderer.load_state_dict(part_of(state, "renderer."))
        self.guidance.load_state_dict(part_of(state, "guidance."))
        self.parameters, self.optimizers = self._new_adam()
        for name, parameter in self.parameters.items():
            moments = part_of(state, f"adam.{name}.")
            if moments:
                if moments["exp_avg"].shape != parameter.shape:
                    raise ValueError(f"{name} has another shape")
                self._optimizer_of(parameter).state[parameter] = {
                    k: v.to(self.device).clone() for k, v in moments.items()
                }

    def _optimizer_of(self, parameter: Tensor) -> torch.optim.Optimizer:
        return next(
            optimizer
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            if any(parameter is one for one in group["params"])
        )

    def set_learning_rates(self, progress: float) -> None:
        """Adam's rates at this progress: by group, and gentler after recoveries."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["ramp"](progress) * group["scale"] * self.watchdog.lr_factor

    def _new_adam(self) -> tuple[dict[str, Tensor], list[torch.optim.Optimizer]]:
        """Every parameter by its name in the state, and one group of Adam's (or AdamUniform's, where the
        scene says so) for each group of the scene's."""
        scene = {f"scene.{k}": p for k, p in self.scene.named_parameters() if p.requires_grad}
        background = {f"background.{k}": p for k, p in self.background.named_parameters()}
        stage, named = self.stage, self.scene.parameter_groups()
        unknown = sorted(set(stage.lr_scale) - set(named))
        if unknown:
            raise ConfigError(
                f"the scene has no group of parameters {unknown[0]!r}",
                expected="lr_scale by " + ", ".join(named),
                got=", ".join(stage.lr_scale),
            )
        uniform = self.scene.uniform_groups if isinstance(self.scene, HasUniformGroups) else frozenset()
        groups: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for group, names in named.items():
            learned = [scene[f"scene.{k}"] for k in names if f"scene.{k}" in scene]
            scale = stage.lr_scale.get(group, 1.0)
            groups[group in uniform].append({"params": learned, "ramp": stage.lr, "scale": scale})
        behind = {"params": list(background.values()), "ramp": stage.background_lr, "scale": 1.0}
        plain, alike = ([g for g in some if g["params"]] for some in ([*groups[False], behind], groups[True]))
        settings: dict[str, Any] = {"lr": 0.0, "betas": stage.betas, "eps": stage.eps}
        optimizers: list[torch.optim.Optimizer] = []
        if plain:
            optimizers.append(torch.optim.Adam(plain, fused=True, **settings))
        if alike:
            optimizers.append(AdamUniform(alike, **settings))
        return scene | background, optimizers

    # ---- looking ----

    @torch.no_grad()
    def preview(self, size: int = 128, azimuth: float = 0.5, elevation: float = 0.35) -> Tensor:
        """A still view of the present scene as uint8 [H,W,3]; touches no randomness."""
        fovy = torch.tensor([math.radians(40.0)])
        angles = torch.tensor([azimuth]), torch.tensor([elevation])
        camera = orbit_cameras(*angles, distance_to_fit(fovy), fovy, (size, size)).to(self.device)
        image = self.renderer(self.scene, camera, background=self.background).rgb[0]
        return (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def part_of(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries of a flat state below a prefix, with the prefix taken off."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
