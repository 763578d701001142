import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

import priors
from bench import objectives
from bench.model import Draw
from bench.objectives import stratified_weights

LATENTS = 4
PRIORS = {
    "normal": ("normal", {}),
    "generalized_gaussian": ("generalized_gaussian", {"p": 1.5}),
    "isa": ("isa", {"subspaces": [3, 1]}),
}


def draw(prior, batch=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    raw = 0.5 * torch.randn(batch, 2 * LATENTS, generator=generator, dtype=dtype)
    q = priors.Gaussian(raw)
    z = q.rsample(torch.randn(batch, LATENTS, generator=generator, dtype=dtype))
    log_likelihood = -100 * torch.rand(batch, generator=generator, dtype=dtype)
    return Draw(q, z, log_likelihood, prior)


@pytest.fixture(params=PRIORS.values(), ids=PRIORS)
def prior(request):
    name, arguments = request.param
    return priors.build(name, latent_dim=LATENTS, **arguments)


def test_stratified_weights_oracle():
    """N = 100, B = 5: 0.01 for the image itself, 0.24 for one other, 0.25 for the rest."""
    weights = stratified_weights(5, 100)
    np.testing.assert_allclose(weights.diagonal(), 0.01, rtol=1e-6)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    expected = [0.01, 0.24, 0.25, 0.25, 0.25]
    for row in weights:
        np.testing.assert_allclose(sorted(row.tolist()), expected, rtol=1e-6)


@pytest.mark.parametrize(("batch", "size"), [(2, 2), (2, 9), (7, 7), (64, 737_280)])
def test_stratified_weights_are_a_distribution(batch, size):
    weights = stratified_weights(batch, size).double()
    assert weights.shape == (batch, batch)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.diagonal(), 1 / size, rtol=1e-6)


@pytest.mark.parametrize(("batch", "size"), [(1, 10), (0, 10), (11, 10)])
def test_stratified_weights_refuse_what_they_cannot_weigh(batch, size):
    with pytest.raises(ValueError, match=f"a batch of 2 to {size} images; got {batch}"):
        stratified_weights(batch, size)


def test_stratified_estimate_of_the_aggregate_posterior_is_unbiased():
    """Over all ordered batches that hold the image itself, its mean is the mixture over all."""
    size, batch = 6, 4
    densities = torch.rand(size, dtype=torch.float64)
    weights = stratified_weights(batch, size).double()
    for own, row in itertools.product(range(size), range(batch)):
        estimates = []
        for others in itertools.permutations([i for i in range(size) if i != own], batch - 1):
            members = list(others)
            members.insert(row, own)
            estimates.append((weights[row] * densities[members]).sum())
        assert math.isclose(torch.stack(estimates).mean(), densities.mean(), rel_tol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.5])
def test_beta_vae_with_a_normal_prior_is_closed(beta):
    d = draw(priors.Normal(LATENTS))
    mu, sigma = d.q.loc, d.q.log_scale.exp()
    kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * d.q.log_scale).sum(1)
    loss = objectives.registry.build("beta_vae", beta=beta)(d, 100, 0.0)
    torch.testing.assert_close(loss, (beta * kl - d.log_likelihood).mean())


def test_beta_vae_weighs_the_priors_kl(prior):
    d = draw(prior)
    loss = objectives.BetaVAE(2.5)(d, 100, 0.0)
    torch.testing.assert_close(loss, (2.5 * prior.kl(d.q, d.z) - d.log_likelihood).mean())


def tcvae_in_numpy(d, groups, beta, estimator, size):
    """Chen et al. 2018, Eq. 4, with loops."""
    z, loc, scale = (v.numpy() for v in (d.z, d.q.loc, d.q.log_scale.exp()))
    batch, others = len(z), len(z) - 1
    losses = []
    for i in range(batch):
        log_weights = np.empty(batch)
        for j in range(batch):
            if estimator == "weighted":
                weight = 1 / (batch * size)
            elif j == i:
                weight = 1 / size
            elif j == (i + 1) % batch:
                weight = (size - others) / (size * others)
            else:
                weight = 1 / others
            log_weights[j] = math.log(weight)
        terms = np.array([[norm.logpdf(z[i, list(g)], loc[j, list(g)], scale[j, list(g)]).sum()
                           for g in groups] for j in range(batch)])
        log_qz = logsumexp(terms.sum(1) + log_weights)
        log_product = sum(logsumexp(terms[:, g] + log_weights) for g in range(len(groups)))
        own = norm.logpdf(z[i], loc[i], scale[i]).sum()
        log_prior = d.prior.log_prob(d.z[i]).item()
        losses.append(own - log_qz + beta * (log_qz - log_product) + log_product - log_prior
                      - d.log_likelihood[i].item())
    return np.mean(losses)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
