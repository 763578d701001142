"""Diagonal Gaussian posteriors."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions

from priorbench.priors.numerics.columns import sum_groups
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.gaussian import Gaussian, GaussianPosterior

DIM = 5


@pytest.fixture
def q():
    generator = torch.Generator().manual_seed(3)
    return Gaussian()(torch.randn(4, 2 * DIM, generator=generator, dtype=torch.float64))


def points(*shape):
    return 2 * torch.randn(*shape, DIM, dtype=torch.float64)


def densities(q, z):
    """Log density of each coordinate, by scipy."""
    loc, log_scale = q.params.numpy()[..., :DIM], q.params.numpy()[..., DIM:]
    return stats.norm.logpdf(z.numpy(), loc, np.exp(log_scale))


def test_sizes():
    assert Gaussian().num_params(DIM) == 2 * DIM
    assert Gaussian().noise_dim(DIM) == DIM


def test_parameters_are_means_and_log_standard_deviations():
    q = Gaussian()(torch.tensor([[1.0, -2.0, 0.0, math.log(3.0)]]))
    assert q.loc.tolist() == [[1, -2]]
    torch.testing.assert_close(q.scale, torch.tensor([[1.0, 3.0]]))
    assert q.representation is q.loc


def test_log_prob_against_scipy(q):
    z = points(4)
    np.testing.assert_allclose(q.log_prob(z), densities(q, z).sum(1), rtol=1e-12)
    np.testing.assert_allclose(q.log_prob_coordinates(z), densities(q, z), rtol=1e-12)


def test_log_prob_broadcasts(q):
    """All pairs of draws and posteriors."""
    z = points(7)
    pairs = q[None].log_prob(z[:, None])
    assert pairs.shape == (7, 4)
    for i in range(7):
        np.testing.assert_allclose(pairs[i], densities(q, z[i]).sum(1), rtol=1e-12)


@pytest.mark.parametrize(
    "groups",
    [
        [[0], [1], [2], [3], [4]],
        [[4], [3], [2], [1], [0]],
        [[0, 1], [2, 3, 4]],
        [[3, 0], [4, 1, 2]],
        [[2, 1, 0], [3, 4]],
        [[1, 3]],
        (range(5),),
        ((0,), (1, 2), (3, 4)),
    ],
    ids=str,
)
def test_groups_are_summed_over(q, groups):
    z = points(4)
    expected = np.stack([densities(q, z)[:, list(g)].sum(1) for g in groups], axis=1)
    np.testing.assert_allclose(q.log_prob_groups(z, groups), expected, rtol=1e-12)
    np.testing.assert_allclose(
        sum_groups(q.log_prob_coordinates(z), groups), expected, rtol=1e-12
    )


def test_groups_of_pairs(q):
    z, groups = points(3), [[0, 2], [1], [3, 4]]
    values = q[None].log_prob_groups(z[:, None], groups)
    assert values.shape == (3, 4, 3)
    np.testing.assert_allclose(
        values[1, 2], q[2].log_prob_groups(z[1], groups), rtol=1e-12
    )


def test_entropy(q):
    scale = np.exp(q.params.numpy()[:, DIM:])
    np.testing.assert_allclose(
        q.entropy(), stats.norm.entropy(0, scale).sum(1), rtol=1e-12
    )


def test_entropy_against_monte_carlo(q):
    z = q[None].rsample(torch.randn(100_000, 4, DIM, dtype=torch.float64))
    log_prob = q[None].log_prob(z)
    error = log_prob.std(0) / 100_000**0.5
    assert ((q.entropy() + log_prob.mean(0)).abs() < 4 * error).all()


def test_rsample_is_a_function_of_the_noise(q):
    noise = torch.randn(4, DIM, dtype=torch.float64)
    loc, log_scale = q.params[:, :DIM], q.params[:, DIM:]
    torch.testing.assert_close(q.rsample(noise), loc + log_scale.exp() * noise)
    assert torch.equal(q.rsample(torch.zeros(4, DIM)), loc)


def test_rsample_follows_the_density(q):
    z = q[None].rsample(torch.randn(20_000, 4, DIM, dtype=torch.float64))
    probability = stats.norm.cdf(z.numpy(), q.loc.numpy(), q.scale.numpy())
    for i in range(4):
        for j in range(DIM):
            assert stats.kstest(probability[:, i, j], "uniform").pvalue > 1e-4


def test_rsample_under_vmap_and_its_gradient(q):
    noise = torch.randn(6, 4, DIM, dtype=torch.float64)
    params = torch.randn(6, 4, 2 * DIM, dtype=torch.float64)

    def sample(params, noise):
        return Gaussian()(params).rsample(noise)

    together = torch.func.vmap(sample)(params, noise)
    alone = torch.stack([sample(p, n) for p, n in zip(params, noise, strict=True)])
    torch.testing.assert_close(together, alone)

    def slope(params, noise):
        return torch.func.grad(lambda p: Gaussian()(p).rsample(noise).sum())(params)

    gradient = torch.func.vmap(slope)(params, noise)
    torch.testing.assert_close(gradient[..., :DIM], torch.ones_like(noise))
    torch.testing.assert_close(gradient[..., DIM:], params[..., DIM:].exp() * noise)


def test_densities_under_vmap():
    params, z = torch.randn(3, 4, 2 * DIM), torch.randn(3, 4, DIM)
    groups = ((0, 1), (4, 2), (3,))
    for function in (
        lambda p, z: Gaussian()(p).log_prob(z),
        lambda p, z: Gaussian()(p)[None].log_prob_groups(z[:, None], groups),
        lambda p, z: Gaussian()(p).kl_normal(1.5),
        lambda p, z: Gaussian()(p).entropy(),
    ):
        together = torch.func.vmap(function)(params, z)
        alone = torch.stack([function(p, x) for p, x in zip(params, z, strict=True)])
        torch.testing.assert_close(together, alone)


VARIANCES = [1.0, 0.3, torch.linspace(0.2, 3, DIM, dtype=torch.float64)]


@pytest.mark.parametrize("variance", VARIANCES, ids=["one", "0.3", "each"])
def test_kl_normal_against_torch(q, variance):
    scale = torch.as_tensor(variance, dtype=torch.float64).sqrt()
    expected = distributions.kl_divergence(
        distributions.Normal(q.loc, q.scale),
        distributions.Normal(torch.zeros(()), scale),
    ).sum(1)
    torch.testing.assert_close(q.kl_normal(variance), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("variance", VARIANCES, ids=["one", "0.3", "each"])
def test_kl_normal_against_monte_carlo(q, variance):
    z = q[None].rsample(torch.randn(200_000, 4, DIM, dtype=torch.float64))
    scale = torch.as_tensor(variance, dtype=torch.float64).sqrt()
    ratio = q[None].log_prob(z) - distributions.Normal(0.0, scale).log_prob(z).sum(-1)
    error = ratio.std(0) / 200_000**0.5
    assert ((q.kl_normal(variance) - ratio.mean(0)).abs() < 4 * error).all()


def test_kl_normal_of_the_normal_is_zero():
    assert Gaussian()(torch.zeros(2, 6)).kl_normal().tolist() == [0.0, 0.0]


def test_kl_normal_by_default_is_to_the_standard_normal(q):
    assert torch.equal(q.kl_normal(), q.kl_normal(1.0))


@pytest.mark.parametrize(
    "index",
    [
        1,
        slice(1, 3),
        torch.tensor([3, 0]),
        torch.tensor([True, False, True, False]),
        None,
    ],
    ids=str,
)
def test_indexing(q, index):
    part = q[index]
    assert isinstance(part, GaussianPosterior)
    assert torch.equal(part.params, q.params[index])
    assert torch.equal(part.loc, q.loc[index])
    assert torch.equal(part.scale, q.scale[index])


def test_precision_is_that_of_the_parameters():
    for dtype in (torch.float32, torch.float64):
        q = Gaussian()(torch.zeros(2, 2 * DIM, dtype=dtype))
        z = q.rsample(torch.randn(2, DIM, dtype=dtype))
        values = (
            z,
            q.log_prob(z),
            q.entropy(),
            q.kl_normal(),
            q.log_prob_groups(z, [[0, 1]]),
        )
        assert {v.dtype for v in values} == {dtype}


def test_narrow_and_wide_posteriors_have_finite_densities():
    """Standard deviations from e^-30 to e^30 in float32, at a draw."""
    log_scale = torch.linspace(-30, 30, DIM)
    q = Gaussian()(torch.cat([torch.zeros(DIM), log_scale]))
    assert torch.isfinite(q.log_prob(q.rsample(torch.ones(DIM))))
    assert torch.isfinite(q.kl_normal())


def test_pairs_are_every_z_under_every_posterior():
    """The Gaussian's own way, coordinate by coordinate, against the family's general one."""
    q, z = Gaussian()(torch.randn(7, 8)), torch.randn(5, 4)
    groups = [[0], [3, 1], [2]]
    own = torch.stack(list(q.log_prob_pairs(z, groups)))
    general = torch.stack(list(Posterior.log_prob_pairs(q, z, groups)))
    assert own.shape == (3, 5, 7)
    assert torch.allclose(own, general, atol=1e-5)
