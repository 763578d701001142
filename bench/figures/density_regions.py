"""Regions of highest density: what contours at equal probability mass bound.

References: Hyndman 1996, "Computing and graphing highest density regions".
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from priorbench.priors import LpNested, Prior

DRAWS = 200_000  # the mass within a contour then has a standard error of at most 0.0011


def draw_samples(prior: Prior, count: int = DRAWS) -> Tensor:
    """Draws of a prior, the same at every call, (count, latent_dim)."""
    return prior.sample((count,), torch.Generator().manual_seed(0))


def find_levels(prior: Prior, masses: Sequence[float]) -> list[float]:
    """Log densities, in nats, above which the prior has the given masses.

    Args:
        prior: with a continuous density.
        masses: between 0 and 1.

    Returns:
        The 1 - mass quantiles of log p(z) over z ~ p, one for each mass.
    """
    log_prob = prior.log_prob(draw_samples(prior)).detach().numpy()
    return np.quantile(log_prob, 1 - np.asarray(masses)).tolist()


def evaluate_plane(
    prior: Prior, first: int, second: int, extent: float, points: int = 401
) -> tuple[np.ndarray, np.ndarray]:
    """Log density on the plane of two coordinates, where the others are 0.

    Returns:
        The coordinates' values, (points,), and the log density in nats, (points, points), rows
        along ``second``.
    """
    line = torch.linspace(-extent, extent, points, dtype=torch.float64)
    z = torch.zeros(points, points, prior.latent_dim, dtype=torch.float64)
    z[..., first], z[..., second] = line[None, :], line[:, None]
    return line.numpy(), prior.log_prob(z).detach().numpy()


def trace_surface(
    prior: LpNested, mass: float, points: int = 81
) -> tuple[np.ndarray, ...]:
    """The surface of a three-dimensional Lp-nested density within which a mass lies.

    The density is a function of f(z), and f is homogeneous: a direction u reaches the surface
    at R u / f(u), with R the quantile of f over the prior.

    Returns:
        x, y and z, each (points, 2 * points - 1): from pole to pole, and around.
    """
    radius = float(
        np.quantile(prior.log_f(draw_samples(prior)).exp().detach().numpy(), mass)
    )
    # upwards, so that faces look outwards; not quite to the poles, where they have no normal
    polar = torch.linspace(torch.pi - 1e-4, 1e-4, points, dtype=torch.float64)[:, None]
    around = torch.linspace(0, 2 * torch.pi, 2 * points - 1, dtype=torch.float64)
    u = torch.stack(
        [
            polar.sin() * around.cos(),
            polar.sin() * around.sin(),
            polar.cos().expand(-1, len(around)),
        ],
        dim=-1,
    )
    z = radius * u / prior.log_f(u).exp()[..., None]
    return tuple(z.detach().numpy().transpose(2, 0, 1))
