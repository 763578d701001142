"""Divergence of zonal laws on a sphere to the uniform distribution, by quadrature."""

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

from priorbench.priors.spheres.zonal_series import Array, log_uniform, sum_series

NODES = 128
"""Of the integral over the angle (Gauss and Legendre)."""


def log_kl_early(
    time: Array, d: int, log_density: Callable[[Array, Array], Array]
) -> Array:
    """Log KL to the uniform distribution, nats, of laws that leave most of the sphere empty.

    Args:
        time: (rows,).
        d: dimension of the sphere.
        log_density: relative to the uniform one, of angles (rows, n) and times (rows,).
    """
    angle, weights = _angle_quadrature(
        np.minimum(np.pi, (np.sqrt(d) + 11) * np.sqrt(time)), d
    )
    value = log_density(angle, time)
    mass = weights * np.exp(value)
    return np.log((mass * value).sum(-1) / mass.sum(-1))


def log_kl_late(log_first: Array, coefficients: Array, d: int) -> Array:
    """Log KL to the uniform distribution, nats, of a series, to full precision however small.

    Args:
        log_first: log of the coefficient of degree 1, (rows,).
        coefficients: of degrees 1, 2, ... relative to the first, (rows, degree).
        d: dimension of the sphere.
    """
    angle, weights = _angle_quadrature(np.full(len(log_first), np.pi), d)
    shape = sum_series(np.cos(angle), coefficients, d + 1)
    excess = np.exp(log_first)[:, None] * shape
    mean = (weights * shape**2 * _relative_excess(excess)).sum(-1)
    return np.asarray(2 * log_first + np.log(mean), dtype=float)


def _relative_excess(x: Array) -> Array:
    """((1 + x) log(1 + x) - x) / x², which is 1/2 at 0."""
    small = np.abs(x) < 1e-3
    # rounding may take a density that is zero below it
    apart = np.where(small, 1, np.maximum(x, np.finfo(x.dtype).eps - 1))
    exact = ((1 + apart) * np.log1p(apart) - apart) / apart**2
    return np.where(small, 1 / 2 - x / 6 + x**2 / 12 - x**3 / 20 + x**4 / 30, exact)


def _angle_quadrature(end: Array, d: int) -> tuple[Array, Array]:
    """Angles in 0 ... end (rows,), and weights of the uniform distribution: (rows, NODES)."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    angle = 0.5 * end[:, None] * (1 + x)
    log_mass = 0.5 * np.log(np.pi) + gammaln(0.5 * d) - gammaln(0.5 * (d + 1))
    return angle, 0.5 * end[:, None] * w * np.exp(
        (d - 1) * np.log(np.sin(angle)) - log_mass
    )


def gaussian_kl(time: Array, d: int) -> Array:
    """KL of the small-time limit: the negative entropy of N(0, t I) less the uniform one's."""
    return -0.5 * d * (np.log(2 * np.pi * time) + 1) - log_uniform(d)
