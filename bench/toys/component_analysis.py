r"""Independent component analysis with mean-field variational inference.

The sources :math:`z_k` are Student-t with v degrees of freedom and scale 1, and
:math:`x \sim N(W z, σ^2 I)`. Each data point has its own Gaussian
:math:`q(z_n) = \prod_k N(μ_{nk}, s_{nk}^2)`; there is no encoder. Divided by β, the
free energy is that of the noise :math:`\sqrt β σ`, up to a constant: with σ fixed,
β = 5 is VI of a noise 2.24 times as large.

The letters: W (L, K); x (N, L); mean and scale, (N, K), are μ and s. Every tensor may
have leading dimensions, of problems that are solved at once.

References: Stühmer et al. 2019 (ISA-VAE), appendix B.7; Dempster et al. 1980 (Student's
t by weights); Salakhutdinov and Roweis 2003 (longer steps of W while they succeed).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import StudentT

from priorbench.priors.numerics.special import LOG_2PI

NODES = 32
"""Of Gauss–Hermite quadrature: the mean of log t has an error below 2e-6 for v = 3.5
and s <= 1.5, below 3e-4 for v = 1."""

INNER = 3
"""Updates of q after each step of W."""

GROWTH = 1.1
"""Of a step's length, after one that has raised the free energy."""


@dataclass(frozen=True)
class Problem:
    """Data and model of B problems.

    Attributes:
        x: data, (B, N, L).
        sigma: noise σ, (B,).
        v: degrees of freedom of the sources, (B,).
        beta: weight of the KL, (B,).
    """

    x: Tensor
    sigma: Tensor
    v: Tensor
    beta: Tensor

    @property
    def variance(self) -> Tensor:
        """The noise's variance β σ² that q and W see, (B, 1, 1)."""
        return (self.beta * self.sigma.square())[:, None, None]


@dataclass(frozen=True)
class Ascent:
    """Where the ascent of the free energy ended, and what it passed.

    Attributes:
        W: the weights, (B, L, K).
        mean, scale: of q, (B, N, K).
        free_energies: divided by β, in nats per data point, (steps + 1, B).
        weights: W after every step, (steps + 1, B, L, K).
    """

    W: Tensor
    mean: Tensor
    scale: Tensor
    free_energies: Tensor
    weights: Tensor


def draw_sources(v: float, count: int, components: int, seed: int) -> Tensor:
    """Draw Student-t sources of scale 1, float64 (count, components)."""
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.standard_t(v, (count, components)))


def compute_free_energy(
    problem: Problem, W: Tensor, mean: Tensor, scale: Tensor
) -> Tensor:
    r"""Compute :math:`E_q[\log p(x|z)]/β - KL(q \| p)`, (B,), nats per data point.

    The mean of the prior's log density is by quadrature, all else is closed.
    """
    residual = problem.x - mean @ W.mT
    spread = scale.square() @ W.square().sum(-2)[..., None]
    error = (residual.square().sum(-1) + spread[..., 0]).mean(-1)
    log_noise = W.shape[-2] * (LOG_2PI + 2 * problem.sigma.log())
    likelihood = -0.5 * (error / problem.sigma.square() + log_noise) / problem.beta
    nodes, weights = _make_nodes()
    prior = StudentT(problem.v[:, None, None, None])
    z = mean[..., None] + scale[..., None] * nodes
    log_prior = (prior.log_prob(z) @ weights).sum(-1)
    entropy = (scale.log() + 0.5 * (LOG_2PI + 1)).sum(-1)
    return likelihood + (log_prior + entropy).mean(-1)


def update_posterior(
    problem: Problem, W: Tensor, mean: Tensor, scale: Tensor, times: int
) -> tuple[Tensor, Tensor]:
    r"""Update q; the free energy cannot fall.

    As a function of :math:`z^2`, :math:`\log t(z)` is convex, so that its tangents are
    lower bounds: with :math:`ω_i = (v + 1)/(v + z_i^2)` at the nodes, the bound is a
    quadratic in the mean, and one and a logarithm in the scale. Each is maximised.
    """
    nodes, weights = _make_nodes()
    moments = weights[:, None] * torch.stack([nodes**0, nodes, nodes**2], -1)
    precision = (W.mT @ W / problem.variance)[:, None]
    along = problem.x @ W / problem.variance
    alone = precision.diagonal(dim1=-2, dim2=-1)
    v = problem.v[:, None, None, None]
    for _ in range(times):
        z = mean[..., None] + scale[..., None] * nodes
        omega = (v + 1) / (v + z.square())
        a, b, c = (omega @ moments).unbind(-1)
        system = precision + torch.diag_embed(a)
        mean = torch.linalg.solve(system, along - b * scale)
        # 1/s - (alone + c) s - b μ = 0
        linear, square = b * mean, alone + c
        root = (linear.square() + 4 * square).sqrt()
        scale = (root - linear) / (2 * square)
    return mean, scale


def ascend_free_energy(problem: Problem, W: Tensor, z: Tensor, steps: int) -> Ascent:
    """Climb the free energy of W and q from given weights and sources.

    W steps towards its best value given q, farther the more steps have succeeded; one
    that lowers the free energy is not taken, as in the paper.

    Args:
        problem: data and model.
        W: where W begins, (B, L, K).
        z: where the means begin, (B, N, K).
        steps: of W.
    """
    own = 1 / (1 + W.square().sum(-2, keepdim=True) / problem.variance)
    mean, scale = update_posterior(problem, W, z, own.sqrt().expand_as(z), 100)
    value = compute_free_energy(problem, W, mean, scale)
    length = torch.ones_like(value)
    free_energies, weights = [value], [W]
    for _ in range(steps):
        second = mean.mT @ mean + torch.diag_embed(scale.square().sum(-2))
        best = torch.linalg.solve(second, mean.mT @ problem.x).mT
        tried = W + length[:, None, None] * (best - W)
        q = update_posterior(problem, tried, mean, scale, INNER)
        reached = compute_free_energy(problem, tried, *q)
        better = reached >= value
        rows = better[:, None, None]
        W = torch.where(rows, tried, W)
        mean, scale = torch.where(rows, q[0], mean), torch.where(rows, q[1], scale)
        value = torch.where(better, reached, value)
        length = torch.where(better, length * GROWTH, (length / 2).clamp(min=1))
        free_energies.append(value)
        weights.append(W)
    return Ascent(W, mean, scale, torch.stack(free_energies), torch.stack(weights))


def measure_components(W: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the lengths and directions of components.

    Args:
        W: in the plane, (..., 2, K).

    Returns:
        Lengths, and directions in degrees from 0 to 180, each (..., K).
    """
    angle = torch.atan2(W[..., 1, :], W[..., 0, :])
    return W.norm(dim=-2), torch.rad2deg(angle) % 180


def _make_nodes() -> tuple[Tensor, Tensor]:
    """Return nodes and weights of the standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return torch.from_numpy(nodes), torch.from_numpy(weights / math.sqrt(2 * math.pi))
