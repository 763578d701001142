"""Zonal laws on spheres: what drawing an angle needs to know of each family."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from priorbench.priors.spheres import bessel


class Law(ABC):
    """A family of zonal laws."""

    slope: float
    """The exponent falls as this times the squared sine of half the angle, or faster."""

    singular: bool = False
    """The density is a fractional power of the distance from the far end."""

    @abstractmethod
    def fall(self, angle: Tensor, offset: Tensor) -> Tensor:
        """Exponent at ``angle + offset`` less that at ``angle``."""

    @abstractmethod
    def exponent(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Exponent e at an angle, 0 at the direction, and its derivative."""

    @abstractmethod
    def moments(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        """Log of Z and the mean of the exponent."""

    @abstractmethod
    def turn(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficient a, and slope and constant of b's integrand in the exponent."""

    def towards(self, angle: Tensor, across: Tensor, integral: Tensor) -> Tensor:
        """The coefficient b at an angle: its integral, or a closed form."""
        return integral


class Exponential(Law):
    r"""Von Mises–Fisher: :math:`e = \cos\theta - 1`."""

    slope = 2.0

    def fall(self, angle: Tensor, offset: Tensor) -> Tensor:
        """Exponent at ``angle + offset`` less that at ``angle``."""
        half = 0.5 * offset
        return -2 * torch.sin(half) * torch.sin(angle + half)

    def exponent(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Exponent e at an angle, 0 at the direction, and its derivative."""
        return -2 * torch.sin(0.5 * angle).square(), -torch.sin(angle)

    def moments(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        """Log of Z and the mean of the exponent."""
        a, gap = bessel.log_normaliser_and_gap(concentration, m)
        return a - concentration + _log_beta(0.5, 0.5 * (m - 1)), -gap

    def turn(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficient a, and slope and constant of b's integrand in the exponent."""
        gap = bessel.resultant_gap(concentration, m + 1)
        a = concentration / (m - 1 + concentration * (1 - gap))
        return a, concentration * a, concentration * a * gap


class Power(Law):
    r"""Power spherical: :math:`e = \log\frac{1 + \cos\theta}{2}` (De Cao and Aziz 2020)."""

    slope = 1.0
    singular = True

    def fall(self, angle: Tensor, offset: Tensor) -> Tensor:
        """Exponent at ``angle + offset`` less that at ``angle``."""
        change = 2 * torch.sin(0.25 * offset).square()
        change = change + torch.tan(0.5 * angle) * torch.sin(0.5 * offset)
        return 2 * torch.log1p(-change.clamp(max=1 - 1e-15))

    def exponent(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Exponent e at an angle, 0 at the direction, and its derivative."""
        half = 0.5 * angle
        return 2 * torch.log(torch.cos(half)), -torch.tan(half)

    def moments(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        """Log of Z and the mean of the exponent."""
        b = 0.5 * (m - 1)
        a = concentration + b
        log_beta = torch.lgamma(a) + math.lgamma(b) - torch.lgamma(a + b)
        return (m - 2) * math.log(2) + log_beta, torch.digamma(a) - torch.digamma(a + b)

    def turn(self, concentration: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
        """The coefficient a, which is κ / (κ + m - 2); b needs no integral."""
        kappa = concentration.clamp(min=1e-30)
        zero = torch.zeros_like(kappa)
        return kappa / (kappa + (m - 2)), zero, zero

    def towards(self, angle: Tensor, across: Tensor, integral: Tensor) -> Tensor:
        """The coefficient b, -a tan(θ/2); on circles a is 1: all draws turn with the direction."""
        return -across * torch.tan(0.5 * angle)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