@pytest.mark.parametrize("over", ["groups", "latents"])
@pytest.mark.parametrize("beta", [0.0, 4.0])
def test_beta_tcvae_against_numpy(prior, estimator, over, beta):
    d = draw(prior)
    groups = prior.groups if over == "groups" else [[i] for i in range(LATENTS)]
    objective = objectives.registry.build("beta_tcvae", beta=beta, estimator=estimator, over=over)
    loss = objective(d, 50, 0.0)
    assert loss.dtype == torch.float64
    assert loss.shape == ()
    # the weights are float32
    assert math.isclose(loss, tcvae_in_numpy(d, groups, beta, estimator, 50), rel_tol=1e-6)


def test_groups_and_latents_differ_where_a_group_has_more_than_one():
    d = draw(priors.ISA([3, 1]))
    groups, latents = (objectives.BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents"))
    assert abs(groups - latents) > 0.01
    d = draw(priors.Normal(LATENTS))
    groups, latents = (objectives.BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents"))
    torch.testing.assert_close(groups, latents)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
@pytest.mark.parametrize("over", ["groups", "latents"])
@pytest.mark.parametrize("size", [6, 737_280])
def test_with_beta_one_the_parts_add_up_to_the_kl(prior, estimator, over, size):
    d = draw(prior)
    loss = objectives.BetaTCVAE(1.0, estimator, over)(d, size, 0.0)
    kl = d.q.log_prob(d.z) - prior.log_prob(d.z)
    torch.testing.assert_close(loss, (kl - d.log_likelihood).mean(), rtol=1e-12, atol=1e-12)


def test_a_batch_of_all_the_data_gives_the_exact_total_correlation():
    """B = N, weighted: the slope in β is that of the exact mixtures, shifted by (K - 1) log N."""
    d = draw(priors.Normal(LATENTS), batch=8)
    low, high = (objectives.BetaTCVAE(beta, "weighted")(d, 8, 0.0) for beta in (1.0, 2.0))
    uniform = torch.distributions.Categorical(torch.ones(8, dtype=torch.float64))
    normals = torch.distributions.Normal(d.q.loc, d.q.scale)
    joint = torch.distributions.MixtureSameFamily(
        uniform, torch.distributions.Independent(normals, 1)).log_prob(d.z)
    marginals = sum(
        torch.distributions.MixtureSameFamily(
            uniform, torch.distributions.Normal(d.q.loc[:, j], d.q.scale[:, j])
        ).log_prob(d.z[:, j])
        for j in range(LATENTS))
    expected = (joint - marginals).mean() + (LATENTS - 1) * math.log(8)
    torch.testing.assert_close(high - low, expected, rtol=1e-6, atol=1e-6)


def test_weighted_gradients_do_not_depend_on_the_size_of_the_data():
    gradients = []
    for size in (6, 10_000):
        raw = draw(priors.Normal(LATENTS)).q.params.clone().requires_grad_()
        d = draw(priors.Normal(LATENTS))
        q = priors.Gaussian(raw)
        z = q.rsample((d.z - d.q.loc) / d.q.scale)
        loss = objectives.BetaTCVAE(6.0, "weighted")(Draw(q, z, d.log_likelihood, d.prior), size, 0)
        loss.backward()
        gradients.append(raw.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["beta_vae", "beta_tcvae"])
@pytest.mark.parametrize("beta", [-1.0, math.inf, -math.inf, math.nan])
def test_wrong_beta(name, beta):
    with pytest.raises(ValueError, match="'beta' must be a finite number >= 0"):
        objectives.registry.build(name, beta=beta)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"estimator": "minibatch"}, "'estimator' must be 'stratified' or 'weighted'; got 'minibatch'"),
    ({"over": "subspaces"}, "'over' must be 'groups' or 'latents'; got 'subspaces'"),
    ({"estimater": "weighted"}, "no argument 'estimater'; did you mean 'estimator'"),
])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        objectives.registry.build("beta_tcvae", beta=1.0, **arguments)


def test_stratified_refuses_a_batch_of_one():
    d = draw(priors.Normal(LATENTS), batch=1)
    with pytest.raises(ValueError, match="needs a batch of 2 to 50 images; got 1"):
        objectives.BetaTCVAE(2.0)(d, 50, 0.0)
