import math

import pytest
import torch

from priorbench.metrics.information import quadrature
from priorbench.metrics.information.factor_table import FactorTable
from priorbench.metrics.information.quadrature import (
    CHUNK,
    MAX_POINTS,
    count_grid_points,
    gaussian_information,
    latent_entropies,
)

FINE = 0.25
LEVELS = [
    ([-1.0, 1.0], 1.0, [0.3368308203468316, 1.7557693535514044, 0.48594415413293535]),
    ([-1.0, 1.0], 0.5, [0.6327201937368669, 1.3585115463815944, 0.9128222857744822]),
    (
        [0.0, 1.0, 2.0, 3.0],
        0.5,
        [0.8452327550668499, 1.5710241077115772, 0.60970655206593],
    ),
]


def make_levels(means, sigma):
    """One latent that has a mean for each value of one factor."""
    loc = torch.tensor(means, dtype=torch.float64)[:, None]
    table = make_table(torch.arange(len(means)))
    return loc, torch.full_like(loc, sigma), table


def make_table(values, size=None):
    """The table of one factor, (N,)."""
    size = size or int(values.max()) + 1
    return FactorTable.from_factors(values.view(-1, 1), [size])


@pytest.mark.parametrize(("means", "sigma", "expected"), LEVELS)
def test_gaussian_levels(means, sigma, expected):
    loc, scale, table = make_levels(means, sigma)
    marginal, conditional = latent_entropies(loc, scale, table, FINE)
    information = gaussian_information(loc, scale, table, FINE)
    assert information.item() == pytest.approx(expected[0], abs=1e-10)
    assert marginal.item() == pytest.approx(expected[1], abs=1e-10)
    assert conditional.item() == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e * sigma**2), abs=1e-10
    )
    assert information.item() / math.log(len(means)) == pytest.approx(
        expected[2], abs=1e-10
    )


@pytest.mark.parametrize(
    ("step", "error"), [(0.25, 1e-10), (0.5, 1e-6), (1.0, 1e-3), (2.0, 0.1)]
)
def test_step_sets_the_error(step, error):
    for means, sigma, expected in LEVELS:
        loc, scale, table = make_levels(means, sigma)
        got = gaussian_information(loc, scale, table, step).item()
        assert abs(got - expected[0]) < error


