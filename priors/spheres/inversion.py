r"""Exact angles from one normal variate each: the quantile function of zonal densities.

A density on the sphere in m coordinates that is proportional to
:math:`e^{\kappa e(\theta)}` at the angle :math:`\theta` to its direction gives the
angle the density

.. math::
    f(\theta) = e^{l(\theta)} / Z, \qquad
    l(\theta) = \kappa e(\theta) + (m-2)\log\sin\theta

An angle is drawn by inversion: :math:`F(\theta) = \Phi(-n)` for a standard normal n. A
table gives a first guess; one step of Halley's method on the logarithm of the shorter
tail makes it exact. No proposal is ever rejected: cost does not depend on the draw, and
the angle is a smooth function of n and of κ, with the implicit gradient

.. math:: \frac{d\theta}{d\kappa} = -\frac{\partial F / \partial\kappa}{f}
    = -\int_0^\theta (e(t) - E[e])\, e^{l(t) - l(\theta)} dt

When the direction :math:`\mu` turns by :math:`\delta`, a draw z follows by

.. math:: dz = a\,P_z\delta + b(\theta)\,(\delta\cdot z)\, e_\mu

with :math:`P_z` the projection onto the tangent space at z and :math:`e_\mu` the unit
tangent towards the direction. Any a and b that carry the density along,
:math:`\mathrm{div}(q\,dz) = -dq`, give unbiased gradients; here a does not depend on z:

.. math:: a = \frac{E_+[\psi]}{m - 1 + E_+[\psi \cos t]}, \quad
    b(\theta) = \int_\theta^\pi h(t)\, e^{l_+(t) - l_+(\theta)} dt, \quad
    h(t) = (m-1) a - \psi(t) (1 - a\cos t)

:math:`\psi = -\kappa e'(t) / \sin t`, and :math:`E_+, l_+` are those of m + 1
coordinates. Turning all draws with the direction (a = cos θ, b = -sin θ) is unbiased
too, but moves them by as much where κ is small and they hardly depend on the direction:
its noise then hides what the direction does, and a posterior that is close to uniform
stays there.

A tail of the angle's density is below θ or above it; its integrals are

.. math:: I_0 = \int e^{l(t) - l(\theta)} dt, \quad
    I_e = \int (e(t) - E[e])\, e^{l(t) - l(\theta)} dt, \quad
    I_b = \int h(t)\, e^{l_+(t) - l_+(\theta)} dt

In the code: ``theta`` θ, ``kappa`` κ, ``n``, ``m``, ``a``, ``b`` and ``h`` as here,
``e`` and ``e_mean`` e(θ) and E[e], ``delta`` t - θ, ``i_0``, ``i_e`` and ``i_b`` the
tail's integrals; ``e_prime``, ``l_prime`` and ``b_prime`` are derivatives in θ. The
families of densities are in :mod:`priorbench.priors.spheres.zonal_families`.

References: Figurnov et al. 2018 (implicit reparameterisation gradients).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from priorbench.compiled import keep_constant
from priorbench.priors.numerics.columns import make_constant
from priorbench.priors.numerics.quadrature import lagrange_weights, legendre_nodes
from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.zonal_families import ZonalFamily

NODES, FEW = 32, 24
"""Nodes for a tail; the few do for a smooth one of few coordinates."""

REACH = 40.0
"""A tail is cut where the density has fallen by e^-40 at least."""

NORMAL = 7.0
"""Normal variates are cut off here; beyond lies a probability of 3e-12."""

CONCENTRATION = 1e7
"""The table covers concentrations up to this multiple of m - 1.

