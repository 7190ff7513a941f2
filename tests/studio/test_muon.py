"""Muon: directions are made orthogonal, and steps have the size of AdamW's."""

from __future__ import annotations

import pytest
import torch

from dreamlab.studio.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 16, 16)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonalised(matrices)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5 and values.max() < 1.3
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ made @ vh.mT
    assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(2, 64, 576), (1, 256, 1024), (1, 128, 128)])
def test_bfloat16_points_where_float32_points(shape: tuple[int, int, int]) -> None:
    """Singular values over three decades: five rounds on one square would blow small ones up fifty-fold."""
    random = torch.Generator().manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape, generator=random), full_matrices=False)
    matrices = u @ torch.diag_embed(torch.logspace(0, -3, shape[1]).expand(shape[0], -1)) @ vh
    exact, rounded = orthogonalised(matrices), orthogonalised(matrices.bfloat16())
    assert rounded.dtype == torch.bfloat16
    assert torch.linalg.svdvals(rounded.float()).max() < 1.3
    assert torch.cosine_similarity(exact.flatten(), rounded.float().flatten(), 0) > 0.99


@pytest.mark.parametrize("shape", [(2, 64, 576), (1, 256, 1024), (1, 128, 128)])
def test_rounds_on_the_small_square_are_rounds_on_the_matrix(shape: tuple[int, int, int]) -> None:
    """Against the iteration as Jordan et al. write it, in float64, with singular values over five decades."""
    random = torch.Generator().manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape, generator=random).double(), full_matrices=False)
    matrices = u @ torch.diag_embed(torch.logspace(0, -5, shape[1]).double().expand(shape[0], -1)) @ vh
    x = matrices / matrices.flatten(1).norm(dim=1)[:, None, None]
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    torch.testing.assert_close(orthogonalised(matrices.float()).double(), x, atol=2e-3, rtol=0)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_step_has_the_size_of_adams_whatever_the_gradients_scale(bfloat16: bool) -> None:
    for scale in (1e-6, 1.0, 1e6):
        weight = torch.nn.Parameter(torch.zeros(32, 8, 3, 3))
        weight.grad = scale * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        Muon([weight], lr=0.01, weight_decay=0.0, bfloat16=bfloat16).step()
        assert 0.1 < float(weight.detach().square().mean().sqrt()) / 0.01 < 0.3


def test_weights_decay_without_a_pull() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))
