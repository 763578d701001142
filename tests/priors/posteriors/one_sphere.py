"""Posteriors on one sphere, for tests."""

import math

import torch

from priorbench.priors import Diffusion, VonMisesFisher


def make_posterior(mu, kappa, family=VonMisesFisher, **fields):
    """Return the posterior with a direction and a concentration, as raw parameters."""
    mu = torch.as_tensor(mu, dtype=torch.float64)
    kappa = torch.as_tensor(kappa).double()
    raw = kappa + torch.log(-torch.expm1(-kappa))
    params = torch.cat([mu, raw.reshape(1)])
    return family(dims=[len(mu) - 1], **fields)(params)


def make_axis(m, i=0):
    """Return a unit vector along one of m axes."""
    return torch.eye(m)[i]


def make_diffusion(d, t, count=1, **fields):
    """Return posteriors on S^d about the first axis, for one time."""
    raw = torch.zeros(count, d + 2, dtype=torch.float64)
    raw[:, 0], raw[:, -1] = 1.0, math.log(t)
    return Diffusion(dims=[d], **fields)(raw)


def standard_errors_off(values, expected):
    """Return by how many standard errors a mean is off."""
    error = values.std().item() / math.sqrt(len(values))
    return abs(values.mean() - expected).item() / error
