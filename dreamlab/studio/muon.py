"""Muon: momentum whose matrices are made orthogonal before they are applied, beside AdamW for everything
else.

Muon (Jordan et al. 2024) with the update's size matched to AdamW's (Liu et al. 2025, "Muon is scalable for
LLM training", eq. 4), so that one learning rate and weight decay serve both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Coefficients of the quintic iteration by Jordan et al.: singular values go to about 1 (0.7 to 1.2) in five
# rounds.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = (3, 2)


def orthogonalised(matrices: Float[Tensor, "N R C"]) -> Float[Tensor, "N R C"]:
    """Each matrix with its singular values brought near 1 and its singular vectors kept (Newton-Schulz), in
    the precision that it comes in.

    A round is X <- p(X X^T) X. All its factors commute, so some rounds are run on the small square X X^T and
    their product meets X once: a third of the work for the prior's matrices. Not all five: in bfloat16 the
    square loses what little it knows of small singular values, and five rounds would blow them up fifty-fold.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    for rounds in _ROUNDS:
        gram = x @ x.mT
        product = one = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        for _ in range(rounds):
            factor = a * one + b * gram + c * gram @ gram
            product, gram = factor @ product, factor @ gram @ factor
        x = product @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Parameters of two or more dimensions, seen as matrices [out, the rest].

    lr and weight_decay as for AdamW: an update has a root mean square of about 0.2 lr. Nesterov momentum.
    bfloat16: orthogonalise in it, a third of the time where the processor has units for it (momenta stay as
    precise as their parameters).
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        bfloat16: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._bfloat16 = bfloat16

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of every parameter that has a gradient. Matrices of one shape are taken together.

        No closure is called: the gradients must be there.
        """
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[tuple(parameter.shape)].append(parameter)
            for parameters in alike.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum, lr = group["momentum"], group["lr"]
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)  # pyright: ignore[reportPrivateImportUsage]
        directions = torch._foreach_lerp(gradients, momenta, momentum)  # pyright: ignore[reportPrivateImportUsage]
        stacked = torch.stack([direction.flatten(1) for direction in directions])
        stacked = stacked.bfloat16() if self._bfloat16 else stacked
        scale = 0.2 * max(stacked.shape[1:]) ** 0.5
        updates = orthogonalised(stacked).to(parameters[0].dtype).unbind()
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])  # pyright: ignore[reportPrivateImportUsage]
        shaped = [update.view(p.shape) for update, p in zip(updates, parameters, strict=True)]
        torch._foreach_add_(parameters, shaped, alpha=-lr * scale)  # pyright: ignore[reportPrivateImportUsage]
