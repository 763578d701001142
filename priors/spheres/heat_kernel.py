r"""The heat kernel of a sphere in numpy: what its tables are made from.

Brownian motion on S^d for a time t (generator: half the Laplacian) has the density

.. math::
    K_t(\theta) = \frac{1}{|S^d|} \sum_l \dim_l \, e^{-l(l+d-1)t/2} P_l(\cos\theta)

at the angle θ from where it began. For small t the series cancels to nothing where the
density is small. Let :math:`\lambda = (d-1)/2`. Writing :math:`e^{-(l+\lambda)^2 t/2}`
as the mean of :math:`e^{i(l+\lambda)\sigma}` over a Gaussian σ and summing the series
under the integral by Gegenbauer's generating functions (DLMF 18.12.4, 18.12.5) leaves,
for every d,

.. math::
    |S^d| K_t(\theta) = \frac{e^{\lambda^2 t/2}}{\sqrt{2\pi t}}
        \int_{\mathbb{R}+i\varepsilon} e^{-\sigma^2/2t}
        \frac{-2i\sin\sigma}{(2\cos\sigma - 2\cos\theta)^{\lambda+1}} \, d\sigma

In :math:`W = \sigma^2` this is an inverse Laplace transform whose singularities lie on
:math:`W \ge \theta^2`. On the parabola :math:`W = \theta^2 + z^2`, :math:`z = y + ia`,
through its saddle nothing cancels, and the trapezoidal rule in y converges
geometrically (Weideman and Trefethen 2007): the log density has 12 digits at every
angle.

In the code: ``lam`` λ, ``theta`` θ, ``sigma`` σ; ``y``, ``z`` and ``a_square`` as here.
"""

from functools import partial

import numpy as np

from priorbench.priors.spheres.zonal_series import (
    Array,
    integrate_log_kl,
    series_degree,
    smooth_from,
    sum_log_kl,
    sum_series,
)

NODES, STEP = 28, 0.3
"""Of the trapezoidal rule, the step in units of the square root of t."""


def log_density(
    angle: Array,
    time: Array,
    d: int,
) -> Array:
    """Return the log of the heat kernel relative to the uniform density, in nats.

    Args:
        angle: in 0 ... π, (rows, n).
        time: (rows,).
        d: dimension of the sphere.

    Returns:
        (rows, n).
    """
    late = time >= smooth_from(d)
    value = np.empty_like(angle)
    value[~late] = integrate_contour(angle[~late], time[~late, None], d)
    if late.any():
        degree = series_degree(time[late].min(), d)
        l = np.arange(1, degree + 1, dtype=np.longdouble)  # noqa: E741
        coefficients = np.exp(-0.5 * time[late, None] * l * (l + d - 1))
        excess = sum_series(np.cos(angle[late]), coefficients, d + 1)
        value[late] = np.log1p(excess)
    return value


def log_kl(
    time: Array,
    d: int,
) -> Array:
    """Return the log of the kernel's KL to the uniform distribution, nats, by time."""
    late = time >= smooth_from(d)
    value = np.empty_like(time)
    density = partial(log_density, d=d)
    value[~late] = integrate_log_kl(time[~late], d, density)
    if late.any():
        log_first = -0.5 * d * time[late]
        degree = series_degree(time[late].min(), d)
        # l is counted from the first coefficient, that of degree 1
        l = np.arange(degree, dtype=np.longdouble)  # noqa: E741
        relative = np.exp(-0.5 * time[late, None] * l * (l + d + 1))
        value[late] = sum_log_kl(log_first, relative, d)
    return value


def integrate_contour(
    angle: Array,
    t: Array,
    d: int,
) -> Array:
    """Return the log of the heat kernel relative to the uniform density, in nats.

    By the contour integral, for times before :func:`smooth_from`.

    Args:
        angle: θ in 0 ... π.
        t: time, broadcast; up to 5, far beyond which the cosines overflow.
        d: dimension of the sphere.
    """
    lam = 0.5 * (d - 1)
    theta = angle[..., None]
    time = np.asarray(t)[..., None]
    y = (np.arange(NODES) + 0.5) * STEP * np.sqrt(time)
    a_square = _find_saddle(theta, time, lam)
    z = y + 1j * np.sqrt(a_square)
    sigma = np.sqrt(theta**2 + z * z)
    wave = np.exp(1j * sigma)
    # 1 - e^{i(σ-θ)} and 1 - e^{i(σ+θ)} have positive real parts: the logarithm of their
    # product is the principal one. z^2 / (σ + θ) is σ - θ, to full precision
    difference = np.expm1(1j * z * z / (sigma + theta))
    total = wave * np.exp(1j * theta) - 1
    log_apart = np.log(difference * total) - 1j * sigma
    exponent = -z * z / (2 * time) - (lam + 1) * log_apart - 1j * sigma
    peak = exponent.real.max(-1, keepdims=True)
    values = np.exp(exponent - peak) * (1 - wave * wave) * z / sigma
    integral = values.real.sum(-1) * 2 * STEP / np.sqrt(2 * np.pi)
    log_front = lam**2 * t / 2 - angle**2 / (2 * t)
    return log_front + peak[..., 0] + np.log(integral)


def _find_saddle(
    theta: Array,
    time: Array,
    lam: float,
) -> Array:
    """Return a² of the parabola.

    It is twice (λ + 1) t, and up to four times that near the antipode.
    """
    shape = np.broadcast_shapes(theta.shape, time.shape)
    first = np.broadcast_to(2 * (lam + 1) * time, shape)
    a_square = first
    for _ in range(8):
        sigma = np.sqrt(theta**2 - a_square + 0j)
        apart = (2 * np.cos(sigma) - 2 * np.cos(theta)).real
        sine_ratio = np.sinc(sigma / np.pi).real
        a_square = first * a_square * sine_ratio / apart
    return a_square
