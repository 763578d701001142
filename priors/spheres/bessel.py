r"""The von Mises–Fisher normaliser: modified Bessel functions with no cancellation.

With :math:`\nu = m/2 - 1` for m coordinates,

.. math::
    A_m(\kappa) = \log {}_0F_1(; m/2; \kappa^2/4)
        = \log\Gamma(\nu+1) + \log I_\nu(\kappa) - \nu \log(\kappa/2), \qquad
    \rho_\nu(\kappa) = \frac{I_{\nu+1}(\kappa)}{\kappa I_\nu(\kappa)}

are taken from Debye's uniform expansion at an order of at least 15 and carried down by

.. math::
    \rho_{\nu} = \frac{1}{2(\nu+1) + \kappa^2 \rho_{\nu+1}}, \qquad
    A_\nu = A_{\nu+1} + \log\Big(1 + \frac{\kappa^2 \rho_{\nu+1}}{2(\nu+1)}\Big)

all terms of which are positive. :math:`1 - r`, with the mean resultant length
:math:`r = \kappa\rho`, is carried along by itself, because the derivatives at large κ hang on its
digits. References: Olver 1954 and DLMF 10.41.3 (the expansion), 10.29.1
(the recurrence).
"""

import math
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

TERMS = 10
"""Terms of Debye's expansion."""

ORDER = 15.0
"""Orders from here on are by Debye's expansion directly."""


