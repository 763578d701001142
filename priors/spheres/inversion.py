r"""Exact angles from one normal variate each: the quantile function of zonal laws on spheres.

A law on the sphere in m coordinates whose density is :math:`e^{\kappa e(\theta)}` at the angle
:math:`\theta` to its direction has the angle's density

.. math:: f(\theta) = e^{l(\theta)} / Z, \quad l(\theta) = \kappa e(\theta) + (m-2)\log\sin\theta

An angle is drawn by inversion: :math:`F(\theta) = \Phi(-n)` for a standard normal n. A table gives
a first guess; one step of Halley's method on the logarithm of the shorter tail makes it exact. No
proposal is ever rejected: cost does not depend on the draw, and the angle is a smooth function of
n and of κ, with the implicit gradient

.. math:: \frac{d\theta}{d\kappa} = -\frac{\partial F / \partial\kappa}{f}
    = -\int_0^\theta (e(t) - E[e])\, e^{l(t) - l(\theta)} dt

When the direction :math:`\mu` turns by :math:`\delta`, a draw z follows by

.. math:: dz = a\,P_z\delta + b(\theta)\,(\delta\cdot z)\, e_\mu

with :math:`P_z` the projection onto the tangent space at z and :math:`e_\mu` the unit tangent
towards the direction. Any a and b that carry the density along,
:math:`\mathrm{div}(q\,dz) = -dq`, give unbiased gradients; here a does not depend on z:

.. math:: a = \frac{E'[\psi]}{m - 1 + E'[\psi \cos t]}, \quad
    b(\theta) = \int_\theta^\pi \big((m-1) a - \psi(t) (1 - a\cos t)\big)
        e^{l'(t) - l'(\theta)} dt

:math:`\psi = -\kappa e'(t) / \sin t`, and :math:`E', l'` are those of m + 1 coordinates. Turning
all draws with the direction (a = cos θ, b = -sin θ) is unbiased too, but moves them by as much
where κ is small and they hardly depend on the direction: its noise then hides what the direction
does, and a posterior that is close to uniform stays there.

The laws are in :mod:`priorbench.priors.spheres.zonal_families`. References: Figurnov et al. 2018 (implicit reparameterisation
gradients).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.geometry import make_constant
from priorbench.priors.spheres.zonal_families import Law

NODES, FEW = 32, 24
"""Nodes of the Gauss-Legendre rule for a tail; the few do for a smooth one of few coordinates."""

REACH = 40.0
"""A tail is cut where the density has fallen by e^-40 at least."""

NORMAL = 7.0
"""Normal variates are cut off here; beyond lies a probability of 3e-12."""

CONCENTRATION = 1e7
"""The table covers concentrations up to this multiple of m - 1; then the angle's fall is exact."""

SIZE = (225, 513)
"""Points of the table in the normal variate and in the concentration."""


class Polar(NamedTuple):
    """A draw's angle, and how the draw follows when the direction turns."""

    angle: Tensor
    across: Tensor
    towards: Tensor


def draw_angle(law: Law, normal: Tensor, concentration: Tensor, m: int) -> Polar:
    """Angle to the direction, in 0 ... pi, for each normal variate: exact, falling in it.

    Args:
        law: the family.
        normal: standard normal variates, any shape.
        concentration: κ >= 0, of the same shape; the angle's gradient in it is the implicit one.
        m: number of coordinates of the sphere, >= 2.

    Returns:
        The angle and the coefficients a and b of the draw's motion, float64.
    """
    kappa, n = (
        concentration.detach().double(),
        normal.detach().double().clamp(-NORMAL, NORMAL),
    )
    guess = _look_up_angle(_table_on_device(law, m, n.device), n, kappa, m)
    theta, slope, across, towards = _halley_step(law, guess, n, kappa, m)
    return Polar(attach_slope(theta, concentration, slope), across, towards)


def _halley_step(
    law: Law, theta: Tensor, n: Tensor, kappa: Tensor, m: int
) -> tuple[Tensor, ...]:
    """One Halley step towards the angle at level n; its derivative in κ there, and a and b."""
    log_z, mean = law.moments(kappa, m)
    across, *line = law.turn(kappa, m)
    side = torch.where(n >= 0, 1.0, -1.0)  # the tail below the angle, or above
    mass, moment, towards = _integrate_tail(law, theta, kappa, mean, line, side, m)
    exponent, fall = law.exponent(theta)
    log_density = kappa * exponent + (m - 2) * torch.log(torch.sin(theta)) - log_z
    pull = kappa * fall + (m - 2) / torch.tan(theta)
    error = (
        mass.log() + log_density - torch.log(0.5 * torch.erfc(n.abs() / math.sqrt(2)))
    )
    step = -2 * side * error * mass / (2 + error * (1 - side * pull * mass))
    slope = -side * moment
    # both derivatives are carried along with the angle
    slope = slope - step * (exponent - mean + pull * slope)
    towards = -side * towards
    bend = line[0] * exponent + line[1] + towards * (pull + 1 / torch.tan(theta))
    theta = torch.clamp(theta + step, 0.5 * theta, 0.5 * (theta + math.pi))
    return theta, slope, across, law.towards(theta, across, towards - step * bend)


