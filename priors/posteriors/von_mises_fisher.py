"""Von Mises–Fisher and power spherical posteriors on products of spheres."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.spheres import inversion, bessel
from priorbench.priors.spheres.inversion import Polar
from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.geometry import make_constant, log_surface_area
from priorbench.priors.spheres.zonal_families import Exponential, Power
from priorbench.priors.posteriors.spherical import Spherical

EXPONENTIAL, POWER = Exponential(), Power()

SMALL = 1e-300
GRADIENTS = ("implicit", "pathwise")


class VonMisesFisher(Spherical):
    r"""Von Mises–Fisher on each sphere, :math:`q(z) \propto e^{\kappa\,\mu\cdot z}`.

    .. math:: \log q(z) = -\log |S^{m-1}| - A_m(\kappa) + \kappa\,\mu \cdot z

    κ is the softplus of its raw parameter: it reaches 0, the uniform distribution, where the KL
    vanishes. (The published code adds 1, which costs 0.21 nats on every circle, 8.4 on 40.)
    Draws are by inversion, on the sphere for every direction. (The published sampler's envelope
    is wrong for κ >= 11 and many coordinates: with m = 100 and κ = 11 its mean of μ·z is -0.38
    where 0.11 is right.)

    References: Davidson et al. 2018 (the posterior); Davidson et al. 2019, Eq. 1 (the product).

    Args:
        params: directions side by side and one raw concentration per sphere.
        dims: dimension of each sphere.
        gradient: "implicit", unbiased, or "pathwise" for the published one, which leaves out
            how the acceptance of a proposal depends on κ (Davidson et al. 2018, appendix D);
            on a circle it makes the gradient of E[μ·z] up to two times too small.

    Example:
        >>> q = VonMisesFisher.of(torch.tensor([0.0, 0.0, 1.0]), concentration=2.0)
        >>> q.log_prob(torch.tensor([0.0, 0.0, 1.0])), q.kl_uniform()
        (tensor(-1.1262), tensor(0.4794))
    """

    def __init__(
        self, params: Tensor, gradient: str = "implicit", **settings: Any
    ) -> None:
        if gradient not in GRADIENTS:
            raise ValueError(f"'gradient' must be one of {GRADIENTS}; got {gradient!r}")
        super().__init__(params, gradient=gradient, **settings)

    def log_density(self, chord: Tensor, concentration: Tensor, m: int) -> Tensor:
        """Log density at squared distance ``chord`` from the direction, in nats."""
        peak = (
            concentration
            - bessel.log_normaliser(concentration, m)
            - log_surface_area(m)
        )
        return peak - 0.5 * concentration * chord

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """KL to the uniform distribution, κ r - A, in nats."""
        return bessel.kl_uniform(concentration, m)

    def polar(self, normal: Tensor, concentration: Tensor, m: int) -> Polar:
        """Angle to the direction, falling in a standard normal variate, and how a draw follows."""
        drawn = inversion.draw_angle(EXPONENTIAL, normal, concentration, m)
        if self.settings["gradient"] == "implicit":
            return drawn
        # a proposal of the published sampler moves by dw/dκ = (1 - w^2) / sqrt(4κ^2 + (m-1)^2),
        # and turns with the direction
        kappa, theta = concentration.detach(), drawn.angle.detach()
        cosine, sine = torch.cos(theta), torch.sin(theta)
        slope = -sine / torch.sqrt(4 * kappa.square() + (m - 1) ** 2)
        return Polar(attach_slope(theta, concentration, slope), cosine, -sine)

    def harmonics(self, degree: int) -> Tensor:
        r"""I_{m/2-1+l}(κ) / I_{m/2-1}(κ) for l = 0 ... degree, (..., degree + 1)."""
        kappa, m = self.concentration[..., 0], self.layout.dims[0] + 1
        if degree == 0:
            return torch.ones_like(kappa)[..., None]
        steps = bessel.bessel_ratios(kappa, m, degree)
        return torch.cat([torch.ones_like(kappa)[..., None], steps.cumprod(-1)], dim=-1)

    def log_prob_coordinate(
        self, y: Tensor, along: Tensor, concentration: Tensor, m: int
    ) -> Tensor:
        r"""Log density of one coordinate, in nats; c is the direction's value there.

        .. math:: \log q(y) = \log\frac{|S^{m-2}|}{|S^{m-1}|} - A_m(\kappa) + \kappa c y
            + \tfrac{m-3}{2} \log(1-y^2) + A_{m-1}(\kappa\sqrt{(1-c^2)(1-y^2)})
        """
        inside, across = (1 - v.square().clamp(max=1 - 1e-15) for v in (y, along))
        own = bessel.log_normaliser(concentration * torch.sqrt(inside * across), m - 1)
        return (
            log_surface_area(m - 1)
            - log_surface_area(m)
            + 0.5 * (m - 3) * torch.log(inside)
            + own
            - bessel.log_normaliser(concentration, m)
            + concentration * along * y
        )


class PowerSpherical(Spherical):
    r"""Power spherical on each sphere, :math:`q(z) \propto (1 + \mu\cdot z)^\kappa`.

    .. math:: \log q(z) = -\log|S^{m-1}| + \kappa \log\frac{1 + \mu\cdot z}{2}
        - \log\frac{B(b + \kappa, b)}{B(b, b)}, \qquad b = \tfrac{m-1}2

    κ is the softplus of its raw parameter. References: De Cao and Aziz 2020.

    Args:
        params: directions side by side and one raw concentration per sphere.
        dims: dimension of each sphere.
    """

    def log_density(self, chord: Tensor, concentration: Tensor, m: int) -> Tensor:
        """Log density at squared distance ``chord`` from the direction, in nats."""
        near = torch.log((1 - 0.25 * chord).clamp(min=SMALL))
        return concentration * near - _log_mass(concentration, m) - log_surface_area(m)

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        r"""KL to the uniform distribution in nats, :math:`\int_0^\kappa s\,v(s)\,ds`.

        v is the variance of log (1 + μ·z). Small κ by that integral, which loses no digits.
        """
        kappa, b = concentration.detach(), 0.5 * (m - 1)
        mean = torch.digamma(kappa + b) - torch.digamma(kappa + 2 * b)
        large = kappa * mean - _log_mass(kappa, m)
        nodes, weights = _legendre_nodes(kappa.device)
        s = kappa.clamp(max=1)[..., None] * nodes
        small = kappa.clamp(max=1) * (s * _log_variance(s, b) * weights).sum(-1)
        value = torch.where(kappa < 1, small, large)
        return attach_slope(value, concentration, kappa * _log_variance(kappa, b))

    def polar(self, normal: Tensor, concentration: Tensor, m: int) -> Polar:
        """Angle to the direction, falling in a standard normal variate, and how a draw follows."""
        return inversion.draw_angle(POWER, normal, concentration, m)

    def harmonics(self, degree: int) -> Tensor:
        r""":math:`\prod_{i<l} (\kappa - i) / (\kappa + m - 1 + i)` for l = 0 ... degree."""
        kappa, m = self.concentration[..., 0], self.layout.dims[0] + 1
        i = torch.arange(degree, dtype=kappa.dtype, device=kappa.device)
        steps = (kappa[..., None] - i) / (kappa[..., None] + m - 1 + i)
        return torch.cat([torch.ones_like(kappa)[..., None], steps.cumprod(-1)], dim=-1)


def _log_mass(kappa: Tensor, m: int) -> Tensor:
    """Log of E[((1 + w) / 2)^κ] over the uniform distribution."""
    b = 0.5 * (m - 1)
    return (
        torch.lgamma(kappa + b)
        - math.lgamma(b)
        - torch.lgamma(kappa + 2 * b)
        + math.lgamma(2 * b)
    )


def _log_variance(kappa: Tensor, b: float) -> Tensor:
    """Variance of log (1 + w), a difference of trigamma functions.

    These are Hurwitz's zeta at 2; torch.polygamma has nine digits only.
    """
    two = torch.full_like(kappa, 2.0)
    return torch.special.zeta(two, kappa + b) - torch.special.zeta(two, kappa + 2 * b)


@lru_cache
def _legendre_nodes(device: torch.device) -> tuple[Tensor, Tensor]:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    return make_constant(0.5 + 0.5 * nodes, device), make_constant(
        0.5 * weights, device
    )
