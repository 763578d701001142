"""Factor analysis by VI: closed forms against brute force, and the paper's misprints."""

import numpy as np
import pytest
import torch
from scipy import stats

from priorbench.bench.toys.factor_analysis import (
    compute_free_energy,
    compute_log_likelihood,
    compute_posterior,
    rotate,
)
from priorbench.bench.toys.vi_bias import (
    BETAS,
    LENGTHS,
    compute_best_lengths,
    make_overcomplete,
    make_weights,
)

BETA = 3.0


@pytest.fixture
def model():
    """Weights of three latents in four dimensions, noise, and 50 data points."""
    generator = np.random.default_rng(0)
    W, x = generator.normal(size=(4, 3)), generator.normal(size=(50, 4))
    D = generator.uniform(0.3, 2, 4)
    return tuple(map(torch.from_numpy, (W, D, x)))


def find_mean_field(W, D, x, beta):
    """Mean-field Gaussian q of a point, by ascent of its free energy; no formula of B.2."""
    parameters = torch.zeros(2, W.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        value = -free_energy_by_torch(W, D, x, *parameters, beta)
        value.backward()
        return value

    optimizer.step(loss)
    return parameters.detach()


def free_energy_by_torch(W, D, x, mean, log_scale, beta):
    """E_q[log p(x|z)] / β - KL by torch's distributions; the square's mean by nodes."""
    q = torch.distributions.Normal(mean, log_scale.exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    # at mean ± √K s e_k, with equal weights, a quadratic has its Gaussian mean
    K = len(mean)
    steps = torch.cat([torch.eye(K), -torch.eye(K)]).double() * K**0.5
    z = mean + steps * log_scale.exp()
    likelihood = torch.distributions.Normal(z @ W.T, D.sqrt()).log_prob(x).sum(-1)
    kl = torch.distributions.kl_divergence(q, prior).sum()
    return likelihood.mean() / beta - kl


def test_the_log_likelihood_is_that_of_the_marginal_gaussian(model):
    W, D, x = model
    covariance = (W @ W.T + torch.diag(D)).numpy()
    exact = stats.multivariate_normal(np.zeros(4), covariance).logpdf(x.numpy()).mean()
    S = x.T @ x / len(x)
    assert compute_log_likelihood(W, D, S).item() == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("beta", [1.0, BETA])
def test_the_free_energy_is_the_best_of_all_independent_gaussians(model, beta):
    W, D, x = model
    best = []
    for point in x[:2]:
        q = find_mean_field(W, D, point, beta)
        best.append(free_energy_by_torch(W, D, point, *q, beta).item())
        S = torch.outer(point, point)
        assert compute_free_energy(W, D, S, beta).item() == pytest.approx(
            best[-1], abs=1e-9
        )


def test_the_posterior_is_stationary_where_the_printed_mean_is_not(model):
    W, D, x = model
    R, covariance = compute_posterior(W, D, BETA)
    log_scale = -0.5 * torch.linalg.inv(covariance).diagonal().log()
    printed = torch.linalg.inv(covariance) @ (W.T / D / BETA)
    for recognition, stationary in ((R, True), (printed, False)):
        mean = (recognition @ x[0]).requires_grad_()
        value = free_energy_by_torch(W, D, x[0], mean, log_scale, BETA)
        (gradient,) = torch.autograd.grad(value, mean)
        assert (gradient.norm().item() < 1e-9) == stationary


def test_the_trace_of_equation_16_needs_both_weights(model):
    W, D, _ = model
    W, D = W[:3], D[:3]  # as printed it is defined for square weights only
    _, covariance = compute_posterior(W, D)
    variance = 1 / torch.linalg.inv(covariance).diagonal()
    zero = torch.zeros(3, 3, dtype=torch.float64)  # of data at the origin
    noise = torch.log(2 * torch.pi * D).sum()
    kl = 0.5 * (variance - variance.log() - 1).sum()
    second = torch.trace(W.T @ torch.diag(1 / D) @ W @ torch.diag(variance))
    first = torch.trace(W.T @ torch.diag(1 / D) @ torch.diag(variance))
    exact = compute_free_energy(W, D, zero).item()
    assert (-0.5 * (noise + second) - kl).item() == pytest.approx(exact, abs=1e-12)
    assert abs((-0.5 * (noise + first) - kl).item() - exact) > 0.1


def test_the_likelihood_keeps_under_rotations_of_latents_only():
    W, D, S = make_weights()
    R = rotate(torch.tensor(0.7, dtype=torch.float64))
    exact = compute_log_likelihood(W, D, S).item()
    assert compute_log_likelihood(W @ R, D, S).item() == pytest.approx(exact, abs=1e-12)
    assert compute_log_likelihood(R @ W, D, S).item() < exact - 0.1


@pytest.mark.parametrize("beta", BETAS)
def test_rotations_cost_what_the_precision_says(beta):
    W, D, S = make_weights()
    degrees = torch.tensor([0.0, 45.0, 90.0], dtype=torch.float64)
    straight, turned, again = compute_free_energy(
        W @ rotate(torch.deg2rad(degrees)), D, S, beta
    ).tolist()
    first, second = (1 + torch.tensor(LENGTHS).square() / (beta * D)).tolist()
    cost = np.log((first + second) / 2) - 0.5 * np.log(first * second)
    assert straight - turned == pytest.approx(cost, abs=1e-7)
    assert straight == pytest.approx(again, abs=1e-12)
    if beta == 1:
        exact = compute_log_likelihood(W, D, S).item()
        assert straight == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0, 10.0])
def test_weights_in_pca_directions_of_the_best_lengths_are_stationary(beta):
    _, D, S = make_weights()
    _, vectors = torch.linalg.eigh(S)
    lengths = torch.from_numpy(compute_best_lengths(np.array(beta)))
    W = (vectors.flip(-1) * lengths).requires_grad_()
    free = compute_free_energy(W, D, S, beta)
    (gradient,) = torch.autograd.grad(free, W)
    assert gradient.abs().max() < 1e-9
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        other = W + 0.1 * torch.randn(2, 2, generator=generator, dtype=torch.float64)
        assert compute_free_energy(other, D, S, beta) < free


def test_all_weights_of_equation_23_have_one_likelihood_and_vi_prunes():
    _, D, _ = make_weights()
    alpha = torch.linspace(0, 1, 21, dtype=torch.float64)
    W = make_overcomplete(alpha)
    covariance = W @ W.mT
    assert torch.allclose(covariance, covariance[:1].expand_as(covariance), atol=1e-14)
    S = covariance[0] + torch.diag(D)
    exact = compute_log_likelihood(W, D, S)
    free = compute_free_energy(W, D, S)
    assert torch.allclose(free[[0, -1]], exact[[0, -1]], atol=1e-12)
    assert (free[1:-1] < exact[1:-1] - 1e-4).all()
    # α and its partner change places, so that the paper's end, 1/√2, is the middle
    assert compute_free_energy(make_overcomplete(alpha[5]), D, S) == pytest.approx(
        compute_free_energy(make_overcomplete((1 - alpha[5] ** 2).sqrt()), D, S)
    )
    assert free.argmin() in (14, 15)
