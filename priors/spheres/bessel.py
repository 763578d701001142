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

all terms of which are positive. The gap :math:`1 - r` of the mean resultant length
:math:`r = \kappa\rho` is carried along by itself, because the derivatives at large κ
depend on its digits.

In the code: ``kappa`` κ, ``nu`` ν, ``a`` A, ``rho`` ρ, ``gap`` 1 - r.

References: Olver 1954 and DLMF 10.41.3 (the expansion), 10.29.1 (the recurrence).
"""

import math
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

TERMS = 10
"""Number of terms of Debye's expansion."""

ORDER = 15.0
"""Orders from here on are by Debye's expansion directly."""

Coefficients = tuple[float, ...]
"""Of a polynomial, the highest first."""


def attach_slope(
    value: Tensor,
    x: Tensor,
    slope: Tensor,
) -> Tensor:
    """Return ``value`` with the derivative ``slope`` in x, in place of autograd's.

    Args:
        value: computed from ``x.detach()``.
        x: where gradients flow to.
        slope: the derivative, known in closed form.
    """
    return value + slope * (x - x.detach())


def log_normaliser(
    concentration: Tensor,
    m: int,
) -> Tensor:
    """Return the log of E exp(κ w) over the uniform distribution on the sphere, A_m(κ).

    Relative error 1e-12, for every κ >= 0 and m >= 2. Its derivative is the mean
    resultant length.

    Args:
        concentration: κ >= 0, any shape.
        m: number of coordinates of the sphere.

    Returns:
        Of the shape of ``concentration``, >= 0, float64.

    Example:
        >>> log_normaliser(torch.tensor(2.0, dtype=torch.float64), 3)  # log(sinh 2 / 2)
        tensor(0.5952, dtype=torch.float64)
    """
    kappa = concentration.detach().double()
    a, rho, _ = _recur_down(kappa, m)
    return attach_slope(a, concentration.double(), kappa * rho)


def mean_resultant_length(
    concentration: Tensor,
    m: int,
) -> Tensor:
    """Return r = E[z . μ] = I_{m/2}(κ) / I_{m/2-1}(κ), from 0 to 1; float64."""
    kappa = concentration.detach().double()
    _, rho, gap = _recur_down(kappa, m)
    slope = _resultant_slope(kappa, rho, gap, m)
    return attach_slope(kappa * rho, concentration.double(), slope)


def resultant_gap(
    concentration: Tensor,
    m: int,
) -> Tensor:
    """Return 1 - E[z . μ], to full precision at large κ; float64, no gradient."""
    return _recur_down(concentration.detach().double(), m)[2]


def log_normaliser_and_gap(
    concentration: Tensor,
    m: int,
) -> tuple[Tensor, Tensor]:
    """Return :func:`log_normaliser` and :func:`resultant_gap` at once; no gradients."""
    a, _, gap = _recur_down(concentration.detach().double(), m)
    return a, gap


def kl_uniform(
    concentration: Tensor,
    m: int,
) -> Tensor:
    r"""Return the KL of von Mises–Fisher to the uniform distribution, in nats; float64.

    It is :math:`\kappa r - A`, and its derivative :math:`\kappa r'(\kappa)`.
    """
    kappa = concentration.detach().double()
    a, rho, gap = _recur_down(kappa, m)
    kl = kappa.square() * rho - a
    slope = kappa * _resultant_slope(kappa, rho, gap, m)
    return attach_slope(kl, concentration.double(), slope)


def bessel_ratios(
    concentration: Tensor,
    m: int,
    count: int,
) -> Tensor:
    """Return successive ratios I_{m/2+l}(κ) / I_{m/2-1+l}(κ) for l = 0 ... count - 1.

    Args:
        concentration: κ >= 0, any shape.
        m: number of coordinates of the sphere.
        count: number of ratios, >= 1.

    Returns:
        (..., count), float64, no gradient.
    """
    kappa = concentration.detach().double()
    square = kappa.square()
    highest = 0.5 * m - 1 + count - 1
    _, rho, _ = _recur_down(kappa, m + 2 * (count - 1))
    falling = [rho]
    for step in range(1, count):
        nu = highest - step
        rho = 1 / (2 * (nu + 1) + square * rho)
        falling.append(rho)
    rising = torch.stack(falling[::-1], dim=-1)
    return kappa[..., None] * rising


