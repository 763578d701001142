"""Power spherical posteriors on products of spheres."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from priorbench.compiled import keep_constant
from priorbench.priors.numerics.columns import make_constant
from priorbench.priors.numerics.quadrature import legendre_nodes
from priorbench.priors.posteriors.spherical import SphericalFamily
from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.geometry import log_surface_area
from priorbench.priors.spheres.inversion import Polar, draw_angle
from priorbench.priors.spheres.zonal_families import Power

POWER = Power()

SMALL = 1e-300
"""The density's base is cut off here, where it is zero opposite to the direction."""

NODES = 16
"""Nodes of the integral for the KL at small concentrations."""


@dataclass(frozen=True)
class PowerSpherical(SphericalFamily):
    r"""Power spherical on each sphere, :math:`q(z) \propto (1 + \mu\cdot z)^\kappa`.

    .. math:: \log q(z) = -\log|S^{m-1}| + \kappa \log\frac{1 + \mu\cdot z}{2}
        - \log\frac{B(b + \kappa, b)}{B(b, b)}, \qquad b = \tfrac{m-1}2

    with the direction μ, the concentration κ and m coordinates. κ is the softplus of
    its raw parameter.

    References: De Cao and Aziz 2020.

    Args:
        dims: dimension of each sphere.

    Raises:
        ValueError: a dimension is not a positive integer.

    Example:
        >>> axis = torch.tensor([0.0, 0.0, 1.0])
        >>> q = PowerSpherical(dims=(2,)).at(axis, concentration=2.0)
        >>> q.log_prob(axis), q.kl_uniform()
        (tensor(-1.4324), tensor(0.4319))
    """

    def log_density(
        self,
        chord: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the log density at squared distance ``chord`` from μ in nats."""
        base = 1 - 0.25 * chord
        log_base = torch.log(base.clamp(min=SMALL))
        log_mass = _log_mass(concentration, m)
        return concentration * log_base - log_mass - log_surface_area(m)

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        r"""Return the KL to the uniform distribution in nats.

        .. math:: KL = \int_0^\kappa s\,v(s)\,ds

        v(s) is the variance of log (1 + μ·z) at the concentration s. Small κ go by that
        integral, which loses no digits, others by the closed form.
        """
        kappa = concentration.detach()
        b = 0.5 * (m - 1)
        mean = torch.digamma(kappa + b) - torch.digamma(kappa + 2 * b)
        large = kappa * mean - _log_mass(kappa, m)
        nodes, weights = _nodes_on(kappa.device)
        upper = kappa.clamp(max=1)
        s = upper[..., None] * nodes
        integrand = s * _log_variance(s, b)
        small = upper * (integrand * weights).sum(-1)
        kl = torch.where(kappa < 1, small, large)
        slope = kappa * _log_variance(kappa, b)
        return attach_slope(kl, concentration, slope)

    def polar(
        self,
        normal: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Polar:
        """Return the angle to the direction, and how a draw follows the direction."""
        return draw_angle(POWER, normal, concentration, m)

    def harmonics(
        self,
        concentration: Tensor,
        degree: int,
        m: int,
    ) -> Tensor:
        r"""Return :math:`\prod_{i<l} (\kappa - i) / (\kappa + m - 1 + i)`, l = 0 ..."""
        kappa = concentration[..., None]
        i = torch.arange(degree, dtype=kappa.dtype, device=kappa.device)
        ratios = (kappa - i) / (kappa + m - 1 + i)
        one = torch.ones_like(kappa)
        return torch.cat([one, ratios.cumprod(-1)], dim=-1)


def _log_mass(kappa: Tensor, m: int) -> Tensor:
    """Return the log of E[((1 + w) / 2)^κ] over the uniform distribution, w = μ·z."""
    b = 0.5 * (m - 1)
    log_ratio = torch.lgamma(kappa + b) - math.lgamma(b)
    return log_ratio - torch.lgamma(kappa + 2 * b) + math.lgamma(2 * b)


def _log_variance(kappa: Tensor, b: float) -> Tensor:
    """Return the variance of log (1 + w), a difference of trigamma functions.

    These are Hurwitz's zeta at 2; torch.polygamma has nine digits only.
    """
    two = torch.full_like(kappa, 2.0)
    first = torch.special.zeta(two, kappa + b)
    second = torch.special.zeta(two, kappa + 2 * b)
    return first - second


@keep_constant
@lru_cache
def _nodes_on(device: torch.device) -> tuple[Tensor, Tensor]:
    nodes, weights = legendre_nodes(NODES)
    return make_constant(nodes, device), make_constant(weights, device)
