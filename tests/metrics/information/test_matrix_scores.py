import math

import pytest
import torch

from priorbench.metrics.infoc import average_code_share
from priorbench.metrics.infom import average_factor_share
from priorbench.metrics.information.latent_information import estimate_information
from priorbench.metrics.information.matrix_scores import InformationMatrix
from priorbench.metrics.mi_completeness import compute_completeness
from priorbench.metrics.mi_disentanglement import compute_disentanglement
from priorbench.metrics.mig_sup import average_gap
from priorbench.metrics.modularity import average_modularity
from tests.metrics.synthetic_codes import OpaqueGaussian

FORMULAS = [
    average_code_share,
    average_factor_share,
    average_gap,
    average_modularity,
    compute_completeness,
    compute_disentanglement,
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("size", [1e-6, 1e-3])
def test_error_covers_all_that_the_informations_may_be(formula, size):
    nats = torch.rand(4, 3).double()
    nats[0, 0] = nats[1, 2] = 0
    nats[2, 1] = nats[2, 2]
    entropies = torch.tensor([2.0, 3.0, 4.0]).double().log()
    error = size * torch.rand(4, 3).double()
    matrix = InformationMatrix(nats, error, entropies)
    bound, score = matrix.bound_error(formula), formula(matrix)
    worst = 0.0
    for _ in range(500):
        shift = error * torch.randint(-1, 2, error.shape)
        moved = (nats + shift).clamp(min=0)
        other = formula(InformationMatrix(moved, error, entropies))
        worst = max(worst, abs(other - score))
    assert 0.2 * bound < worst <= 1.01 * bound


@pytest.mark.parametrize("formula", FORMULAS)
def test_exact_informations_have_no_error(formula):
    nats = torch.rand(4, 3).double()
    matrix = InformationMatrix(nats, 0 * nats, torch.ones(3).double())
    assert matrix.bound_error(formula) == 0


def test_what_is_within_its_error_is_nothing(make_codes, grid):
    # a latent of noise that is the same for all values of the factors
    v = grid(3, 4, 5)
    codes = make_codes(torch.stack([v[:, 0], v[:, 2]], dim=1), 0.3, v[:, :2], (3, 4))
    matrix = InformationMatrix.from_codes(codes, [[0], [1]], 0.5, 100)
    assert (matrix.nats[1] == 0).all()
    assert matrix.active.tolist() == [True, False]
    assert matrix.keep_active().nats.shape == (1, 2)


def test_only_counted_factors_have_a_column(make_codes, grid):
    v = torch.cat([grid(3, 4), torch.zeros(12, 1, dtype=torch.int64)], dim=1)
    codes = make_codes(v[:, :2], 0.3, v, (3, 4, 5), nuisance=("a",), excluded=("b",))
    matrix = InformationMatrix.from_codes(codes, [[0], [1]], 0.5, 100)
    assert matrix.nats.shape == (2, 1)
    assert matrix.entropies.item() == pytest.approx(math.log(4))
    assert matrix.active.tolist() == [False, True]


def test_each_group_is_integrated_once(toy, monkeypatch):
    module = "priorbench.metrics.information.latent_information"
    calls = []

    def count_calls(loc, scale, table, step):
        calls.append(loc.shape[1])
        return torch.ones(loc.shape[1], 3).double()

    monkeypatch.setattr(f"{module}.gaussian_information", count_calls)
    codes = toy(groups=[[0], [1], [2, 3]])
    latents = [[j] for j in range(4)]
    estimate_information(codes, latents, 0.5, 100)
    estimate_information(codes, latents, 0.5, 200)
    estimate_information(codes, [[1], [0]], 0.5, 100)
    assert calls == [4]
    estimate_information(codes, latents, 0.25, 100)
    assert calls == [4, 4]
    estimate_information(toy(), latents, 0.5, 100)
    assert calls == [4, 4, 4]


def test_the_same_groups_are_sampled_once(toy, monkeypatch):
    module = "priorbench.metrics.information.latent_information"
    calls = []

    def count_calls(posterior, z, table, groups, index):
        calls.append((groups, len(index)))
        return torch.ones(len(index), len(groups), 3).double()

    monkeypatch.setattr(f"{module}.information_terms", count_calls)
    codes = toy(groups=[[0], [1], [2, 3]])
    for num_samples in (100, 100, 50):
        estimate_information(codes, codes.groups, 0.5, num_samples)
    assert calls == [(((2, 3),), 100), (((2, 3),), 50)]


def test_order_of_the_groups_is_kept(toy):
    codes = toy()
    opaque = OpaqueGaussian()(codes.posterior.params)
    for q in (codes.posterior, opaque):
        mixed = toy(groups=[[3], [0, 1], [2]])
        vars(mixed)["posterior"] = q
        first = estimate_information(mixed, [[3], [0, 1], [2]], 0.5, 240)
        second = estimate_information(mixed, [[0, 1], [2], [3]], 0.5, 240)
        torch.testing.assert_close(first.nats[[1, 2, 0]], second.nats)
        torch.testing.assert_close(first.error[[1, 2, 0]], second.error)
