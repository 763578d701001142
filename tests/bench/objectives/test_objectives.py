import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from priorbench import priors
from priorbench.priors import product
from priorbench.bench import objectives
from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives import make_stratified_weights

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
    return priors.build_prior(name, latent_dim=LATENTS, **arguments)


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
def test_stratified_weights_refuse_what_they_cannot_weigh(batch, size):
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
    torch.testing.assert_close(
        loss, (2.5 * prior.kl(d.q, d.z) - d.log_likelihood).mean()
    )


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
    d = draw(prior)
    groups = prior.groups if over == "groups" else [[i] for i in range(LATENTS)]
    objective = objectives.registry.build(
        "beta_tcvae", beta=beta, estimator=estimator, over=over
    )
    loss = objective(d, 50, 0.0)
    assert loss.dtype == torch.float64
    assert loss.shape == ()
    # the weights are float32
    assert math.isclose(
        loss, tcvae_in_numpy(d, groups, beta, estimator, 50), rel_tol=1e-6
    )


def test_groups_and_latents_differ_where_a_group_has_more_than_one():
    d = draw(priors.ISA([3, 1]))
    groups, latents = (
        objectives.BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents")
    )
    assert abs(groups - latents) > 0.01
    d = draw(priors.Normal(LATENTS))
    groups, latents = (
        objectives.BetaTCVAE(4.0, over=o)(d, 50, 0.0) for o in ("groups", "latents")
    )
    torch.testing.assert_close(groups, latents)


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
@pytest.mark.parametrize("over", ["groups", "latents"])
@pytest.mark.parametrize("size", [6, 737_280])
def test_with_beta_one_the_parts_add_up_to_the_kl(prior, estimator, over, size):
    d = draw(prior)
    loss = objectives.BetaTCVAE(1.0, estimator, over)(d, size, 0.0)
    kl = d.q.log_prob(d.z) - prior.log_prob(d.z)
    torch.testing.assert_close(
        loss, (kl - d.log_likelihood).mean(), rtol=1e-12, atol=1e-12
    )


