"""The importance-weighted log-likelihood, where log p(x) is known."""

import math

import pytest
import torch
from torch import nn

from bench.architectures import Architecture
from bench.importance import log_likelihood
from bench.model import VAE, LogLikelihood
from priors import Normal

X = 1.3


class Fixed(nn.Module):
    """Always the same posterior parameters: mean and log standard deviation."""

    def __init__(self, mean, variance):
        super().__init__()
        self.raw = nn.Parameter(torch.tensor([mean, 0.5 * math.log(variance)]))

    def forward(self, x):
        return self.raw.expand(len(x), 2)


class Noisy(LogLikelihood):
    """p(x|z) = N(z, 0.25)."""

    def __call__(self, raw, x):
        return (-2 * (x - raw) ** 2 - 0.5 * math.log(2 * math.pi * 0.25)).sum(-1)


def model(mean, variance):
    networks = Architecture()
    networks.encoder, networks.decoder = Fixed(mean, variance), nn.Identity()
    return VAE(networks, Normal(1), Noisy()).double()


class Pixels:
    """Images of one pixel, all X."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        return torch.full((len(rows), 1), X, dtype=torch.float64)


@pytest.mark.parametrize("samples", [1, 2, 50])
@pytest.mark.usefixtures("float64")
def test_the_exact_posterior_gives_log_p_x_for_every_number_of_samples(samples):
    """High-precision value of log p(x): p(z) = N(0, 1), p(x|z) = N(z, 0.25), x = 1.3."""
    value = log_likelihood(model(X / 1.25, 0.2), Pixels(5), 0, samples)
    assert value.tolist() == pytest.approx([-1.7065103088617777] * 5, rel=1e-12)


@pytest.mark.usefixtures("float64")
def test_another_posterior_gives_a_bound_that_tightens():
    """Its mean rises with the number of samples, from the ELBO towards log p(x)."""
    wrong = model(0.6, 0.5)
    means = [log_likelihood(wrong, Pixels(4000), 0, k).mean().item() for k in (1, 5, 100)]
    q = wrong.encode(Pixels(1)[[0]])
    expected = -2 * ((X - 0.6) ** 2 + 0.5) - 0.5 * math.log(2 * math.pi * 0.25)
    elbo = expected - q.kl_normal().item()
    assert means[0] == pytest.approx(elbo, abs=0.15)
    assert means[0] < means[1] < means[2] < -1.7065 + 0.02
    assert means[2] == pytest.approx(-1.7065103, abs=0.02)


def test_no_samples():
    with pytest.raises(ValueError, match="'samples' must be at least 1; got 0"):
        log_likelihood(model(0.0, 1.0), Pixels(1), 0, 0)
