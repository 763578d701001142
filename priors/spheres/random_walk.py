r"""The random walk of projected Gaussian steps on a sphere: what is really sampled.

A step goes from z to the direction of :math:`z + \sqrt v\,\varepsilon`. Given the
length r of that vector, its direction is von Mises–Fisher with concentration r / v
about z, so the step multiplies the spherical harmonics of degree l by

.. math::
    b_l = E_r\Big[\prod_{n<l} \frac{I_{m/2+n}(r/v)}{I_{m/2-1+n}(r/v)}\Big]

and L steps by :math:`b_l^L` (equal to the closed form with Kummer's function, free of
its cancellation). The walk's time is :math:`T = L v`.

In the code: ``kappa`` r / v, ``nu`` m / 2 - 1, ``variance`` or ``v`` v, ``steps`` L,
``time`` T, ``d`` the dimension of the sphere, ``m`` = d + 1 its number of coordinates.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import ive, logsumexp

from priorbench.priors.numerics.quadrature import legendre_nodes
from priorbench.priors.spheres.zonal_series import (
    Array,
    gaussian_kl,
    integrate_log_kl,
    log_gaussian,
    series_degree,
    smooth_from,
    sum_log_kl,
    sum_series,
)

SUMMED_FROM = 3e-4
"""Series are summed from this time on; below, the density is scaled to its limit."""

KNOWN = SUMMED_FROM * np.array([1.0, 2.0])
"""Times from which the density at earlier ones is extrapolated."""

NODES, REACH = 48, 9.5
"""Of the integral over the length of a step: nodes, deviations to both sides."""

ROWS = 16
"""Rows of like times that are summed together."""

SHORT = 1e-4
"""Below this variance of a step, Bessel functions are expanded for large arguments."""

TRUSTED = 1e6 * float(np.finfo(np.longdouble).eps)
"""Densities below this, relative to the peak, have lost their digits in the series."""


def log_density(
    angle: Array,
    time: Array,
    d: int,
    steps: int,
) -> Array:
    """Return the log density of the walk relative to the uniform one, in nats.

    Where the series has no digits left, below ``TRUSTED`` of the peak, the log density
    goes on linearly in the squared angle with the slope that it has there. Below
    ``SUMMED_FROM`` it is that of the Gaussian limit and two orders in the time, known
    from ``SUMMED_FROM`` and twice that.

    Args:
        angle: rising, (rows, n).
        time: (rows,).
        d: dimension of the sphere.
        steps: number of steps.

    Returns:
        (rows, n).
    """
    early = time < SUMMED_FROM
    value = np.empty_like(angle)
    if not early.all():
        value[~early] = _sum_log_density(angle[~early], time[~early], d, steps)
    if early.any():
        # the excess over the limit by the squared angle per time, at the known times
        square = np.append(np.linspace(0, 70, 2000), 1e6)
        known_square = square * KNOWN[:, None]
        reach = np.sqrt(np.minimum(known_square, np.pi**2))
        limit = log_gaussian(reach, KNOWN[:, None], d)
        once, twice = _sum_log_density(reach, KNOWN, d, steps) - limit
        own_angle, own_time = angle[early], time[early, None]
        x = np.minimum(own_angle**2 / own_time, square[-1])
        excess = extrapolate_quadratic(
            own_time / SUMMED_FROM,
            np.interp(x, square, once),
            np.interp(x, square, twice),
        )
        value[early] = log_gaussian(own_angle, own_time, d) + excess
    return value


def _sum_log_density(
    angle: Array,
    time: Array,
    d: int,
    steps: int,
) -> Array:
    """Return the log density by the series, its tail continued."""

    def sum_rows(
        angle: Array,
        time: Array,
    ) -> Array:
        coefficients = walk_coefficients(time, d, steps)
        excess = sum_series(np.cos(angle), coefficients, d + 1)
        return _continue_tail(angle, 1 + excess)

    return _map_rows(sum_rows, angle, time)


def _map_rows(function: Callable[..., Array], *arrays: Array) -> Array:
    """Apply a function to ``ROWS`` rows at a time."""
    parts = []
    for start in range(0, len(arrays[0]), ROWS):
        rows = slice(start, start + ROWS)
        parts.append(function(*[array[rows] for array in arrays]))
    return np.concatenate(parts)


def _continue_tail(
    angle: Array,
    density: Array,
) -> Array:
    """Return the log of densities at rising angles, those without digits replaced.

    Args:
        angle: (rows, n).
        density: (rows, n).
    """
    level = TRUSTED * density[:, :1]
    trusted = np.logical_and.accumulate(density > level, axis=-1)
    log = np.log(np.where(trusted, density, level)).astype(float)
    # the parabola in the squared angle x through the last three that are trusted
    square = angle**2
    last = np.maximum(trusted.sum(-1) - 1, 2)[:, None]
    x = [np.take_along_axis(square, last - i, -1) for i in range(3)]
    y = [np.take_along_axis(log, last - i, -1) for i in range(3)]
    first = (y[0] - y[1]) / (x[0] - x[1])
    second = (y[1] - y[2]) / (x[1] - x[2])
    curvature = (first - second) / (x[0] - x[2])
    slope = first + curvature * (x[0] - x[1])
    # to where it meets the level, whichever nodes there are; from there on a line
    drop = np.log(level).astype(float) - y[0]
    step = drop / np.minimum(slope, -1e-9)
    start = y[0] + step * (slope + curvature * step)
    slope = slope + 2 * curvature * step
    tail = start + np.minimum(slope, 0) * (square - x[0] - step)
    return np.where(trusted, log, tail)


def extrapolate_quadratic(
    ratio: Array,
    once: Array,
    twice: Array,
) -> Array:
    """Return the value at ``ratio`` of the quadratic that is 0 at 0.

    Args:
        ratio: where it is evaluated.
        once: its value at 1.
        twice: its value at 2.
    """
    linear = 2 * once - 0.5 * twice
    square = 0.5 * twice - once
    return ratio * linear + ratio**2 * square


def log_kl(
    time: Array,
    d: int,
    steps: int,
) -> Array:
    """Return the log of the walk's KL to the uniform distribution, nats, by time.

    Args:
        time: (rows,).
        d: dimension of the sphere.
        steps: number of steps.
    """
    first = time < SUMMED_FROM
    late = time >= smooth_from(d)
    early = ~late & ~first
    value = np.empty_like(time)
    if first.any():
        known_kl = np.exp(log_kl(KNOWN, d, steps))
        once, twice = known_kl - gaussian_kl(KNOWN, d)
        excess = extrapolate_quadratic(time[first] / SUMMED_FROM, once, twice)
        value[first] = np.log(gaussian_kl(time[first], d) + excess)
    if early.any():
        density = partial(log_density, d=d, steps=steps)
        value[early] = integrate_log_kl(time[early], d, density)
    if late.any():

        def sum_rows(time: Array) -> Array:
            coefficients = walk_coefficients(time, d, steps)
            first = coefficients[:, :1]
            return sum_log_kl(np.log(first[:, 0]), coefficients / first, d)

        value[late] = _map_rows(sum_rows, time[late])
    return value


def walk_coefficients(
    time: Array,
    d: int,
    steps: int,
) -> Array:
    """Return the coefficients b_l^L of the walk's series, l >= 1: (rows, degree)."""
    count = 2 * series_degree(time.min(), d)
    return step_harmonics(time / steps, count, d + 1) ** steps


