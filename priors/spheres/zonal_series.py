"""Zonal series on a sphere: densities from the means of the normalised Gegenbauer polynomials."""

import numpy as np
from numpy.typing import NDArray

from priorbench.priors.spheres.geometry import log_surface_area

Array = NDArray[np.floating]

NEGLIGIBLE = 1e-23
"""Terms of a series smaller than this, relative to its sum at angle 0, are left out."""


def series_degree(t: float, d: int) -> int:
    """The terms that a series of time t or more has before they are negligible."""
    return int(np.sqrt((120 + 6 * d) / t)) + 3 * d + 30


def sum_series(cosine: Array, coefficients: Array, m: int) -> Array:
    r"""Sum of :math:`\dim_l c_l P_l(x)` over l >= 1, in extended precision where there is one.

    With c the means of P_l it is a density's excess over the uniform one, relative to that.

    Args:
        cosine: x, (rows, n).
        coefficients: c_1, c_2, ... of each row, (rows, degree).
        m: number of coordinates.
    """
    x, c = cosine.astype(np.longdouble), coefficients.astype(np.longdouble)
    previous, current = np.ones_like(x), x
    dimension, total, peak = np.longdouble(m), 0.0, 0.0
    for i in range(c.shape[1]):
        term = dimension * c[:, i, None]
        total, peak = total + term * current, peak + term
        if i > m and (term <= NEGLIGIBLE * peak).all():
            break
        n = i + 1
        previous, current = (
            current,
            ((2 * n + m - 2) * x * current - n * previous) / (n + m - 2),
        )
        dimension = dimension * (2 * n + m) * (n + m - 2) / ((2 * n + m - 2) * (n + 1))
    return total


def log_uniform(d: int) -> float:
    """Log density of the uniform distribution on S^d."""
    return -log_surface_area(d + 1)
