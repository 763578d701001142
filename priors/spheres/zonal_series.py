r"""Zonal densities on a sphere: their series, and their divergence by quadrature.

A zonal density depends on the angle θ to a direction alone. Relative to the uniform
one it is, with :math:`x = \cos\theta`,

.. math:: 1 + \sum_{l \ge 1} \dim_l\, c_l\, P_l(x)

with :math:`P_l` the Gegenbauer polynomial of degree l, normalised to
:math:`P_l(1) = 1`, :math:`\dim_l` the number of spherical harmonics of degree l, and
:math:`c_l = E[P_l]`.

In the code: ``d`` the dimension of the sphere, ``m`` = d + 1 its number of coordinates.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, softmax

from priorbench.priors.numerics.quadrature import legendre_nodes
from priorbench.priors.spheres.geometry import log_surface_area

Array = NDArray[np.floating]

NEGLIGIBLE = 1e-23
"""Terms of a series smaller than this, relative to its sum at angle 0, are left out."""

NODES = 128
"""Number of nodes of the integral over the angle."""

WIDTHS = 11
"""Beyond its mean length, so many deviations of a Gaussian in d dimensions are kept."""

SMALL = 1e-3
"""Below this an excess is expanded in powers."""


def smooth_from(d: int) -> float:
    """Return the time of diffusion from which its series serves at every angle."""
    return min(1.0, 6.0 / d)


def series_degree(
    t: float,
    d: int,
) -> int:
    """Return the degree from which the series is negligible at time t and later."""
    return int(np.sqrt((120 + 6 * d) / t)) + 3 * d + 30


def sum_series(
    cosine: Array,
    coefficients: Array,
    m: int,
) -> Array:
    r"""Return the sum of :math:`\dim_l c_l P_l(x)` over l >= 1.

    In extended precision where there is one.

    Args:
        cosine: x, (rows, n).
        coefficients: c_1, c_2, ... of each row, (rows, degree).
        m: number of coordinates.

    Returns:
        (rows, n): the density's excess over the uniform one, relative to that.
    """
    x = cosine.astype(np.longdouble)
    c = coefficients.astype(np.longdouble)
    previous = np.ones_like(x)
    current = x
    dim = np.longdouble(m)
    total = 0.0
    peak = 0.0
    for l in range(1, c.shape[1] + 1):  # noqa: E741
        term = dim * c[:, l - 1, None]
        total = total + term * current
        peak = peak + term
        if l > m + 1 and (term <= NEGLIGIBLE * peak).all():
            break
        rising = (2 * l + m - 2) * x * current
        following = (rising - l * previous) / (l + m - 2)
        previous, current = current, following
        dim = dim * (2 * l + m) * (l + m - 2)
        dim = dim / ((2 * l + m - 2) * (l + 1))
    return total


def log_uniform(d: int) -> float:
    """Return the log density of the uniform distribution on S^d, in nats."""
    return -log_surface_area(d + 1)


def log_gaussian(
    angle: Array,
    time: Array,
    d: int,
) -> Array:
    """Return the log density of the small-time limit relative to the uniform one.

    The limit is N(0, t I) in the tangent space.
    """
    log_peak = -0.5 * d * np.log(2 * np.pi * time)
    return log_peak - angle**2 / (2 * time) - log_uniform(d)


def gaussian_kl(
    time: Array,
    d: int,
) -> Array:
    """Return the KL of the small-time limit to the uniform distribution, in nats."""
    entropy = 0.5 * d * (np.log(2 * np.pi * time) + 1)
    return -entropy - log_uniform(d)


def integrate_log_kl(
    time: Array,
    d: int,
    log_density: Callable[[Array, Array], Array],
) -> Array:
    """Return the log KL to the uniform distribution from densities, in nats.

    For early times, at which the densities leave most of the sphere empty.

    Args:
        time: (rows,).
        d: dimension of the sphere.
        log_density: relative to the uniform one, of angles (rows, n) and times (rows,).
    """
    reach = (np.sqrt(d) + WIDTHS) * np.sqrt(time)
    angle, log_weights = _angle_nodes(np.minimum(np.pi, reach), d)
    value = log_density(angle, time)
    return np.log((softmax(log_weights + value, axis=-1) * value).sum(-1))


def sum_log_kl(
    log_first: Array,
    coefficients: Array,
    d: int,
) -> Array:
    """Return the log KL to the uniform distribution from a series, in nats.

    For late times; it has full precision however small the KL.

    Args:
        log_first: log of the coefficient of degree 1, (rows,).
        coefficients: of degrees 1, 2, ... relative to the first, (rows, degree).
        d: dimension of the sphere.
    """
    angle, log_weights = _angle_nodes(np.full(len(log_first), np.pi), d)
    shape = sum_series(np.cos(angle), coefficients, d + 1)
    x = np.exp(log_first)[:, None] * shape
    # ((1 + x) log(1 + x) - x) / x², which is 1/2 at 0
    expanded = 1 / 2 - x / 6 + x**2 / 12 - x**3 / 20 + x**4 / 30
    # rounding may take a density that is zero below it
    small = np.abs(x) < SMALL
    lowest = np.finfo(x.dtype).eps - 1
    apart = np.where(small, 1, np.maximum(x, lowest))
    exact = ((1 + apart) * np.log1p(apart) - apart) / apart**2
    integrand = shape**2 * np.where(small, expanded, exact)
    mean = (np.exp(log_weights) * integrand).sum(-1)
    return np.asarray(2 * log_first + np.log(mean), dtype=float)


def _angle_nodes(
    end: Array,
    d: int,
) -> tuple[Array, Array]:
    """Return angles in 0 ... end and log weights of the uniform distribution on S^d.

    Args:
        end: (rows,).
        d: dimension of the sphere.

    Returns:
        Both (rows, NODES).
    """
    nodes, weights = legendre_nodes(NODES)
    angle = end[:, None] * nodes
    log_mass = 0.5 * np.log(np.pi) + gammaln(0.5 * d) - gammaln(0.5 * (d + 1))
    log_ring = (d - 1) * np.log(np.sin(angle)) - log_mass
    return angle, np.log(end[:, None] * weights) + log_ring