def attach_slope(value: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    """``value``, whose derivative in x is ``slope``: known in closed form, not by autograd.

    Args:
        value: computed from ``x.detach()``.
        x: where gradients flow to.
        slope: the derivative.
    """
    return value + slope * (x - x.detach())


def log_normaliser(concentration: Tensor, m: int) -> Tensor:
    """Log of E exp(κ w) over the uniform distribution on the sphere, A_m(κ) >= 0.

    Relative error 1e-12 in float64, for every κ >= 0 and m >= 2. Its derivative is the mean
    resultant length.

    Args:
        concentration: κ >= 0, any shape.
        m: number of coordinates of the sphere.

    Example:
        >>> log_normaliser(torch.tensor(2.0, dtype=torch.float64), 3)  # log(sinh 2 / 2)
        tensor(0.5952, dtype=torch.float64)
    """
    fixed = concentration.detach().double()
    a, rho, _ = _recur_down(fixed, m)
    return attach_slope(a, concentration.double(), fixed * rho)


def mean_resultant_length(concentration: Tensor, m: int) -> Tensor:
    """E[z . μ] = I_{m/2}(κ) / I_{m/2-1}(κ), from 0 to 1; float64."""
    fixed = concentration.detach().double()
    _, rho, rest = _recur_down(fixed, m)
    return attach_slope(
        fixed * rho, concentration.double(), _resultant_slope(fixed, rho, rest, m)
    )


def resultant_gap(concentration: Tensor, m: int) -> Tensor:
    """1 - E[z . μ], to full relative precision at large κ; float64, no gradient."""
    return _recur_down(concentration.detach().double(), m)[2]


def log_normaliser_and_gap(concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """:func:`log_normaliser` and :func:`resultant_gap` at once; no gradients."""
    a, _, rest = _recur_down(concentration.detach().double(), m)
    return a, rest


def kl_uniform(concentration: Tensor, m: int) -> Tensor:
    r"""KL of von Mises–Fisher to the uniform distribution, :math:`\kappa r - A`, in nats; float64.

    Its derivative is :math:`\kappa r'(\kappa)`.
    """
    fixed = concentration.detach().double()
    a, rho, rest = _recur_down(fixed, m)
    slope = fixed * _resultant_slope(fixed, rho, rest, m)
    return attach_slope(fixed.square() * rho - a, concentration.double(), slope)


def bessel_ratios(concentration: Tensor, m: int, count: int) -> Tensor:
    """Successive ratios I_{m/2+l}(κ) / I_{m/2-1+l}(κ) for l = 0 ... count - 1, (..., count)."""
    kappa, order = concentration.detach().double(), 0.5 * m - 1 + count - 1
    _, rho, _ = _recur_down(kappa, m + 2 * (count - 1))
    found = [rho]
    for step in range(1, count):
        rho = 1 / (2 * (order - step + 1) + kappa.square() * rho)
        found.append(rho)
    return kappa[..., None] * torch.stack(found[::-1], dim=-1)


def _resultant_slope(kappa: Tensor, rho: Tensor, gap: Tensor, m: int) -> Tensor:
    """Derivative of the mean resultant length, the variance of z . μ."""
    broad = 1 - (kappa * rho).square() - (m - 1) * rho
    narrow = 2 * gap - gap.square() - (m - 1) * (1 - gap) / kappa.clamp(min=1)
    return torch.where(kappa > m, narrow, broad)


def _recur_down(kappa: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """A_m(κ), ρ(κ) = I_{m/2}(κ) / (κ I_{m/2-1}(κ)) and 1 - κ ρ(κ), each like ``kappa``."""
    order = 0.5 * m - 1
    above = max(0, math.ceil(ORDER - order))
    a, rho, gap = _debye_expansion(kappa, order + above)
    square = kappa.square()
    for step in range(above - 1, -1, -1):
        twice = 2 * (order + step + 1)
        a = a + torch.log1p(square * rho / twice)
        rho = 1 / (twice + square * rho)
        gap = torch.where(kappa > m, (twice - kappa * gap) * rho, 1 - kappa * rho)
    return a, rho, gap


def _debye_expansion(kappa: Tensor, order: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same for a large order, each term of A relative to its value at κ = 0."""
    slow, quotient, derivative = _debye_series(order)
    x = kappa / order
    w = torch.sqrt(1 + x.square())
    excess, p = x.square() / (1 + w), 1 / w  # w - 1
    below = (
        -excess * p * _evaluate_polynomial(quotient, p) / slow
    )  # the series at p over that at 1, less 1
    a = order * (excess - torch.log1p(0.5 * excess)) - 0.5 * torch.log1p(excess)
    slope = _evaluate_polynomial(derivative, p) / (slow * (1 + below))
    lower = (0.5 * p.square() + slope * p**3) / order
    gap = (1 + 1 / (w + x)) / (1 + w) + x * lower  # w - x = 1 / (w + x)
    return a + torch.log1p(below), (1 / (1 + w) - lower) / order, gap


def _evaluate_polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """A polynomial, its highest coefficient first."""
    value = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


@lru_cache
def _debye_series(order: float) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """S(1), (S(p) - S(1)) / (p - 1) and S'(p) of Debye's S(p) = sum_k U_k(p) / order^k."""
    total = [Fraction(0)] * (3 * TERMS + 1)
    for k, polynomial in enumerate(_debye_polynomials()):
        for power, coefficient in enumerate(polynomial):
            total[power] += coefficient / Fraction(order) ** k
    quotient, carried = [], Fraction(0)
    for coefficient in reversed(total):
        carried += coefficient
        quotient.append(carried)
    derivative = [power * c for power, c in enumerate(total)][:0:-1]
    return (
        float(quotient.pop()),
        tuple(map(float, quotient)),
        tuple(map(float, derivative)),
    )


@lru_cache
def _debye_polynomials() -> list[list[Fraction]]:
    """Coefficients of U_0 ... U_TERMS by power of p; DLMF 10.41.9."""
    polynomials = [[Fraction(1)]]
    for _ in range(TERMS):
        last = polynomials[-1]
        new = [Fraction(0)] * (len(last) + 3)
        for i, c in enumerate(last):
            new[i + 1] += c * (Fraction(i, 2) + Fraction(1, 8 * (i + 1)))
            new[i + 3] -= c * (Fraction(i, 2) + Fraction(5, 8 * (i + 3)))
        polynomials.append(new)
    return polynomials
