"""Adam with one rate for all entries of a parameter (Nicolet et al. 2021, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class AdamUniform(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015) whose second moment is its largest entry, for the whole parameter.

    Adam gives every entry a step of about lr, however small its gradient is: corners that nobody sees would
    move as far as those at a silhouette, and what large steps made smooth would be rough again. Here no entry
    moves further than about lr in a step, and those with small gradients move less.

    State of a parameter, as Adam's: step, exp_avg and exp_avg_sq.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-15,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step by the gradients that are there. Takes no closure."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = float(state["step"])
        mean = state["exp_avg"].mul_(beta1).add_(grad, alpha=1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        largest = (square.max() / (1 - beta2**step)).sqrt()
        parameter.sub_(mean / (largest + group["eps"]) * (group["lr"] / (1 - beta1**step)))
