r"""The heat kernel of a sphere in numpy: what its tables are made from.

Brownian motion on S^d for a time t (generator: half the Laplacian) has the density

.. math::
    K_t(\theta) = \frac{1}{|S^d|} \sum_l \dim_l \, e^{-l(l+d-1)t/2} P_l(\cos\theta)

at the angle θ from where it began. For small t the series cancels to nothing where the density
is small. Writing each :math:`e^{-(l+\lambda)^2 t/2}`, :math:`\lambda = (d-1)/2`, as the mean of
:math:`e^{i(l+\lambda)\sigma}` over a Gaussian σ and summing the series under the integral by
Gegenbauer's generating functions (DLMF 18.12.4, 18.12.5) leaves, for every d,

.. math::
    |S^d| K_t(\theta) = \frac{e^{\lambda^2 t/2}}{\sqrt{2\pi t}} \int_{\mathbb{R}+i\varepsilon}
        e^{-\sigma^2/2t} \frac{-2i\sin\sigma}{(2\cos\sigma - 2\cos\theta)^{\lambda+1}} \, d\sigma

In :math:`W = \sigma^2` this is an inverse Laplace transform whose singularities lie on
:math:`W \ge \theta^2`. On the parabola :math:`W = \theta^2 + (y + ia)^2` through its saddle
nothing cancels, and the trapezoidal rule in y converges geometrically (Weideman and Trefethen
2007): the log density has 12 digits at every angle.
"""

from functools import partial

import numpy as np

from priorbench.priors.spheres.zonal_divergence import log_kl_early, log_kl_late
from priorbench.priors.spheres.zonal_series import Array, series_degree, sum_series

NODES, STEP = 28, 0.3
"""Of the trapezoidal rule, the step in units of the square root of t."""


def smooth_from(d: int) -> float:
    """The time from which the series serves at every angle; the contour is for below."""
    return min(1.0, 6.0 / d)


def log_kernel(angle: Array, t: Array, d: int) -> Array:
    """Log of the heat kernel relative to the uniform density, by the contour integral.

    Args:
        angle: in 0 ... π.
        t: time, broadcast; up to 5, far beyond which the cosines overflow.
        d: dimension of the sphere.
    """
    lam = 0.5 * (d - 1)
    theta, time = angle[..., None], np.asarray(t)[..., None]
    root = np.sqrt(time)
    z = (np.arange(NODES) + 0.5) * STEP * root + 1j * np.sqrt(
        _find_saddle(theta, time, lam)
    )
    sigma = np.sqrt(theta**2 + z * z)
    turn = np.exp(1j * sigma)
    # 1 - e^{i(σ-θ)} and 1 - e^{i(σ+θ)} have positive real parts: the logarithm of their product
    # is the principal one. z^2 / (σ + θ) is σ - θ, to full precision
    near = np.expm1(1j * z * z / (sigma + theta))
    across = np.log(near * (turn * np.exp(1j * theta) - 1)) - 1j * sigma
    terms = -z * z / (2 * time) - (lam + 1) * across - 1j * sigma
    peak = terms.real.max(-1, keepdims=True)
    values = np.exp(terms - peak) * (1 - turn * turn) * z / sigma
    total = values.real.sum(-1) * 2 * STEP / np.sqrt(2 * np.pi)
    return lam**2 * t / 2 - angle**2 / (2 * t) + peak[..., 0] + np.log(total)


def _find_saddle(angle: Array, t: Array, lam: float) -> Array:
    """a² of the parabola: twice (λ + 1) t, up to four times near the antipode."""
    first = square = np.broadcast_to(
        2 * (lam + 1) * t, np.broadcast_shapes(angle.shape, t.shape)
    )
    for _ in range(8):
        sigma = np.sqrt(angle**2 - square + 0j)
        apart = (2 * np.cos(sigma) - 2 * np.cos(angle)).real
        square = first * square * np.sinc(sigma / np.pi).real / apart
    return square


def heat_coefficients(t: Array, d: int) -> Array:
    """The kernel's coefficients of l = 1, 2, ..., (rows, degree), at times t (rows,)."""
    l = np.arange(1, series_degree(t.min(), d) + 1, dtype=np.longdouble)  # noqa: E741
    return np.exp(-0.5 * t[:, None] * l * (l + d - 1))


def log_kl(time: Array, d: int) -> Array:
    """Log of the kernel's KL to the uniform distribution, nats, at times (rows,)."""
    late = time >= smooth_from(d)
    value = np.empty_like(time)
    value[~late] = log_kl_early(time[~late], d, partial(log_density, d=d))
    if late.any():
        first = -0.5 * d * time[late]
        l = np.arange(series_degree(time[late].min(), d), dtype=np.longdouble)  # noqa: E741
        relative = np.exp(-0.5 * time[late, None] * l * (l + d + 1))
        value[late] = log_kl_late(first, relative, d)
    return value


def log_density(angle: Array, time: Array, d: int) -> Array:
    """Log of the heat kernel relative to the uniform density: angles (rows, n), times (rows,)."""
    late = time >= smooth_from(d)
    value = np.empty_like(angle)
    value[~late] = log_kernel(angle[~late], time[~late, None], d)
    if late.any():
        value[late] = np.log1p(
            sum_series(np.cos(angle[late]), heat_coefficients(time[late], d), d + 1)
        )
    return value