def test_single_posterior_has_its_closed_entropy():
    loc = torch.tensor([[3.0, -20.0]], dtype=torch.float64)
    scale = torch.tensor([[0.01, 5.0]], dtype=torch.float64)
    table = make_table(torch.zeros(1, dtype=torch.int64))
    marginal, conditional = latent_entropies(loc, scale, table, 0.5)
    expected = scale[0].log() + 0.5 * math.log(2 * math.pi * math.e)
    torch.testing.assert_close(marginal, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(conditional[:, 0], expected, atol=1e-12, rtol=0)


def test_unequal_counts_weigh_the_values():
    # Well separated values: I(z; v) = H(v), whatever the size of the table.
    values = torch.tensor([0] * 5 + [2] * 3 + [3] * 2)
    loc = 50.0 * values[:, None].double()
    table = make_table(values, size=5)
    information = gaussian_information(loc, torch.ones_like(loc), table)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert information.item() == pytest.approx(
        -(shares * shares.log()).sum().item(), abs=1e-6
    )


@pytest.mark.parametrize("gap", [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_default_step_suffices_for_few_gaussians(gap, ratio):
    loc, scale, table = make_levels([0.0, gap, 2 * gap + 0.37], 1.0)
    scale[1] *= ratio
    got = latent_entropies(loc, scale, table)
    fine = latent_entropies(loc, scale, table, 0.1)
    torch.testing.assert_close(got, fine, atol=4e-6, rtol=0)


def test_chunks_and_windows_lose_nothing(monkeypatch):
    monkeypatch.setitem(CHUNK, "cpu", 300)
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(6, (4_000, 1), generator=generator)
    loc = values.double() + torch.randn(4_000, 1, generator=generator).double()
    scale = torch.exp(torch.randn(4_000, 1, generator=generator).double() / 3 - 2)
    got = latent_entropies(loc, scale, make_table(values, size=6))
    spacing = scale.min() / 2
    grid = torch.arange(
        (loc - 9 * scale).min().item(),
        (loc + 9 * scale).max().item(),
        spacing.item(),
        dtype=torch.float64,
    )
    densities = torch.stack(
        [
            torch.cat(
                [
                    torch.distributions.Normal(m, s)
                    .log_prob(part[:, None])
                    .exp()
                    .mean(1)
                    for part in grid.split(64)
                ]
            )
            for m, s in [(loc[:, 0], scale[:, 0])]
            + [(loc[values == v], scale[values == v]) for v in range(6)]
        ]
    )
    exact = spacing * torch.special.entr(densities).sum(1)
    counts = torch.bincount(values[:, 0]) / len(values)
    assert got[0].item() == pytest.approx(exact[0].item(), abs=1e-7)
    assert got[1].item() == pytest.approx((exact[1:] * counts).sum().item(), abs=1e-7)


def test_float32_input_is_computed_in_float64():
    loc, scale, table = make_levels([0.0, 1.0, 2.0, 3.0], 0.5)
    got = gaussian_information(loc.float(), scale.float(), table, FINE)
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(LEVELS[2][2][0], abs=1e-10)


def test_grid_grows_with_the_narrowest_posterior():
    loc = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    assert count_grid_points(loc, torch.full_like(loc, 0.1)).item() == 53
    table = make_table(torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=rf"points in latent 0, at most {MAX_POINTS}"):
        latent_entropies(loc, torch.full_like(loc, 1e-5), table)


@pytest.mark.parametrize(
    ("loc", "scale", "step", "message"),
    [
        (math.nan, 1.0, 1.0, "diverged"),
        (0.0, math.inf, 1.0, "diverged"),
        (0.0, -1.0, 1.0, "diverged"),
        (0.0, 1.0, 0.0, "'step' must be positive"),
    ],
)
def test_errors(loc, scale, step, message):
    with pytest.raises(ValueError, match=message):
        count_grid_points(torch.tensor([[loc]]), torch.tensor([[scale]]), step)


def test_a_few_narrow_posteriors_among_broad_ones():
    """The broad are summed on coarse grids and interpolated; against one fine grid for all."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(3, (400, 1), generator=generator)
    loc = values.double() + 0.5 * torch.randn(400, 1, generator=generator).double()
    scale = torch.exp(
        1.5 * torch.randn(400, 1, generator=generator).double() - 2
    ).clamp(0.01, 1)
    scale[7], scale[8] = 1e-3, 2.5e-3
    marginal, conditional = latent_entropies(loc, scale, make_table(values, size=3))
    spacing = 0.25e-3
    grid = torch.arange(-9.0, 12.0, spacing, dtype=torch.float64)
    densities = torch.zeros(3, len(grid), dtype=torch.float64)
    for v, m, s in zip(values[:, 0], loc[:, 0], scale[:, 0], strict=True):
        densities[v] += torch.distributions.Normal(m, s).log_prob(grid).exp()
    counts = torch.bincount(values[:, 0])
    exact = spacing * torch.special.entr(densities.sum(0) / 400).sum()
    each = spacing * torch.special.entr(densities / counts[:, None]).sum(1)
    assert marginal.item() == pytest.approx(exact.item(), abs=1e-8)
    assert conditional.item() == pytest.approx(
        (each * counts).sum().item() / 400, abs=1e-8
    )


def make_wide(count=60):
    generator = torch.Generator().manual_seed(0)
    loc = torch.randn(count, 1, generator=generator).double()
    scale = torch.full_like(loc, 0.3)
    table = make_table(torch.randint(3, (count, 1), generator=generator), size=3)
    return loc, scale, table


def test_few_densities_at_once_have_the_same_sum(monkeypatch):
    """Whatever the width of the window: rows times grid points are bounded."""
    expected = latent_entropies(*make_wide())
    evaluate, sizes = quadrature._evaluate_normal, []

    def note_size(grid, mean, deviation):
        sizes.append(len(grid) * len(mean))
        return evaluate(grid, mean, deviation)

    monkeypatch.setattr(quadrature, "_evaluate_normal", note_size)
    monkeypatch.setattr(quadrature, "MAX_DENSITIES", 500)
    torch.testing.assert_close(latent_entropies(*make_wide()), expected)
    assert max(sizes) <= 500
    assert len(sizes) > 5


def test_where_memory_runs_out_fewer_are_taken(monkeypatch):
    expected = latent_entropies(*make_wide())
    evaluate = quadrature._evaluate_normal

    def fail_if_many(grid, mean, deviation):
        if len(mean) > 7:
            raise torch.OutOfMemoryError("full")
        return evaluate(grid, mean, deviation)

    monkeypatch.setattr(quadrature, "_evaluate_normal", fail_if_many)
    torch.testing.assert_close(latent_entropies(*make_wide()), expected)
    monkeypatch.setattr(
        quadrature, "_evaluate_normal", lambda *_: fail_if_many(None, [0] * 8, None)
    )
    with pytest.raises(torch.OutOfMemoryError):
        latent_entropies(*make_wide())