Beyond, the angle is inversely proportional to the root of the concentration.
"""

SIZE = (225, 513)
"""Points of the table in the normal variate and in the concentration."""

TAPS = 4
"""Points that the table is interpolated between, in each direction."""


class Polar(NamedTuple):
    """A draw's angle, and how the draw follows when the direction turns.

    Attributes:
        angle: to the direction, 0 ... π.
        across: the coefficient a of the draw's motion.
        towards: the coefficient b.
    """

    angle: Tensor
    across: Tensor
    towards: Tensor


def draw_angle(
    family: ZonalFamily,
    normal: Tensor,
    concentration: Tensor,
    m: int,
) -> Polar:
    """Return the angle to the direction for each normal variate.

    It is exact, and decreases in the variate.

    Args:
        family: the family of the density.
        normal: standard normal variates n, any shape.
        concentration: κ >= 0, of the same shape; the angle's gradient in it is the
            implicit one.
        m: number of coordinates of the sphere, >= 2.

    Returns:
        The angle, 0 ... π, and the coefficients of the draw's motion, float64.
    """
    kappa = concentration.detach().double()
    n = normal.detach().double().clamp(-NORMAL, NORMAL)
    table = _make_table(type(family), m, n.device)
    guess = _look_up_angle(table, n, kappa, m)
    theta, dtheta_dkappa, a, b = _halley_step(family, guess, n, kappa, m)
    return Polar(attach_slope(theta, concentration, dtheta_dkappa), a, b)


def _halley_step(
    family: ZonalFamily,
    theta: Tensor,
    n: Tensor,
    kappa: Tensor,
    m: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Take one step of Halley's method towards the angle of n.

    Returns:
        The angle, and dθ/dκ, a and b there.
    """
    log_z, e_mean = family.moments(kappa, m)
    a, c_1, c_0 = family.motion(kappa, m)
    side = torch.where(n >= 0, 1.0, -1.0)  # the tail below the angle, or above
    i_0, i_e, i_b = _integrate_tail(family, theta, kappa, e_mean, (c_1, c_0), side, m)
    e, e_prime = family.exponent(theta)
    l_prime = kappa * e_prime + (m - 2) / torch.tan(theta)
    log_tail = i_0.log() + _log_density(e, theta, kappa, log_z, m)
    wanted = 0.5 * torch.erfc(n.abs() / math.sqrt(2))
    error = log_tail - torch.log(wanted)
    bend = 1 - side * l_prime * i_0
    step = -2 * side * error * i_0 / (2 + error * bend)
    # dθ/dκ and b are carried along with the angle
    dtheta_dkappa = -side * i_e
    dtheta_dkappa = dtheta_dkappa - step * (e - e_mean + l_prime * dtheta_dkappa)
    b = -side * i_b
    h = c_1 * e + c_0
    b_prime = -h - b * (l_prime + 1 / torch.tan(theta))
    b = b + step * b_prime
    low, high = 0.5 * theta, 0.5 * (theta + math.pi)
    theta = torch.clamp(theta + step, low, high)
    return theta, dtheta_dkappa, a, family.finish_b(theta, a, b)


def _log_density(
    e: Tensor,
    theta: Tensor,
    kappa: Tensor,
    log_z: Tensor,
    m: int,
) -> Tensor:
    """Return log f(θ)."""
    log_sine = torch.log(torch.sin(theta))
    return kappa * e + (m - 2) * log_sine - log_z