def _resultant_slope(
    kappa: Tensor,
    rho: Tensor,
    gap: Tensor,
    m: int,
) -> Tensor:
    """Return the derivative of the mean resultant length, the variance of z . μ."""
    broad = 1 - (kappa * rho).square() - (m - 1) * rho
    spread = (m - 1) * (1 - gap) / kappa.clamp(min=1)
    narrow = 2 * gap - gap.square() - spread
    return torch.where(kappa > m, narrow, broad)


def _recur_down(
    kappa: Tensor,
    m: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return A_m(κ), ρ(κ) and the gap 1 - κ ρ(κ), each of the shape of ``kappa``."""
    nu = 0.5 * m - 1
    above = max(0, math.ceil(ORDER - nu))
    a, rho, gap = _debye_expansion(kappa, nu + above)
    square = kappa.square()
    for step in range(above - 1, -1, -1):
        twice = 2 * (nu + step + 1)
        a = a + torch.log1p(square * rho / twice)
        rho = 1 / (twice + square * rho)
        narrow = (twice - kappa * gap) * rho
        gap = torch.where(kappa > m, narrow, 1 - kappa * rho)
    return a, rho, gap


def _debye_expansion(
    kappa: Tensor,
    nu: float,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return A, ρ and the gap for a large order, by Debye's expansion.

    With :math:`x = \kappa/\nu`, :math:`w = \sqrt{1 + x^2}` and :math:`p = 1/w`,

    .. math:: I_\nu(\kappa) \propto \sqrt p\, e^{\nu\eta} S(p), \qquad
        S(p) = \sum_k U_k(p) / \nu^k

    Each term of A is relative to its value at κ = 0, where p is 1.
    """
    s_one, quotient, derivative = _debye_series(nu)
    x = kappa / nu
    w = torch.sqrt(1 + x.square())
    p = 1 / w
    excess = x.square() / (1 + w)  # w - 1
    # S(p) / S(1) - 1, because 1 - p is excess * p
    s_excess = -excess * p * _evaluate_polynomial(quotient, p) / s_one
    log_growth = nu * (excess - torch.log1p(0.5 * excess))
    log_root = 0.5 * torch.log1p(excess)
    a = log_growth - log_root + torch.log1p(s_excess)
    s_slope = _evaluate_polynomial(derivative, p) / (s_one * (1 + s_excess))
    lower = (0.5 * p.square() + s_slope * p**3) / nu
    rho = (1 / (1 + w) - lower) / nu
    rest = 1 / (w + x)  # w - x
    gap = (1 + rest) / (1 + w) + x * lower
    return a, rho, gap


def _evaluate_polynomial(
    coefficients: Coefficients,
    x: Tensor,
) -> Tensor:
    """Evaluate a polynomial."""
    value = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def _debye_series(nu: float) -> tuple[float, Coefficients, Coefficients]:
    return _expand_debye(nu)


# as priorbench.compiled.keep_constant does, which imports more
_debye_series._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache
def _expand_debye(nu: float) -> tuple[float, Coefficients, Coefficients]:
    """Return S(1) and the polynomials (S(p) - S(1)) / (p - 1) and S'(p)."""
    s = [Fraction(0)] * (3 * TERMS + 1)
    u = [Fraction(1)]  # U_k by power of p; DLMF 10.41.9
    for k in range(TERMS + 1):
        following = [Fraction(0)] * (len(u) + 3)
        for i, c in enumerate(u):
            s[i] += c / Fraction(nu) ** k
            raised = Fraction(i, 2) + Fraction(1, 8 * (i + 1))
            lowered = Fraction(i, 2) + Fraction(5, 8 * (i + 3))
            following[i + 1] += c * raised
            following[i + 3] -= c * lowered
        u = following
    quotient = []  # by synthetic division
    carried = Fraction(0)
    for coefficient in reversed(s):
        carried += coefficient
        quotient.append(carried)
    s_one = quotient.pop()  # the remainder
    derivative = [power * c for power, c in enumerate(s)]
    return (
        float(s_one),
        tuple(map(float, quotient)),
        tuple(map(float, derivative[:0:-1])),
    )
