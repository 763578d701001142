r"""The random walk of projected Gaussian steps on a sphere: the law that is really sampled.

A step goes from z to the direction of :math:`z + \sqrt v\,\varepsilon`. The length r of that
vector given, its direction is von Mises–Fisher with concentration r / v about z, so the step
multiplies the spherical harmonics of degree l by

.. math:: b_l = E_r\Big[\prod_{n<l} \frac{I_{m/2+n}(r/v)}{I_{m/2-1+n}(r/v)}\Big]

and L steps by :math:`b_l^L` (equal to the closed form with Kummer's function, free of its
cancellation). The walk's time is :math:`T = L v`.
"""

from functools import partial

import numpy as np
from scipy.special import ive, logsumexp

from priorbench.priors.spheres.zonal_divergence import (
    gaussian_kl,
    log_kl_early,
    log_kl_late,
)
from priorbench.priors.spheres.heat_kernel import smooth_from
from priorbench.priors.spheres.zonal_series import (
    Array,
    series_degree,
    log_uniform,
    sum_series,
)

LOWEST = 3e-4
"""Series are summed from this time on; below, the law is scaled to its Gaussian limit."""

NODES, ROWS = 48, 16
"""Of the integral over the length of a step; rows of like times that are summed together."""

SHORT = 1e-4
"""Below this variance of a step, Bessel functions are by their expansion for large arguments."""

TRUSTED = 1e6 * float(np.finfo(np.longdouble).eps)
"""Densities below this, relative to the peak, have lost their digits in the series."""


def step_harmonics(variance: Array, count: int, m: int) -> Array:
    """b_1 ... b_count of one step, (rows, count), in extended precision.

    Args:
        variance: v of each row's step, (rows,).
        count: the highest degree, >= 1.
        m: number of coordinates.
    """
    radius, weights = _radius_nodes(variance, m)
    kappa = (radius / variance[:, None]).astype(np.longdouble)
    # from a bound on the highest ratio, so high that its error is forgotten on the way down
    top = int(np.sqrt(count**2 + 45 * float(kappa.max()))) + 20
    order = np.longdouble(0.5 * m + top)
    ratio, ratios = kappa / (order + np.sqrt(kappa**2 + order**2)), []
    for n in range(top, 0, -1):  # I_{m/2-1+n} / I_{m/2-2+n}
        ratio = kappa / ((2 * n + m - 2) + kappa * ratio)
        ratios.append(ratio)
    product, means = weights.astype(np.longdouble), []
    for ratio in ratios[::-1][:count]:
        product = product * ratio
        means.append(product.sum(-1))
    return np.stack(means, axis=-1)


def _radius_nodes(variance: Array, m: int) -> tuple[Array, Array]:
    """Nodes and weights, (rows, NODES), for the length of e1 + sqrt(v) ε."""
    v = variance[:, None]
    x, w = np.polynomial.legendre.leggauss(NODES)
    middle = 0.5 * (1 + np.sqrt(1 + 4 * v * (m - 1)))
    low, high = np.maximum(middle - 9.5 * np.sqrt(v), 0), middle + 9.5 * np.sqrt(v)
    r = low + 0.5 * (high - low) * (1 + x)
    nu = 0.5 * m - 1
    log_density = 0.5 * m * np.log(r) - (r - 1) ** 2 / (2 * v) + np.log(ive(nu, r / v))
    weights = (
        (high - low) * w * np.exp(log_density - log_density.max(-1, keepdims=True))
    )
    return r, weights / weights.sum(-1, keepdims=True)


def log_density(angle: Array, time: Array, d: int, steps: int) -> Array:
    """Log density of the walk relative to the uniform one, at rising angles (rows, n).

    Where the series has no digits left, below ``TRUSTED`` of the peak, the log density goes on
    linearly in the squared angle with the slope that it has there. Below ``LOWEST`` the law is
    its Gaussian limit and two orders in the time, known from ``LOWEST`` and twice that.
    """
    early = time < LOWEST
    value = np.empty_like(angle)
    if not early.all():
        value[~early] = _sum_log_density(angle[~early], time[~early], d, steps)
    if early.any():
        value[early] = _expand_log_density(angle[early], time[early, None], d, steps)
    return value


def _sum_log_density(angle: Array, time: Array, d: int, steps: int) -> Array:
    parts = []
    for first in range(0, len(time), ROWS):
        part = slice(first, first + ROWS)
        excess = sum_series(
            np.cos(angle[part]), walk_coefficients(time[part], d, steps), d + 1
        )
        parts.append(_continue_tail(angle[part], 1 + excess))
    return np.concatenate(parts)


def _expand_log_density(angle: Array, time: Array, d: int, steps: int) -> Array:
    square = np.append(np.linspace(0, 70, 2000), 1e6)
    known = LOWEST * np.array([1.0, 2.0])
    scaled = np.sqrt(np.minimum(square * known[:, None], np.pi**2))
    once, twice = _sum_log_density(scaled, known, d, steps) - log_gaussian(
        scaled, known[:, None], d
    )
    place = np.minimum(angle**2 / time, square[-1])
    once, twice = np.interp(place, square, once), np.interp(place, square, twice)
    return log_gaussian(angle, time, d) + extrapolate_quadratic(
        time / LOWEST, once, twice
    )


