import math

import pytest
import torch

from priorbench.metrics.information.aggregate_posterior import CHUNKS, log_aggregate
from priorbench.priors import Gaussian
from tests.metrics.synthetic_codes import OpaqueGaussian

GROUPS = [[0, 2], [3], [1]]


@pytest.mark.parametrize("family", [Gaussian(), OpaqueGaussian()])
def test_matches_the_mixture(toy, family, monkeypatch):
    monkeypatch.setitem(CHUNKS, "cpu", (7, 33))
    codes = toy()
    q = family(codes.posterior.params)
    joint, groups = log_aggregate(q, codes.z[:50], GROUPS)
    each = torch.distributions.Normal(codes.posterior.loc, codes.posterior.scale)
    every = each.log_prob(codes.z[:50, None])
    expected = torch.stack([every[..., g].sum(-1) for g in GROUPS], -1).logsumexp(1)
    torch.testing.assert_close(groups, expected - math.log(240))
    torch.testing.assert_close(joint, every.sum(-1).logsumexp(1) - math.log(240))


def test_pairs_agree_with_the_interface(toy):
    codes = toy()
    got = torch.stack(list(codes.posterior.log_prob_pairs(codes.z[:5], GROUPS)), -1)
    expected = codes.posterior[None].log_prob_groups(codes.z[:5, None], GROUPS)
    torch.testing.assert_close(got, expected)


def test_far_points_do_not_underflow():
    q = Gaussian()(torch.tensor([[0.0, -3.0], [1.0, -3.0]]))
    joint, groups = log_aggregate(q, torch.tensor([[300.0]]), [[0]])
    assert joint.dtype == torch.float64
    assert torch.isfinite(joint).all()
    torch.testing.assert_close(joint, groups[:, 0])


def test_float32_is_close_to_float64(toy):
    codes = toy()
    q = codes.posterior
    low = log_aggregate(Gaussian()(q.params.float()), codes.z.float(), codes.groups)
    high = log_aggregate(
        Gaussian()(q.params.float().double()), codes.z.float().double(), codes.groups
    )
    torch.testing.assert_close(low, high, atol=1e-4, rtol=0)
    assert (low[1].mean(0) - high[1].mean(0)).abs().max() < 1e-6
