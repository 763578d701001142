import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from priorbench import priors
from priorbench.bench.objectives import BetaVAE, registry
from priorbench.priors.product import Product
from tests.bench.objectives.draws import LATENTS, make_draw


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.5])
def test_beta_vae_with_a_normal_prior_is_closed(beta):
    d = make_draw(priors.Normal(LATENTS))
    mu, sigma = d.q.loc, d.q.log_scale.exp()
    kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * d.q.log_scale).sum(1)
    loss = registry.build("beta_vae", beta=beta)(d, 100, 0.0)
    torch.testing.assert_close(loss, (beta * kl - d.log_likelihood).mean())


def test_beta_vae_weighs_the_priors_kl(prior):
    d = make_draw(prior)
    loss = BetaVAE(2.5)(d, 100, 0.0)
    torch.testing.assert_close(
        loss, (2.5 * prior.kl(d.q, d.z) - d.log_likelihood).mean()
    )


@pytest.mark.parametrize("strengths", [(1.0, 4.0), (0.0, 2.5)])
def test_a_beta_for_each_group_against_numpy(strengths):
    """The standard normal's closed KL of each coordinate, summed in two groups by hand."""
    d = make_draw(
        Product(
            [{"name": "normal", "latent_dim": 1}] * 2
            + [{"name": "isa", "subspaces": [2], "p0": 2.0, "p": 2.0, "scale": 2.0}]
        )
    )
    loc, scale, z = (t.numpy() for t in (d.q.loc, d.q.scale, d.z))
    # this prior is the standard normal
    each = norm.logpdf(z, loc, scale) - norm.logpdf(z)
    kl = np.stack([each[:, 0], each[:, 1], each[:, 2:].sum(1)], axis=1)
    beta = (*strengths, 3.0)
    loss = BetaVAE(beta)(d, 50, 0.0)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    expected = (kl @ np.array(beta) - d.log_likelihood.numpy()).mean()
    assert math.isclose(loss, expected, rel_tol=1e-12)


def test_equal_betas_of_groups_are_one_beta(prior):
    """At every draw the estimates of the groups add up to that of the KL."""
    d = make_draw(prior)
    several = BetaVAE((2.5,) * len(prior.groups))(d, 50, 0.0)
    one = BetaVAE(2.5)(d, 50, 0.0)
    torch.testing.assert_close(several, one, rtol=1e-6, atol=1e-6)


def test_each_beta_weighs_its_own_group():
    d = make_draw(priors.ISA([3, 1]))
    base, first, second = (
        BetaVAE(beta)(d, 50, 0.0) for beta in ((0, 0), (1, 0), (0, 1))
    )
    kl = d.prior.kl_groups(d.q, d.z).mean(0)
    torch.testing.assert_close(
        torch.stack([first - base, second - base]), kl, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("beta", [(1.0,), (1.0, 2.0, 3.0)])
def test_as_many_betas_as_groups(beta):
    objective, d = BetaVAE(beta), make_draw(priors.ISA([3, 1]))
    message = f"one number for each of the prior's 2 groups; got {len(beta)}: "
    for refused in (
        lambda: objective(d, 50, 0.0),
        lambda: objective.check_beta(d.prior),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    BetaVAE(beta).check_beta(priors.ISA([1] * len(beta)))


def test_a_prior_without_the_densities_of_its_groups():
    class Joint(priors.Prior):
        def _log_prob(self, z):
            return -z.square().sum(-1)

    d = make_draw(Joint(LATENTS))
    assert torch.isfinite(BetaVAE(2.0)(d, 50, 0.0))
    with pytest.raises(
        ValueError, match=r"Joint does not define _log_prob_groups.*; define it, or"
    ):
        BetaVAE((1.0,) * LATENTS)(d, 50, 0.0)
