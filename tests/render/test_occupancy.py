"""What the grid remembers, forgets and grows."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlab.render import OccupancyConfig, OccupancyGrid


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grid(**settings: object) -> OccupancyGrid:
    config = OccupancyConfig.model_validate({"resolution": 8, "warm_up": 0, "every": 1, **settings})
    return config.build(1 / 32)


def corner(x: torch.Tensor) -> torch.Tensor:
    """Dense where x < -0.5, y > 0.5: tells the axes apart."""
    return 50.0 * ((x[:, 0] < -0.5) & (x[:, 1] > 0.5)).float()


def nothing(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(x))


def test_cells_are_indexed_x_y_z() -> None:
    g = grid()
    g.refresh(corner, rng())
    expected = torch.zeros(8, 8, 8, dtype=torch.bool)
    expected[:2, 6:, :] = True
    assert torch.equal(g.occupied, expected)


def test_margin_adds_the_neighbours() -> None:
    g = grid(margin=True)
    g.refresh(corner, rng())
    expected = torch.zeros(8, 8, 8, dtype=torch.bool)
    expected[:3, 5:, :] = True
    assert torch.equal(g.occupied, expected)


def test_old_density_fades_and_is_forgotten() -> None:
    g = grid(decay=0.5)
    g.refresh(corner, rng())
    g.refresh(nothing, rng())
    assert float(g.cells.max()) == 25.0 and g.occupied.any()
    for _ in range(60):
        g.refresh(nothing, rng())
    # The least density counted is the mean if that is smaller: only true nothing is let go of quickly.
    g.reset()
    g.refresh(nothing, rng())
    assert not g.occupied.any()


def test_a_faint_haze_is_not_thrown_away() -> None:
    g = grid(threshold=0.01)
    g.refresh(lambda x: 0.02 * (x[:, 0] > 0).float(), rng())
    assert g.occupied[4:].all() and not g.occupied[:4].any()


def test_refreshes_come_at_their_time_only() -> None:
    calls: list[int] = []
    g = grid(warm_up=2, every=3)
    for step in range(9):
        g.update(lambda x, step=step: calls.append(step) or corner(x), step, rng(step))
    assert calls == [0, 2, 5, 8]


def test_a_grid_that_knows_the_scene_has_no_warm_up() -> None:
    """Step 0 of a later stage: faint haze counts in a new grid, and is left out by one that has measured."""

    def haze(x: torch.Tensor) -> torch.Tensor:
        return corner(x) + 0.1  # a step through it adds .003 of opacity, between the two thresholds

    g = grid(warm_up=4)
    g.update(haze, 0, rng())
    assert g.occupied.all()
    g.update(haze, 4, rng())
    share = float(g.occupied.float().mean())
    assert share == 2 * 2 / 8**2
    for step in range(4):
        g.update(haze, step, rng(step))
        assert float(g.occupied.float().mean()) == share
    g.reset()
    g.update(haze, 0, rng())
    assert g.occupied.all()


def test_what_is_fainter_than_the_warm_ups_threshold_is_no_part_of_it() -> None:
    def haze(x: torch.Tensor) -> torch.Tensor:
        return corner(x) + 0.01

    share = []
    for threshold in (0.001, 0.0):
        g = grid(warm_up=4, warm_up_threshold=threshold)
        g.update(haze, 0, rng())
        share.append(float(g.occupied.float().mean()))
    assert share == [2 * 2 / 8**2, 1.0]


@given(
    level=st.floats(-6, 3),
    spread=st.floats(0, 6),
    threshold=st.floats(1e-4, 0.5),
    warm=st.floats(0, 0.9),
    margin=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_a_warm_up_keeps_every_cell_that_counts_when_it_is_over(
    level: float, spread: float, threshold: float, warm: float, margin: bool
) -> None:
    """Whatever the field, however faint, and even where the warm-up's threshold is set above the other."""
    exponent = level + spread * torch.randn(8, 8, 8, generator=rng(1))
    cells = (10.0**exponent).clamp_max(1e8)

    def density(x: torch.Tensor) -> torch.Tensor:
        i, j, k = ((x + 1) * 4).long().clamp(0, 7).unbind(-1)
        return cells[i, j, k]

    g = grid(warm_up=1, threshold=threshold, warm_up_threshold=warm, margin=margin)
    g.update(density, 0, rng())
    early = g.occupied.clone()
    g.update(density, 1, rng(2))
    assert bool((early | ~g.occupied).all())


def test_state_goes_round() -> None:
    a, b = grid(), grid()
    a.refresh(corner, rng())
    b.load_state_dict(a.state_dict())
    assert torch.equal(a.cells, b.cells) and torch.equal(a.occupied, b.occupied)
    a.refresh(nothing, rng())
    assert not torch.equal(a.cells, b.cells)