def step_harmonics(
    variance: Array,
    count: int,
    m: int,
) -> Array:
    """Return b_1 ... b_count of one step, (rows, count), in extended precision.

    Args:
        variance: v of each row's step, (rows,).
        count: the highest degree, >= 1.
        m: number of coordinates.
    """
    radius, weights = _radius_nodes(variance, m)
    kappa = (radius / variance[:, None]).astype(np.longdouble)
    # from a bound on the highest ratio, so high that its error is lost on the way down
    highest = float(kappa.max())
    top = int(np.sqrt(count**2 + 45 * highest)) + 20
    order = np.longdouble(0.5 * m + top)
    ratio = kappa / (order + np.sqrt(kappa**2 + order**2))
    falling = []
    for n in range(top, 0, -1):  # I_{m/2-1+n} / I_{m/2-2+n}
        ratio = kappa / ((2 * n + m - 2) + kappa * ratio)
        falling.append(ratio)
    product = weights.astype(np.longdouble)
    means = []
    for ratio in falling[::-1][:count]:
        product = product * ratio
        means.append(product.sum(-1))
    return np.stack(means, axis=-1)


def _radius_nodes(
    variance: Array,
    m: int,
) -> tuple[Array, Array]:
    """Return nodes and weights, (rows, NODES), for the length of e1 + sqrt(v) ε."""
    v = variance[:, None]
    nu = 0.5 * m - 1
    nodes, weights = legendre_nodes(NODES)
    root = np.sqrt(1 + 4 * v * (m - 1))
    middle = 0.5 * (1 + root)
    half = REACH * np.sqrt(v)
    low = np.maximum(middle - half, 0)
    length = middle + half - low
    r = low + length * nodes
    log_bessel = np.log(ive(nu, r / v))
    log_f = 0.5 * m * np.log(r) - (r - 1) ** 2 / (2 * v) + log_bessel
    peak = log_f.max(-1, keepdims=True)
    mass = length * weights * np.exp(log_f - peak)
    return r, mass / mass.sum(-1, keepdims=True)


def log_harmonics(
    variance: Array,
    count: int,
    m: int,
) -> Array:
    """Return the log of b_1 ... b_count of one step, (rows, count), in float64.

    The absolute error is about 1e-11. Arguments as in :func:`step_harmonics`.
    """

    def sum_rows(v: Array) -> Array:
        if v.max() < SHORT:
            return _expand_log_harmonics(v, count, m)
        means = step_harmonics(np.maximum(v, SHORT / 3), count, m)
        positive = np.maximum(means, np.finfo(means.dtype).tiny)
        return np.log(positive).astype(float)

    return _map_rows(sum_rows, variance)


def _expand_log_harmonics(
    variance: Array,
    count: int,
    m: int,
) -> Array:
    """Return the log of b_1 ... b_count for short steps."""
    radius, weights = _radius_nodes(variance, m)
    kappa = (radius / variance[:, None])[..., None]
    nu = 0.5 * m - 1
    orders = nu + np.arange(1, count + 1)
    log_ratio = _expand_log_bessel(orders, kappa) - _expand_log_bessel(nu, kappa)
    return logsumexp(log_ratio, b=weights[..., None], axis=1)


def _expand_log_bessel(
    order: Array | float,
    kappa: Array,
) -> Array:
    """Return the log of exp(-κ) I_order(κ) but for a constant, for large κ.

    By Debye's expansion, DLMF 10.41.3, each term of which is a polynomial in
    1 / sqrt(order² + κ²), whatever the order; p as there.
    """
    root = np.hypot(order, kappa)
    p_square = (order / root) ** 2
    u_1 = (3 - 5 * p_square) / (24 * root)
    u_2 = (81 - 462 * p_square + 385 * p_square**2) / (1152 * root**2)
    growth = order**2 / (root + kappa) - order * np.arcsinh(order / kappa)
    return growth - 0.5 * np.log(root / kappa) + np.log1p(u_1 + u_2)
