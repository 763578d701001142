"""The ΔVAE's prior."""

import pytest
import torch

from priorbench import priors
from priorbench.priors import Diffusion, DiffusionSphere, Group, VonMisesFisher
from priorbench.priors.spheres.geometry import log_surface_area
from tests.priors.posteriors.one_sphere import make_diffusion, standard_errors_off


def test_prior():
    prior = DiffusionSphere(10, steps=4)
    assert prior.latent_dim == 11
    assert prior.groups == (Group(range(11), on="sphere"),)
    assert prior.learned() == {}
    assert prior.posterior.num_params(11) == 12
    assert prior.posterior.noise_dim(11) == 44
    z = prior.sample((5,), torch.Generator().manual_seed(3))
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, prior.sample((5,), torch.Generator().manual_seed(3)))
    torch.testing.assert_close(
        prior.log_prob(z), torch.full((5,), -log_surface_area(11))
    )
    torch.testing.assert_close(prior.log_prob_groups(z)[:, 0], prior.log_prob(z))
    with pytest.raises(ValueError, match=r"'z' must have shape \(\.\.\., 11\)"):
        prior.log_prob(z[:, :10])


@pytest.mark.parametrize("kl", ["exact", "walk", "paper"])
def test_priors_kl_is_closed(kl):
    prior = DiffusionSphere(10, kl=kl)
    q = prior.posterior(torch.randn(6, 12))
    expected = q.kl_uniform()
    torch.testing.assert_close(prior.kl(q, prior.sample((6,))), expected)
    torch.testing.assert_close(prior.kl_groups(q, prior.sample((6,)))[:, 0], expected)


def test_priors_kl_of_another_posterior_is_estimated():
    prior, q = DiffusionSphere(3), VonMisesFisher(dims=[1, 1])(torch.randn(5, 6))
    z = torch.nn.functional.normalize(torch.randn(5, 2, 2), dim=-1).flatten(-2)
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))


def test_walk_divergence_is_that_of_the_draws():
    """Which the heat kernel's is not: for few steps it is lower."""
    prior = DiffusionSphere(10, kl="walk")
    q = prior.posterior(make_diffusion(10, 0.1, 100_000).params)
    z = q.rsample(torch.randn(100_000, 55, dtype=torch.float64))
    one_sample = q.log_prob(z) - prior.double().log_prob(z)
    assert standard_errors_off(one_sample, prior.kl(q, z)[0]) < 4
    heat = make_diffusion(10, 0.1).kl_uniform()
    assert standard_errors_off(one_sample, heat) > 10


def test_registered():
    prior = priors.registry.get("diffusion_sphere")(
        dim=2, kl="paper", step="printed", density="heat"
    )
    assert isinstance(prior, DiffusionSphere)
    assert prior.posterior == Diffusion(
        dims=(2,), steps=5, step="printed", density="heat", kl="paper"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, "'dim' must be a positive integer; got 0"),
        ({"dim": True}, "'dim' must be a positive integer; got True"),
        ({"dim": 2.0}, r"'dim' must be a positive integer; got 2\.0"),
        ({"steps": 0}, "'steps' must be a positive integer; got 0"),
        ({"steps": "5"}, "'steps' must be a positive integer; got '5'"),
        ({"kl": "eq3"}, "'kl' must be one of .*'paper'.*; got 'eq3'"),
        ({"step": "linear"}, "'step' must be one of .*'printed'.*; got 'linear'"),
        ({"density": "chord"}, "'density' must be one of .*'heat'.*; got 'chord'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiffusionSphere(**arguments)
