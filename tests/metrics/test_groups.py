import math

import pytest
import torch

from metrics import Codes, mig, mig_groups
from priors.posteriors import Gaussian

from .test_aggregate import Opaque


def opaque(codes):
    return Codes(Opaque(codes.posterior.params), codes.z, codes.log_prior, codes.factors,
                 codes.factor_names, codes.factor_sizes, codes.groups, codes.excluded, codes.seed)


def test_singletons_are_mig(toy):
    codes = toy(excluded=("b",), groups=[[2], [0], [1], [3]])
    got, expected = mig_groups(codes), mig(codes)
    assert got["mig_groups"] == pytest.approx(expected["mig"], abs=1e-12)
    assert got["mig_groups_se"] == 0
    torch.testing.assert_close(got["group_mutual_information"],
                               expected["mutual_information"][[2, 0, 1, 3]])


def test_sampled_singletons_agree_with_quadrature(toy):
    codes = toy()
    got = mig_groups(opaque(codes))
    assert 0 < got["mig_groups_se"] < 0.05
    assert abs(got["mig_groups"] - mig(codes)["mig"]) < 3 * got["mig_groups_se"]


def test_oracle_weight_counts_once(make_codes):
    # Two dimensions that know nothing: 0, where a weight for each would give log 6 = 1.79.
    codes = make_codes(torch.zeros(6, 2), 1.0, torch.arange(6)[:, None], (6,), groups=[[0, 1]])
    got = mig_groups(codes)
    assert got["mig_groups"] == pytest.approx(0.0, abs=1e-12)
    assert got["group_mutual_information"].item() == pytest.approx(0.0, abs=1e-12)


def test_group_of_independent_copies_adds_up(make_codes, grid):
    # Each group holds one factor, half in each coordinate: I(z_g; v) is the sum of the halves.
    v = grid(4, 4).repeat(60, 1)
    loc = torch.stack([v[:, 0] % 2, v[:, 0] // 2, v[:, 1] % 2, v[:, 1] // 2], dim=1) * 2.0 - 1
    got = mig_groups(make_codes(loc, 1.0, v, (4, 4), groups=[[0, 1], [2, 3]]), num_samples=900)
    expected = 2 * 0.3368308203468316 / math.log(4)
    assert abs(got["mig_groups"] - expected) < 3 * got["mig_groups_se"] < 0.1


def test_perfect_groups_score_one(make_codes, grid):
    v = grid(3, 4)
    loc = 40.0 * v[:, [0, 0, 1, 1]]
    got = mig_groups(make_codes(loc, 1.0, v, (3, 4), groups=[[0, 1], [2, 3]]))
    assert got["mig_groups"] == pytest.approx(1, abs=1e-12)


def test_one_group_is_normalised_information(make_codes, grid):
    v = grid(3, 4)
    got = mig_groups(make_codes(40.0 * v, 1.0, v, (3, 4), groups=[[0, 1]]))
    assert got["mig_groups"] == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(got["group_mutual_information"],
                               torch.tensor([[math.log(3), math.log(4)]]).double())


def test_invariant_to_the_order_of_points_and_scale(toy):
    codes = toy(groups=[[0, 1], [2, 3]])
    q, points = codes.posterior, torch.randperm(240)
    params = torch.cat([10 * q.loc, q.log_scale + math.log(10)], dim=1)[points]
    changed = Codes(Gaussian(params), 10 * codes.z[points], codes.log_prior[points],
                    codes.factors[points], codes.factor_names, codes.factor_sizes, codes.groups)
    for name, value in mig_groups(codes).items():
        torch.testing.assert_close(mig_groups(changed)[name], value, atol=1e-10, rtol=0)


def test_uneven_scales_do_not_underflow(make_codes):
    scale = torch.tensor([[1e-6] * 8, [1.0] * 8]).repeat(50, 1)
    codes = make_codes(torch.zeros(100, 8), scale, torch.arange(2).repeat(50)[:, None], (2,),
                       groups=[list(range(8))])
    assert mig_groups(codes)["mig_groups"] == pytest.approx(1, abs=1e-12)