def test_a_batch_of_all_the_data_gives_the_exact_total_correlation():
    """B = N, weighted: the slope in β is that of the exact mixtures, shifted by (K - 1) log N."""
    d = draw(priors.Normal(LATENTS), batch=8)
    low, high = (
        objectives.BetaTCVAE(beta, "weighted")(d, 8, 0.0) for beta in (1.0, 2.0)
    )
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
        raw = draw(priors.Normal(LATENTS)).q.params.clone().requires_grad_()
        d = draw(priors.Normal(LATENTS))
        q = priors.Gaussian(raw)
        z = q.rsample((d.z - d.q.loc) / d.q.scale)
        loss = objectives.BetaTCVAE(6.0, "weighted")(
            Draw(q, z, d.log_likelihood, d.prior), size, 0
        )
        loss.backward()
        gradients.append(raw.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("strengths", [(1.0, 4.0), (0.0, 2.5)])
def test_a_beta_for_each_group_against_numpy(strengths):
    """The standard normal's closed KL of each coordinate, summed in two groups by hand."""
    d = draw(
        priors.product.Product(
            [{"name": "normal", "latent_dim": 1}] * 2
            + [{"name": "isa", "subspaces": [2], "p0": 2.0, "p": 2.0, "scale": 2.0}]
        )
    )
    loc, scale, z = (t.numpy() for t in (d.q.loc, d.q.scale, d.z))
    each = norm.logpdf(z, loc, scale) - norm.logpdf(
        z
    )  # this prior is the standard normal
    kl = np.stack([each[:, 0], each[:, 1], each[:, 2:].sum(1)], axis=1)
    beta = (*strengths, 3.0)
    loss = objectives.BetaVAE(beta)(d, 50, 0.0)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    expected = (kl @ np.array(beta) - d.log_likelihood.numpy()).mean()
    assert math.isclose(loss, expected, rel_tol=1e-12)


def test_equal_betas_of_groups_are_one_beta(prior):
    """Of every prior, at every draw: the groups' estimates add up to the KL's."""
    d = draw(prior)
    several = objectives.BetaVAE((2.5,) * len(prior.groups))(d, 50, 0.0)
    one = objectives.BetaVAE(2.5)(d, 50, 0.0)
    torch.testing.assert_close(several, one, rtol=1e-6, atol=1e-6)


def test_each_beta_weighs_its_own_group():
    d = draw(priors.ISA([3, 1]))
    base, first, second = (
        objectives.BetaVAE(beta)(d, 50, 0.0) for beta in ((0, 0), (1, 0), (0, 1))
    )
    kl = d.prior.kl_groups(d.q, d.z).mean(0)
    torch.testing.assert_close(
        torch.stack([first - base, second - base]), kl, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("beta", [(1.0,), (1.0, 2.0, 3.0)])
def test_as_many_betas_as_groups(beta):
    objective, d = objectives.BetaVAE(beta), draw(priors.ISA([3, 1]))
    message = f"one number for each of the prior's 2 groups; got {len(beta)}: "
    for refused in (lambda: objective(d, 50, 0.0), lambda: objective.check(d.prior)):
        with pytest.raises(ValueError, match=message):
            refused()
    objectives.BetaVAE(beta).check(priors.ISA([1] * len(beta)))


def test_a_prior_that_does_not_say_its_groups():
    class Joint(priors.Prior):
        def log_prob(self, z):
            return -z.square().sum(-1)

    d = draw(Joint(LATENTS))
    assert torch.isfinite(objectives.BetaVAE(2.0)(d, 50, 0.0))
    with pytest.raises(
        ValueError, match=r"Joint does not define log_prob_groups.*; define it, or"
    ):
        objectives.BetaVAE((1.0,) * LATENTS)(d, 50, 0.0)


@pytest.mark.parametrize("name", ["beta_tcvae", "capacity"])
def test_one_beta_where_the_loss_is_no_sum_over_groups(name):
    with pytest.raises(
        ValueError, match=r"'beta' of .* must be one number, .* got \[1.0, 2.0\]"
    ):
        objectives.registry.build(name, beta=(1.0, 2.0))


@pytest.mark.parametrize("beta", [(), (1.0, -1.0), (math.inf, 1.0), (math.nan,)])
def test_wrong_betas_of_groups(beta):
    with pytest.raises(
        ValueError, match="'beta' must be a finite number >= 0, or several; got"
    ):
        objectives.BetaVAE(beta)


@pytest.mark.parametrize("over", ["image", "batch"])
@pytest.mark.parametrize(
    ("progress", "capacity"), [(0.0, 2.0), (0.25, 2.75), (1.0, 5.0)]
)
def test_capacity_against_numpy(prior, over, progress, capacity):
    d = draw(prior)
    kl, log_likelihood = prior.kl(d.q, d.z).numpy(), d.log_likelihood.numpy()
    gap = abs(kl - capacity).mean() if over == "image" else abs(kl.mean() - capacity)
    objective = objectives.registry.build(
        "capacity", beta=10.0, c_min=2.0, c_max=5.0, over=over
    )
    loss = objective(d, 50, progress)
    assert loss.shape == ()
    assert math.isclose(loss, 10 * gap - log_likelihood.mean(), rel_tol=1e-12)


def test_capacity_of_images_on_both_sides():
    """Images above and below C cancel in the batch's mean, not image by image."""
    d = draw(priors.Normal(LATENTS))
    kl = d.prior.kl(d.q, d.z)
    middle = float(kl.mean())
    image, batch = (
        objectives.Capacity(1.0, middle, middle, over)(d, 50, 0.5)
        + d.log_likelihood.mean()
        for over in ("image", "batch")
    )
    assert image > 0.1
    assert abs(batch) < 1e-12


@pytest.mark.parametrize(("arguments", "beta"), [({}, 4.0), ({"c_max": 0.0}, 4.0)])
def test_capacity_at_zero_is_the_beta_vae(arguments, beta):
    """While C = 0 and the KL is not negative: the standard normal's, in closed form."""
    d = draw(priors.Normal(LATENTS))
    torch.testing.assert_close(
        objectives.Capacity(beta, **arguments)(d, 50, 0.0),
        objectives.BetaVAE(beta)(d, 50, 0.0),
    )


def test_capacity_by_default_ends_at_the_papers():
    objective = objectives.registry.build("capacity", beta=1.0)
    assert (objective.c_min, objective.c_max, objective.over) == (0.0, 15.0, "image")


@pytest.mark.parametrize(
    "arguments",
    [
        {"c_min": -1.0},
        {"c_min": 16.0},
        {"c_max": math.inf},
        {"c_max": math.nan},
        {"c_min": math.nan},
    ],
)
def test_wrong_capacities(arguments):
    with pytest.raises(
        ValueError, match="must be finite with 0 <= c_min <= c_max; got"
    ):
        objectives.registry.build("capacity", beta=1.0, **arguments)


def test_wrong_share_of_the_capacity():
    with pytest.raises(
        ValueError, match="'over' must be 'image' or 'batch'; got 'images'"
    ):
        objectives.registry.build("capacity", beta=1.0, over="images")


@pytest.mark.parametrize("name", ["beta_vae", "beta_tcvae", "capacity"])
@pytest.mark.parametrize("beta", [-1.0, math.inf, -math.inf, math.nan])
def test_wrong_beta(name, beta):
    with pytest.raises(ValueError, match="'beta' must be a finite number >= 0"):
        objectives.registry.build(name, beta=beta)


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
        objectives.registry.build("beta_tcvae", beta=1.0, **arguments)


def test_stratified_refuses_a_batch_of_one():
    d = draw(priors.Normal(LATENTS), batch=1)
    with pytest.raises(ValueError, match="needs a batch of 2 to 50 images; got 1"):
        objectives.BetaTCVAE(2.0)(d, 50, 0.0)
