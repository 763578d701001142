"""Regions of highest density: what contours at equal probability mass bound.

References: Hyndman 1996, "Computing and graphing highest density regions".
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.base import Prior
from priorbench.priors.lp_nested import LpNested

DRAWS = 200_000  # the mass within a contour then has a standard error of at most 0.0011


def draw_samples(prior: Prior, count: int = DRAWS) -> Tensor:
    """Draw samples of a prior, the same at every call, (count, latent_dim)."""
    return prior.sample((count,), torch.Generator().manual_seed(0))


def estimate_levels(prior: Prior, masses: Sequence[float]) -> list[float]:
    """Estimate the log densities, in nats, above which the prior has the given masses.

    Args:
        prior: with a continuous density.
        masses: between 0 and 1.

    Returns:
        The 1 - mass quantiles of log p(z) over z ~ p, one for each mass.
    """
    samples = draw_samples(prior)
    log_prob = prior.log_prob(samples).detach().numpy()
    quantiles = 1 - np.asarray(masses)
    return np.quantile(log_prob, quantiles).tolist()


def evaluate_plane(
    prior: Prior, first: int, second: int, extent: float, points: int = 401
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate the log density on the plane of two coordinates, the others being 0.

    Returns:
        The coordinates' values, (points,), and the log density in nats,
        (points, points), rows along ``second``.
    """
    line = torch.linspace(-extent, extent, points, dtype=torch.float64)
    z = torch.zeros(points, points, prior.latent_dim, dtype=torch.float64)
    z[..., first] = line[None, :]
    z[..., second] = line[:, None]
    return line.numpy(), prior.log_prob(z).detach().numpy()


def trace_surface(
    prior: LpNested, mass: float, points: int = 81
) -> tuple[np.ndarray, ...]:
    """Trace the surface of a three-dimensional Lp-nested density that bounds a mass.

    The density is a function of f(z), and f is homogeneous: a direction u reaches the
    surface at R u / f(u), with R the quantile of f over the prior.

    Returns:
        x, y and z, each (points, 2 * points - 1): from pole to pole, and around.
    """
    samples = draw_samples(prior)
    f = prior.log_f(samples).exp().detach().numpy()
    radius = float(np.quantile(f, mass))
    # upwards, so that faces look outwards; not quite to the poles, which have no normal
    polar = torch.linspace(torch.pi - 1e-4, 1e-4, points, dtype=torch.float64)
    around = torch.linspace(0, 2 * torch.pi, 2 * points - 1, dtype=torch.float64)
    theta, phi = torch.meshgrid(polar, around, indexing="ij")
    u = torch.stack(
        [
            theta.sin() * phi.cos(),
            theta.sin() * phi.sin(),
            theta.cos(),
        ],
        dim=-1,
    )
    f = prior.log_f(u).exp()
    surface = radius * u / f[..., None]
    return tuple(surface.detach().numpy().transpose(2, 0, 1))
