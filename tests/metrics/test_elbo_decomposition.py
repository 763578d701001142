import math

import pytest
import torch
from scipy import special

from priorbench.metrics import elbo_decomposition
from priorbench.metrics.elbo_decomposition import PART_NAMES, decomposition_terms
from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.priors import Gaussian
from priorbench.priors.numerics.special import LOG_2PI
from priorbench.priors.spheres.geometry import log_surface_area

TWO_POINTS = [0.6865358194619888, 0.5789045680117452, 0.3708539736461567]

TWO_SPHERES = [0.5457728287410818, 0.23563636934915455, 0.17740930071151037]


def two_points(make_codes, copies):
    loc = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).repeat(copies, 1)
    return make_codes(loc, 0.5, torch.arange(2).repeat(copies)[:, None], (2,))


def test_oracle_two_points():
    # Expectations over z ~ q(z|x) by the trapezoid rule in two dimensions; x by symmetry.
    narrow = math.log(0.5)
    q = Gaussian()(
        torch.tensor(
            [[1.0, 1.0, narrow, narrow], [-1.0, -1.0, narrow, narrow]],
            dtype=torch.float64,
        )
    )
    line = torch.arange(-90, 91, dtype=torch.float64) * 0.05 + 1
    z = torch.cartesian_prod(line, line)
    own = q[:1].log_prob(z)
    joint, groups = log_aggregate(q, z, [[0], [1]])
    terms = decomposition_terms(
        own, joint, groups, -0.5 * (z.square() + LOG_2PI).sum(1)
    )
    parts = (own.exp()[:, None] * terms * 0.05**2).sum(0)
    assert parts.tolist() == pytest.approx(TWO_POINTS, abs=1e-10)
    assert parts.sum().item() == pytest.approx(1.6362943611198906, abs=1e-10)


def test_samples_agree_with_the_oracle(make_codes):
    scores = elbo_decomposition(two_points(make_codes, 500))
    for name, expected in zip(PART_NAMES, TWO_POINTS, strict=True):
        assert 0 < scores[f"{name}_se"] < 0.1
        assert abs(scores[name] - expected) < 3 * scores[f"{name}_se"] + 1e-3


@pytest.mark.parametrize("num_samples", [100, 2000])
def test_parts_add_up_on_the_same_draws(toy, num_samples):
    codes = toy()
    index = codes.draw_points(num_samples)
    scores = elbo_decomposition(codes, num_samples)
    expected = (
        codes.posterior[index].log_prob(codes.z[index]) - codes.log_prior[index]
    ).mean()
    assert sum(scores[name] for name in PART_NAMES) == pytest.approx(
        expected.item(), abs=1e-10
    )


def test_collapsed_posterior_has_no_parts(make_codes):
    codes = make_codes(
        torch.zeros(50, 3), 1.0, torch.zeros(50, 1, dtype=torch.int64), (1,)
    )
    scores = elbo_decomposition(codes)
    assert [scores[name] for name in PART_NAMES] == pytest.approx([0, 0, 0], abs=1e-12)


def test_separated_points_share_log_n(make_codes):
    loc = 100.0 * torch.arange(8)[:, None]
    scores = elbo_decomposition(make_codes(loc, 1.0, torch.arange(8)[:, None], (8,)))
    assert scores["index_code_mi"] == pytest.approx(math.log(8), abs=1e-12)
    assert scores["total_correlation"] == 0


def test_one_group_has_no_total_correlation(toy):
    scores = elbo_decomposition(toy(groups=[[0, 1, 2, 3]]))
    assert scores["total_correlation"] == pytest.approx(0, abs=1e-12)
    assert scores["index_code_mi"] == pytest.approx(
        elbo_decomposition(toy())["index_code_mi"]
    )


def test_latents_that_copy_each_other(make_codes):
    # One group for the copies: as if there were one latent, but for the noise.
    loc = 100.0 * torch.arange(4)[:, None].repeat(50, 2)
    scores = elbo_decomposition(
        make_codes(loc, 1.0, torch.zeros(200, 1, dtype=torch.int64), (1,))
    )
    assert scores["total_correlation"] == pytest.approx(math.log(4), abs=1e-10)


def two_spheres(make_spherical, copies):
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]).repeat(copies, 1)
    return make_spherical(
        [poles, poles], 2.0, torch.arange(2).repeat(copies)[:, None], (2,)
    )


def test_oracle_two_spheres(make_spherical):
    # All depends on the heights alone, which are uniform under the uniform distribution:
    # expectations over z ~ q(z|x) by Gauss and Legendre in both; x by symmetry.
    q = two_spheres(make_spherical, 1).posterior
    node, weight = map(torch.tensor, special.roots_legendre(40))
    heights = torch.cartesian_prod(node, node)
    weights = torch.cartesian_prod(weight, weight).prod(1) / 4
    flat, zero = torch.sqrt(1 - heights**2), torch.zeros(1600).double()
    z = torch.stack(
        [flat[:, 0], zero, heights[:, 0], zero, flat[:, 1], heights[:, 1]], dim=1
    )
    own, area = q[:1].log_prob(z), 2 * log_surface_area(3)
    joint, groups = log_aggregate(q, z, q.layout.groups)
    terms = decomposition_terms(own, joint, groups, zero - area)
    parts = ((weights * (own + area).exp())[:, None] * terms).sum(0)
    assert parts.tolist() == pytest.approx(TWO_SPHERES, abs=1e-12)
    assert parts.sum().item() == pytest.approx(0.9588184988017467, abs=1e-12)
    first = (weights * (own + area).exp() * (joint - groups.sum(1) + own - joint)).sum()
    assert first.item() == pytest.approx(2 * 0.3907045990451182, abs=1e-12)


def test_samples_agree_with_the_oracle_on_spheres(make_spherical):
    scores = elbo_decomposition(two_spheres(make_spherical, 1500), num_samples=3000)
    for name, expected in zip(PART_NAMES, TWO_SPHERES, strict=True):
        assert 0 < scores[f"{name}_se"] < 0.02
        assert abs(scores[name] - expected) < 4 * scores[f"{name}_se"] + 1e-4
