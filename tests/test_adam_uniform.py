"""AdamUniform against the update written out, and against Adam where the two agree."""

import math

import pytest
import torch

from dreamlab.stages.adam_uniform import AdamUniform


def gradients(*shape: int, steps: int = 12) -> torch.Tensor:
    return torch.randn(steps, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_hand(x: list[float], steps: list[list[float]], lr: float, beta1: float, beta2: float) -> list[float]:
    """Nicolet et al. 2021, section 4.3: Adam, divided by the largest of the second moments."""
    first, second = [0.0] * len(x), [0.0] * len(x)
    for t, grad in enumerate(steps, start=1):
        first = [beta1 * m + (1 - beta1) * g for m, g in zip(first, grad, strict=True)]
        second = [beta2 * v + (1 - beta2) * g * g for v, g in zip(second, grad, strict=True)]
        scale = math.sqrt(max(second) / (1 - beta2**t))
        x = [a - lr * (m / (1 - beta1**t)) / scale for a, m in zip(x, first, strict=True)]
    return x


def test_it_is_the_update_of_the_paper() -> None:
    steps = gradients(5, 3)
    x = torch.nn.Parameter(torch.randn(5, 3, generator=torch.Generator().manual_seed(2)).double())
    wanted = by_hand(x.flatten().tolist(), steps.flatten(1).tolist(), 0.03, 0.8, 0.95)
    optimizer = AdamUniform([x], lr=0.03, betas=(0.8, 0.95))
    for grad in steps:
        x.grad = grad.clone()
        optimizer.step()
    assert x.flatten().tolist() == pytest.approx(wanted, rel=1e-12)


def test_of_a_single_number_it_is_adam() -> None:
    ours, theirs = (torch.nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
    optimizers = AdamUniform([ours], 0.1), torch.optim.Adam([theirs], 0.1, (0.9, 0.99), eps=1e-15)
    for grad in gradients(1):
        ours.grad, theirs.grad = grad.clone(), grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_no_entry_moves_further_than_the_rate_and_small_gradients_move_less() -> None:
    x = torch.nn.Parameter(torch.zeros(2))
    optimizer = AdamUniform([x], lr=0.01)
    x.grad = torch.tensor([5.0, 0.05])
    optimizer.step()
    torch.testing.assert_close(x.data, torch.tensor([-0.01, -0.0001]))


def test_without_any_gradient_nothing_moves() -> None:
    still, unseen = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = AdamUniform([still, unseen])
    still.grad = torch.zeros(2)
    optimizer.step()
    assert torch.equal(still, torch.ones(2)) and torch.equal(unseen, torch.ones(2))
    assert unseen not in optimizer.state