def _integrate_tail(
    family: ZonalFamily,
    theta: Tensor,
    kappa: Tensor,
    e_mean: Tensor,
    coefficients: tuple[Tensor, Tensor],
    side: Tensor,
    m: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the integrals I_0, I_e and I_b of a tail.

    Args:
        family: the family of the density.
        theta: where the tail begins.
        kappa: the concentration.
        e_mean: E[e].
        coefficients: c_1 and c_0 of h.
        side: 1 for the tail below θ, -1 for that above.
        m: number of coordinates of the sphere.
    """
    power = 3 if family.singular and m <= 4 else 1  # more coordinates smooth the end
    count = FEW if m <= 20 and not family.singular else NODES
    nodes, weights = _power_nodes(count, power, theta.device)
    # the sine's power rises while the exponent falls
    reach = REACH + math.sqrt(REACH * (m - 1))
    s = torch.sin(0.5 * theta).square()  # the exponent falls with it
    cut = s + reach / (family.decay * kappa).clamp(min=1e-300)
    upper = 2 * torch.asin(cut.clamp(max=1).sqrt())
    length = torch.where(side > 0, theta, upper - theta)
    delta = (-side * length)[..., None] * nodes
    theta, kappa = theta[..., None], kappa[..., None]
    e = family.exponent(theta)[0]
    e_change = family.exponent_change(theta, delta)
    sines = torch.sin(theta + delta) / torch.sin(theta)
    l_change = kappa * e_change
    if m > 2:
        l_change = l_change + (m - 2) * sines.log()
    ratio = torch.exp(l_change) * weights
    c_1, c_0 = (c[..., None] for c in coefficients)
    h = c_1 * (e + e_change) + c_0
    i_0 = ratio.sum(-1)
    excess = e[..., 0] - e_mean
    i_e = (ratio * e_change).sum(-1) + excess * i_0
    i_b = (ratio * sines * h).sum(-1)
    return i_0 * length, i_e * length, i_b * length


@keep_constant
@lru_cache
def _power_nodes(
    count: int,
    power: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return nodes and weights on 0 ... 1, in the power-th root from the far end."""
    root, weights = legendre_nodes(count)
    nodes = 1 - root**power
    weights = weights * power * root ** (power - 1)
    return make_constant(nodes, device), make_constant(weights, device)


def _look_up_angle(
    table: Tensor,
    n: Tensor,
    kappa: Tensor,
    m: int,
) -> Tensor:
    """Return the table's angle, by cubic interpolation in both directions."""
    rows, columns = table.shape
    log_scale = torch.log1p(kappa / (m - 1))
    spread = math.log1p(CONCENTRATION)
    row, row_weights = _interpolation_weights(
        (n + NORMAL) * ((rows - 1) / (2 * NORMAL)), rows
    )
    column, column_weights = _interpolation_weights(
        log_scale.clamp(max=spread) * ((columns - 1) / spread), columns
    )
    taps = torch.arange(TAPS, device=n.device)
    index = (row[..., None] + taps)[..., None] * columns
    index = index + (column[..., None] + taps)[..., None, :]
    values = table.flatten()[index]
    along = (values * column_weights[..., None, :]).sum(-1)
    log_tangent = (along * row_weights).sum(-1)
    return 2 * torch.atan(torch.exp(log_tangent - 0.5 * log_scale))


def _interpolation_weights(
    position: Tensor,
    size: int,
) -> tuple[Tensor, Tensor]:
    """Return the first of the points about a position, and the weights, (..., TAPS)."""
    below = position.floor().long()
    first = (below - 1).clamp(0, size - TAPS)
    weights = lagrange_weights(position - first, range(TAPS))
    return first, torch.stack(weights, -1)


@keep_constant
@lru_cache
@torch.inference_mode(False)
def _make_table(
    family_type: type[ZonalFamily],
    m: int,
    device: torch.device | str,
) -> Tensor:
    """Tabulate log tan(θ / 2) by normal variate and concentration.

    Its decrease with the root of κ is taken out. Each row is found from its neighbours,
    beginning with the median. The family is given by its class, for PyTorch 2.11 cannot
    compile a call with an object of it.
    """
    host = torch.device("cpu")  # as the CPU's own calls name it: made once for both
    if torch.device(device) != host:
        return make_constant(_make_table(family_type, m, host), device)
    family = family_type()
    rows, columns = SIZE
    ns = torch.linspace(-NORMAL, NORMAL, rows, dtype=torch.float64)
    spread = math.log1p(CONCENTRATION)
    log_scale = torch.linspace(0, spread, columns, dtype=torch.float64)
    kappa = (m - 1) * torch.expm1(log_scale)
    middle = rows // 2
    found = {middle: _find_median(family, kappa, m)}
    for sign in (1, -1):
        for row in range(middle + sign, rows if sign > 0 else -1, sign):
            near = [row - sign * k for k in (1, 2, 3)]
            known = [found[other] for other in near if other in found]
            extrapolated = len(known) == 3
            guess = known[0]
            if extrapolated:
                guess = 3 * (known[0] - known[1]) + known[2]
            theta = 2 * torch.atan(torch.exp(guess))
            n = ns[row].expand_as(kappa)
            for _ in range(2 if extrapolated else 6):
                theta = _halley_step(family, theta, n, kappa, m)[0]
            found[row] = torch.tan(0.5 * theta).log()
    log_tangents = torch.stack([found[row] for row in range(rows)])
    return log_tangents + 0.5 * torch.log1p(kappa / (m - 1))


def _find_median(
    family: ZonalFamily,
    kappa: Tensor,
    m: int,
) -> Tensor:
    """Return log tan(θ / 2) at the medians, by bisection and a step of Halley's.

    The tail that is integrated is the one in which the density falls from θ on: in the
    other one its peak may lie between two nodes.
    """
    zero = torch.zeros_like(kappa)
    log_z, e_mean = family.moments(kappa, m)
    low = torch.full_like(kappa, -30.0)
    high = torch.full_like(kappa, 30.0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        theta = 2 * torch.atan(torch.exp(middle))
        e, e_prime = family.exponent(theta)
        rises = kappa * e_prime + (m - 2) / torch.tan(theta) >= 0
        side = torch.where(rises, 1.0, -1.0)
        i_0, _, _ = _integrate_tail(family, theta, kappa, e_mean, (zero, zero), side, m)
        log_tail = i_0.log() + _log_density(e, theta, kappa, log_z, m)
        below = (log_tail < math.log(0.5)) == rises
        low = torch.where(below, middle, low)
        high = torch.where(below, high, middle)
    theta = 2 * torch.atan(torch.exp(0.5 * (low + high)))
    theta = _halley_step(family, theta, zero, kappa, m)[0]
    return torch.tan(0.5 * theta).log()