def _integrate_tail(
    law: Law,
    theta: Tensor,
    kappa: Tensor,
    mean: Tensor,
    line: Sequence[Tensor],
    side: Tensor,
    m: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The tail's integral of e^(l(t) - l(theta)), of (e(t) - E[e]) times it, and that of b."""
    power = 3 if law.singular and m <= 4 else 1  # more coordinates make the end smooth
    count = FEW if m <= 20 and not law.singular else NODES
    nodes, weights = _power_nodes(count, power, theta.device)
    x = torch.sin(0.5 * theta).square()
    # the sine's power rises while the exponent falls
    reach = REACH + math.sqrt(REACH * (m - 1))
    cut = (x + reach / (law.slope * kappa).clamp(min=1e-300)).clamp(max=1)
    length = torch.where(side > 0, theta, 2 * torch.asin(cut.sqrt()) - theta)
    offset = (-side * length)[..., None] * nodes
    fall = law.fall(theta[..., None], offset)
    sines = torch.sin(theta[..., None] + offset) / torch.sin(theta)[..., None]
    log_ratio = kappa[..., None] * fall
    if m > 2:
        log_ratio = log_ratio + (m - 2) * sines.log()
    ratio = torch.exp(log_ratio) * weights
    exponent = law.exponent(theta)[0]
    mass, falls = ratio.sum(-1), (ratio * fall).sum(-1)
    slope, level = (value[..., None] for value in line)
    lever = slope * (exponent[..., None] + fall) + level
    towards = (ratio * sines * lever).sum(-1)
    return mass * length, (falls + (exponent - mean) * mass) * length, towards * length


def _look_up_angle(table: Tensor, n: Tensor, kappa: Tensor, m: int) -> Tensor:
    """The table's angle, by cubic interpolation in both directions."""
    rows, columns = table.shape
    spread = math.log1p(CONCENTRATION)
    at_row = (n + NORMAL) * ((rows - 1) / (2 * NORMAL))
    at_column = torch.log1p(kappa / (m - 1)).clamp(max=spread) * (
        (columns - 1) / spread
    )
    row, row_weights = _lagrange_taps(at_row, rows)
    column, column_weights = _lagrange_taps(at_column, columns)
    index = (row[..., None] + torch.arange(4, device=n.device))[..., None] * columns
    index = index + (column[..., None] + torch.arange(4, device=n.device))[..., None, :]
    values = table.flatten()[index]
    log_tangent = ((values * column_weights[..., None, :]).sum(-1) * row_weights).sum(
        -1
    )
    return 2 * torch.atan(torch.exp(log_tangent - 0.5 * torch.log1p(kappa / (m - 1))))


def _lagrange_taps(at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first of four neighbours, (...), and Lagrange's weights of the four, (..., 4)."""
    first = (at.floor().long() - 1).clamp(0, size - 4)
    u = at - first
    a, b, c, d = u, u - 1, u - 2, u - 3
    return first, torch.stack(
        [-b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6], -1
    )


@lru_cache
def _power_nodes(count: int, power: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes and weights on 0 ... 1, Gauss-Legendre's in the power-th root from the far end."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    root = 0.5 + 0.5 * nodes
    return (
        make_constant(1 - root**power, device),
        make_constant(0.5 * weights * power * root ** (power - 1), device),
    )


@lru_cache
def _table_on_device(law: Law, m: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return _make_table(law, m).to(device)


@lru_cache
def _make_table(law: Law, m: int) -> Tensor:
    """Log of tan(theta / 2), its fall with κ taken out, by normal variate and concentration."""
    rows, columns = SIZE
    ns = torch.linspace(-NORMAL, NORMAL, rows, dtype=torch.float64)
    kappa = (m - 1) * torch.expm1(
        torch.linspace(0, math.log1p(CONCENTRATION), columns, dtype=torch.float64)
    )
    middle = rows // 2
    found = {middle: _find_median(law, kappa, m)}
    for way in (1, -1):
        for row in range(middle + way, rows if way > 0 else -1, way):
            known = [found[row - way * k] for k in (1, 2, 3) if row - way * k in found]
            guess = known[0] if len(known) < 3 else 3 * (known[0] - known[1]) + known[2]
            theta = 2 * torch.atan(torch.exp(guess))
            for _ in range(2 if len(known) == 3 else 6):
                theta = _halley_step(law, theta, ns[row].expand_as(kappa), kappa, m)[0]
            found[row] = torch.tan(0.5 * theta).log()
    log_tangents = torch.stack([found[row] for row in range(rows)])
    return log_tangents + 0.5 * torch.log1p(kappa / (m - 1))


def _find_median(law: Law, kappa: Tensor, m: int) -> Tensor:
    """Log of tan(theta / 2) at the median for each concentration, by bisection, then Halley."""
    low, high = torch.full_like(kappa, -30.0), torch.full_like(kappa, 30.0)
    zero, (log_z, mean) = torch.zeros_like(kappa), law.moments(kappa, m)
    for _ in range(40):
        y = 0.5 * (low + high)
        theta = 2 * torch.atan(torch.exp(y))
        mass = _integrate_tail(law, theta, kappa, mean, (zero, zero), zero + 1, m)[0]
        log_f = (
            kappa * law.exponent(theta)[0]
            + (m - 2) * torch.log(torch.sin(theta))
            - log_z
        )
        below = mass.log() + log_f < math.log(0.5)
        low, high = torch.where(below, y, low), torch.where(below, high, y)
    theta = _halley_step(
        law, 2 * torch.atan(torch.exp(0.5 * (low + high))), zero, kappa, m
    )[0]
    return torch.tan(0.5 * theta).log()
