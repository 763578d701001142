"""Every registered prior, in every property that the harness counts on."""

from functools import lru_cache

import pytest
import torch
from scipy import stats

from priorbench import priors
from priorbench.priors.check import PROPERTIES, Subject

CASES = {
    "normal": ("normal", {}),
    "generalized_gaussian": ("generalized_gaussian", {"p": 2.4, "scale": 1.3}),
    "laplace": ("generalized_gaussian", {"p": 1.0}),
    "generalized_gaussian learned": ("generalized_gaussian", {"learn_exponent": True}),
    "lp_nested": ("lp_nested", {"tree": [2.1, [0, [1.7, [1, 2, [3.0, [3, 4]]]], 5]]}),
    "lp_nested learned": (
        "lp_nested",
        {"tree": [1.3, [0, [2.7, [1, 2]], [1.1, [3, 4, 5]]]], "learn_exponents": True},
    ),
    "isa": ("isa", {"subspaces": [2, 4]}),
    "isa learned": (
        "isa",
        {"subspaces": [2, 4], "scale": "unit", "learn_exponents": True},
    ),
    "circles": ("hypersphere", {"dims": [1, 1, 1]}),
    "hypersphere": ("hypersphere", {"dims": [1, 3]}),
    "hypersphere power spherical": (
        "hypersphere",
        {"dims": [5], "posterior": "power_spherical"},
    ),
    # the KL of what is drawn: the default is that of the heat kernel, which a walk only resembles
    "diffusion_sphere": ("diffusion_sphere", {"dim": 5, "kl": "walk"}),
    "product": (
        "product",
        {
            "parts": [
                {"name": "hypersphere", "dims": [1]},
                {"name": "isa", "subspaces": [2], "learn_exponents": True},
                "normal",
            ]
        },
    ),
}
DIM = 6
OPTIONAL = {
    "runs on a GPU",
    "kl's gradient in the parameters",
    "log_prob_groups sums to log_prob",
    "kl_groups sums to kl",
    "posterior's entropy",
}
"""Properties that need a GPU, learnable parameters, or what a prior need not define."""


def build(case):
    name, arguments = CASES[case]
    return priors.build_prior(name, latent_dim=DIM, **arguments)


@lru_cache
def subject(case):
    """One for all properties, which share its draws."""
    return Subject(build(case))


@pytest.fixture(params=CASES)
def prior(request):
    return build(request.param)


def test_every_registered_prior_is_covered():
    assert {name for name, _ in CASES.values()} == set(priors.registry.names())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("held", PROPERTIES, ids=lambda held: held.name)
def test_property(case, held):
    result = held.check(subject(case))
    assert result.passed or (result.passed is None and held.name in OPTIONAL), result


def test_wrong_shapes_are_refused(prior):
    for shape in ((), (DIM + 1,), (3, DIM - 1)):
        with pytest.raises(ValueError, match=r"'z' must have shape \(\.\.\., 6\); got"):
            prior.log_prob(torch.zeros(shape))


def test_samples_are_symmetric(prior):
    for column in prior.sample((50_000,), torch.Generator().manual_seed(2)).T:
        assert stats.ks_2samp(column.numpy(), -column.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-3, 1.0, 30.0, 1e3])
def test_float32_agrees_with_float64(prior, size):
    """Closer than any prior must be."""
    z = size * torch.linspace(-1, 1, DIM)
    single = prior.log_prob(z).double()
    assert torch.allclose(
        single, prior.double().log_prob(z.double()), rtol=4e-6, atol=4e-6
    )


def test_parameters_that_are_not_numbers_give_none_and_raise_nothing(prior):
    """A seed that diverges must not end its block."""
    family = prior.posterior
    params = torch.full((2, family.num_params(DIM)), torch.nan, requires_grad=True)
    q = family(params)
    z = q.rsample(torch.randn(2, family.noise_dim(DIM)))
    total = (prior.kl(q, z) + prior.log_prob(z) + q.log_prob(z)).sum()
    total.backward()
    assert torch.isnan(total)
    assert torch.isnan(prior.kl(q, z)).all()
