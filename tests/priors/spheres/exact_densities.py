"""Zonal densities on spheres in many digits."""

import math

import mpmath
import numpy as np
import torch

from priorbench.priors.spheres.geometry import log_surface_area


def squared_chord(angle):
    return 2 - 2 * torch.cos(torch.as_tensor(angle, dtype=torch.float64))


def exact_series(angle, coefficient, d, digits):
    """Log of 1 + sum dim_l c_l P_l, relative to the uniform density, in many digits."""
    with mpmath.workdps(digits):
        m, x = d + 1, mpmath.cos(mpmath.mpf(angle))
        previous, current, size = mpmath.mpf(1), x, mpmath.mpf(m)
        total, n = mpmath.mpf(1), 1
        while True:
            weight = size * coefficient(n)
            total += weight * current
            if n > 4 * d and weight < mpmath.mpf(10) ** -digits:
                return mpmath.log(total)
            previous, current = (
                current,
                ((2 * n + m - 2) * x * current - n * previous) / (n + m - 2),
            )
            size *= mpmath.mpf((2 * n + m) * (n + m - 2)) / ((2 * n + m - 2) * (n + 1))
            n += 1


def exact_kernel(angle, t, d, digits=60):
    t = mpmath.mpf(t)
    return exact_series(
        angle, lambda n: mpmath.exp(-n * (n + d - 1) * t / 2), d, digits
    )


def exact_step(n, variance, m):
    """The step's harmonic by Kummer's function."""
    x = 1 / (2 * mpmath.mpf(variance))
    a, b = mpmath.mpf(n + m) / 2, n + mpmath.mpf(m) / 2
    return (
        mpmath.gamma(a)
        / mpmath.gamma(b)
        * x ** (mpmath.mpf(n) / 2)
        * mpmath.exp(-x)
        * mpmath.hyp1f1(a, b, x, maxterms=10**6)
    )


def integrate_density(log_density, d):
    """The integral of a zonal density over the sphere."""
    x, w = np.polynomial.legendre.leggauss(600)
    angle = torch.tensor(0.5 * math.pi * (1 + x))
    ring = torch.tensor(0.5 * math.pi * w) * torch.sin(angle) ** (d - 1)
    return (
        (ring * torch.exp(log_density(squared_chord(angle)) + log_surface_area(d)))
        .sum()
        .item()
    )