def extrapolate_quadratic(ratio: Array, once: Array, twice: Array) -> Array:
    """Value at ``ratio`` of the quadratic that is 0 at 0, and known at 1 and at 2."""
    return ratio * (2 * once - 0.5 * twice) + ratio**2 * (0.5 * twice - once)


def walk_coefficients(time: Array, d: int, steps: int) -> Array:
    """Of the walk's series, b_l to the power of steps, l = 1, 2, ...: (rows, degree)."""
    return (
        step_harmonics(time / steps, 2 * series_degree(time.min(), d), d + 1) ** steps
    )


def log_gaussian(angle: Array, time: Array, d: int) -> Array:
    """Log density of the small-time limit relative to the uniform distribution."""
    return -0.5 * d * np.log(2 * np.pi * time) - angle**2 / (2 * time) - log_uniform(d)


def _continue_tail(angle: Array, density: Array) -> Array:
    """Log of densities (rows, n) at rising angles, those of no digits replaced."""
    level = TRUSTED * density[:, :1]
    good = np.logical_and.accumulate(density > level, axis=-1)
    log = np.log(np.where(good, density, level)).astype(float)
    last, square = np.maximum(good.sum(-1) - 1, 2)[:, None], angle**2
    at = [np.take_along_axis(square, last - i, -1) for i in range(3)]
    of = [np.take_along_axis(log, last - i, -1) for i in range(3)]
    first, second = ((of[i] - of[i + 1]) / (at[i] - at[i + 1]) for i in range(2))
    bend = (first - second) / (at[0] - at[2])
    slope = first + bend * (at[0] - at[1])
    # to where the parabola through the last nodes meets the level, whichever nodes there are
    step = (np.log(level).astype(float) - of[0]) / np.minimum(slope, -1e-9)
    value, slope = of[0] + step * (slope + bend * step), slope + 2 * bend * step
    tail = value + np.minimum(slope, 0) * (square - at[0] - step)
    return np.where(good, log, tail)


def log_kl(time: Array, d: int, steps: int) -> Array:
    """Log of the walk's KL to the uniform distribution, nats, at times (rows,)."""
    late = time >= smooth_from(d)
    early = ~late & (time >= LOWEST)
    value = np.empty_like(time)
    if early.any():
        law = partial(log_density, d=d, steps=steps)
        value[early] = log_kl_early(time[early], d, law)
    if late.any():
        value[late] = _log_kl_late(time[late], d, steps)
    first = time < LOWEST
    if first.any():
        value[first] = _log_kl_first(time[first], d, steps)
    return value


def _log_kl_late(time: Array, d: int, steps: int) -> Array:
    parts = []
    for first in range(0, len(time), ROWS):
        own = walk_coefficients(time[first : first + ROWS], d, steps)
        parts.append(log_kl_late(np.log(own[:, 0]), own / own[:, :1], d))
    return np.concatenate(parts)


def _log_kl_first(time: Array, d: int, steps: int) -> Array:
    known = LOWEST * np.array([1.0, 2.0])
    once, twice = np.exp(log_kl(known, d, steps)) - gaussian_kl(known, d)
    return np.log(
        gaussian_kl(time, d) + extrapolate_quadratic(time / LOWEST, once, twice)
    )


def log_harmonics(variance: Array, count: int, m: int) -> Array:
    """Log b_1 ... b_count of one step, (rows, count), in float64; absolute error about 1e-11."""
    parts = []
    for first in range(0, len(variance), ROWS):
        own = variance[first : first + ROWS]
        if own.max() < SHORT:
            parts.append(_log_harmonics_short(own, count, m))
        else:
            means = step_harmonics(np.maximum(own, SHORT / 3), count, m)
            parts.append(
                np.log(np.maximum(means, np.finfo(means.dtype).tiny)).astype(float)
            )
    return np.concatenate(parts)


def _log_harmonics_short(variance: Array, count: int, m: int) -> Array:
    radius, weights = _radius_nodes(variance, m)
    kappa, nu = (radius / variance[:, None])[..., None], 0.5 * m - 1
    ratio = _log_bessel(nu + np.arange(1, count + 1), kappa) - _log_bessel(nu, kappa)
    return logsumexp(ratio, b=weights[..., None], axis=1)


def _log_bessel(order: Array | float, kappa: Array) -> Array:
    """Log of exp(-κ) I_order(κ) but for a constant, for large κ: Debye's expansion, DLMF 10.41.3.

    Each of its terms is a polynomial in 1 / sqrt(order² + κ²), whatever the order.
    """
    root = np.hypot(order, kappa)
    p = (order / root) ** 2
    terms = (3 - 5 * p) / (24 * root) + (81 - 462 * p + 385 * p**2) / (1152 * root**2)
    bend = order**2 / (root + kappa) - order * np.arcsinh(order / kappa)
    return bend - 0.5 * np.log(root / kappa) + np.log1p(terms)
