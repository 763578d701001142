import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from priorbench import priors
from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives import BetaTCVAE, make_stratified_weights, registry
from tests.bench.objectives.draws import LATENTS, make_draw


def test_stratified_weights_oracle():
    """N = 100, B = 5: 0.01 for the image itself, 0.24 for one other, 0.25 for the rest."""
    weights = make_stratified_weights(5, 100)
    np.testing.assert_allclose(weights.diagonal(), 0.01, rtol=1e-6)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    expected = [0.01, 0.24, 0.25, 0.25, 0.25]
    for row in weights:
        np.testing.assert_allclose(sorted(row.tolist()), expected, rtol=1e-6)


@pytest.mark.parametrize(("batch", "size"), [(2, 2), (2, 9), (7, 7), (64, 737_280)])
def test_stratified_weights_are_a_distribution(batch, size):
    weights = make_stratified_weights(batch, size).double()
    assert weights.shape == (batch, batch)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.diagonal(), 1 / size, rtol=1e-6)


@pytest.mark.parametrize(("batch", "size"), [(1, 10), (0, 10), (11, 10)])
def test_stratified_weights_refuse_other_batches(batch, size):
    with pytest.raises(ValueError, match=f"a batch of 2 to {size} images; got {batch}"):
        make_stratified_weights(batch, size)


def test_stratified_estimate_of_the_aggregate_posterior_is_unbiased():
    """Over all ordered batches that hold the image itself, its mean is the mixture over all."""
    size, batch = 6, 4
    densities = torch.rand(size, dtype=torch.float64)
    weights = make_stratified_weights(batch, size).double()
    for own, row in itertools.product(range(size), range(batch)):
        estimates = []
        for others in itertools.permutations(
            [i for i in range(size) if i != own], batch - 1
        ):
            members = list(others)
            members.insert(row, own)
            estimates.append((weights[row] * densities[members]).sum())
        assert math.isclose(
            torch.stack(estimates).mean(), densities.mean(), rel_tol=1e-6
        )


def compute_in_numpy(d, groups, beta, estimator, size):
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
        terms = np.array(
            [
                [
                    norm.logpdf(z[i, list(g)], loc[j, list(g)], scale[j, list(g)]).sum()
                    for g in groups
                ]
                for j in range(batch)
            ]
        )
        log_qz = logsumexp(terms.sum(1) + log_weights)
        log_product = sum(
            logsumexp(terms[:, g] + log_weights) for g in range(len(groups))
        )
        own = norm.logpdf(z[i], loc[i], scale[i]).sum()
        log_prior = d.prior.log_prob(d.z[i]).item()
        losses.append(
            own
            - log_qz
            + beta * (log_qz - log_product)
            + log_product
            - log_prior
            - d.log_likelihood[i].item()
        )
    return np.mean(losses)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
@pytest.mark.parametrize("over", ["groups", "latents"])
@pytest.mark.parametrize("beta", [0.0, 4.0])
def test_beta_tcvae_against_numpy(prior, estimator, over, beta):
    d = make_draw(prior)
    groups = prior.coordinates if over == "groups" else [[i] for i in range(LATENTS)]
    objective = registry.build("beta_tcvae", beta=beta, estimator=estimator, over=over)
    loss = objective(d, 50, 0.0)
    assert loss.dtype == torch.float64
    assert loss.shape == ()
    # the weights of the stratified estimator are float32
    expected = compute_in_numpy(d, groups, beta, estimator, 50)
    assert math.isclose(
        loss, expected, rel_tol=1e-6 if estimator == "stratified" else 1e-12
    )


def test_groups_and_latents_differ_where_a_group_has_more_than_one():
    d = make_draw(priors.ISA([3, 1]))
    groups, latents = (
        BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents")
    )
    assert abs(groups - latents) > 0.01
    d = make_draw(priors.Normal(LATENTS))
    groups, latents = (
        BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents")
    )
    torch.testing.assert_close(groups, latents)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
@pytest.mark.parametrize("over", ["groups", "latents"])
@pytest.mark.parametrize("size", [6, 737_280])
def test_with_beta_one_the_parts_add_up_to_the_kl(prior, estimator, over, size):
    d = make_draw(prior)
    loss = BetaTCVAE(1.0, estimator, over)(d, size, 0.0)
    kl = d.q.log_prob(d.z) - prior.log_prob(d.z)
    torch.testing.assert_close(
        loss, (kl - d.log_likelihood).mean(), rtol=1e-12, atol=1e-12
    )


def test_a_batch_of_all_the_data_gives_the_exact_total_correlation():
    """B = N, weighted: the slope in β is that of the exact mixtures, shifted by (K - 1) log N."""
    d = make_draw(priors.Normal(LATENTS), batch=8)
    low, high = (BetaTCVAE(beta, "weighted")(d, 8, 0.0) for beta in (1.0, 2.0))
    uniform = torch.distributions.Categorical(torch.ones(8, dtype=torch.float64))
    normals = torch.distributions.Normal(d.q.loc, d.q.scale)
    joint = torch.distributions.MixtureSameFamily(
        uniform, torch.distributions.Independent(normals, 1)
    ).log_prob(d.z)
    marginals = sum(
        torch.distributions.MixtureSameFamily(
            uniform, torch.distributions.Normal(d.q.loc[:, j], d.q.scale[:, j])
        ).log_prob(d.z[:, j])
        for j in range(LATENTS)
    )
    expected = (joint - marginals).mean() + (LATENTS - 1) * math.log(8)
    torch.testing.assert_close(high - low, expected, rtol=1e-6, atol=1e-6)


def test_weighted_gradients_do_not_depend_on_the_size_of_the_data():
    gradients = []
    for size in (6, 10_000):
        raw = make_draw(priors.Normal(LATENTS)).q.params.clone().requires_grad_()
        d = make_draw(priors.Normal(LATENTS))
        q = d.prior.posterior(raw)
        z = q.rsample((d.z - d.q.loc) / d.q.scale)
        loss = BetaTCVAE(6.0, "weighted")(
            Draw(q, z, d.log_likelihood, d.prior), size, 0
        )
        loss.backward()
        gradients.append(raw.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"estimator": "minibatch"},
            "'estimator' must be 'stratified' or 'weighted'; got 'minibatch'",
        ),
        (
            {"over": "subspaces"},
            "'over' must be 'groups' or 'latents'; got 'subspaces'",
        ),
        (
            {"estimater": "weighted"},
            "no argument 'estimater'; did you mean 'estimator'",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        registry.build("beta_tcvae", beta=1.0, **arguments)


def test_stratified_refuses_a_batch_of_one():
    d = make_draw(priors.Normal(LATENTS), batch=1)
    with pytest.raises(ValueError, match="needs a batch of 2 to 50 images; got 1"):
        BetaTCVAE(2.0)(d, 50, 0.0)
