"""Uniform priors on products of spheres."""

import math

import pytest
import torch
from scipy import stats

from priorbench import priors
from priorbench.priors import Group, HypersphereProduct
from priorbench.priors.spheres.geometry import log_surface_area


@pytest.mark.parametrize(
    ("m", "value"), [(2, 1.8378770664093456), (3, 2.5310242469692907)]
)
def test_surface_against_high_precision(m, value):
    assert log_surface_area(m) == pytest.approx(value, rel=1e-13)


def test_density_is_one_over_the_area():
    prior = HypersphereProduct([10, 9, 9, 9])
    z = prior.sample((7,))
    assert prior.latent_dim == 41
    assert prior.log_prob(z).tolist() == pytest.approx(
        [-log_surface_area(11) - 3 * log_surface_area(10)] * 7, rel=1e-6
    )
    assert prior.log_prob_groups(z).shape == (7, 4)
    assert [group.on for group in prior.groups] == ["sphere"] * 4


def test_samples_are_uniform():
    """A coordinate of a uniform point in m coordinates: (1 + z) / 2 is Beta((m-1)/2, (m-1)/2)."""
    prior = HypersphereProduct([1, 4])
    z = prior.sample((20_000,), torch.Generator().manual_seed(1))
    for group in prior.coordinates:
        assert (z[:, list(group)].norm(dim=1) - 1).abs().max() < 3e-7
        b = 0.5 * (len(group) - 1)
        for column in group:
            level = (1 + z[:, column].double()) / 2
            assert stats.kstest(level.numpy(), stats.beta(b, b).cdf).pvalue > 1e-4


def test_torus_and_single_sphere():
    assert HypersphereProduct([1] * 20).latent_dim == 40
    assert HypersphereProduct([40]).groups == (Group(range(41), on="sphere"),)


@pytest.mark.parametrize("posterior", ["von_mises_fisher", "power_spherical"])
def test_kl_reaches_zero(posterior):
    """No floor: where the encoder says nothing, nothing is paid."""
    prior = HypersphereProduct([1] * 40, posterior=posterior)
    raw = torch.randn(3, prior.posterior.num_params(80))
    raw[:, 80:] = -30
    q = prior.posterior(raw)
    assert prior.kl(q, prior.sample((3,))).abs().max() < 1e-12
    raw[:, 80:] = 0.0
    each = prior.kl_groups(prior.posterior(raw), prior.sample((3,)))
    assert each.shape == (3, 40)
    torch.testing.assert_close(
        each.sum(1), prior.kl(prior.posterior(raw), prior.sample((3,)))
    )


def test_kl_of_another_posterior_is_estimated():
    """A posterior on other spheres has no closed KL here; it is not taken for one that has."""
    prior = HypersphereProduct([1, 2])
    q = priors.VonMisesFisher(dims=[2, 1])(torch.randn(5, 7))
    z = q.rsample(torch.randn(5, 5))
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))


@pytest.mark.parametrize("dims", [[], [0], [2, -1], [1.5], "11", 3, [True]])
def test_wrong_dims(dims):
    with pytest.raises(ValueError, match="'dims' must be the dimension of each sphere"):
        HypersphereProduct(dims)


def test_wrong_names():
    with pytest.raises(
        ValueError, match=r"'posterior' must be one of .*; got 'gaussian'"
    ):
        HypersphereProduct([2], posterior="gaussian")
    with pytest.raises(ValueError, match=r"'gradient' must be one of .*; got 'score'"):
        HypersphereProduct([2], gradient="score")
    with pytest.raises(
        ValueError, match="'pathwise' is the gradient of von Mises–Fisher's published"
    ):
        HypersphereProduct([2], posterior="power_spherical", gradient="pathwise")


def test_latent_dim_must_fit_the_grid():
    with pytest.raises(ValueError, match="has 5 latents, but 'latent_dim' is 20"):
        priors.build_prior("hypersphere", latent_dim=20, dims=[1, 2])


def test_generator_is_honoured():
    prior = HypersphereProduct([3, 1])
    first, second = (
        prior.sample((4,), torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert math.isclose(first[0, :4].norm().item(), 1, rel_tol=1e-6)
