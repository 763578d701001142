r"""Families of zonal densities on a sphere: what drawing an angle needs.

The density at the angle θ to the direction is proportional to
:math:`e^{\kappa e(\theta)}`, where the exponent e is 0 at the direction. Drawing an
angle needs

.. math::
    \log Z = \log \int_0^\pi e^{\kappa e(t)} \sin^{m-2} t \, dt, \qquad E[e], \qquad
    a, \qquad h(t) = c_1\, e(t) + c_0

where a is one coefficient of a draw's motion and h the integrand of the other, b; see
:mod:`priorbench.priors.spheres.inversion`.

In the code: ``theta`` θ, ``kappa`` κ, ``m`` the number of coordinates of the sphere.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from priorbench.priors.spheres import bessel


class ZonalFamily(ABC):
    """A family of zonal densities, by its exponent e."""

    decay: float
    """The exponent falls by this times the rise of sin²(θ/2), or by more."""

    singular: bool = False
    """Whether the density is a fractional power of the distance from the antipode."""

    @abstractmethod
    def exponent(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return e(θ) and its derivative."""

    @abstractmethod
    def exponent_change(
        self,
        theta: Tensor,
        delta: Tensor,
    ) -> Tensor:
        """Return e(θ + δ) - e(θ), to full precision at small δ."""

    @abstractmethod
    def moments(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor]:
        """Return log Z and E[e]."""

    @abstractmethod
    def motion(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, and c_1 and c_0 of the integrand of b."""

    def finish_b(
        self,
        theta: Tensor,
        a: Tensor,
        integral: Tensor,
    ) -> Tensor:
        """Return b at an angle: its integral, or a closed form."""
        return integral


class Exponential(ZonalFamily):
    r"""Von Mises–Fisher: :math:`e(\theta) = \cos\theta - 1`."""

    decay = 2.0

    def exponent(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return e(θ) and its derivative."""
        e = -2 * torch.sin(0.5 * theta).square()
        return e, -torch.sin(theta)

    def exponent_change(
        self,
        theta: Tensor,
        delta: Tensor,
    ) -> Tensor:
        """Return e(θ + δ) - e(θ), to full precision at small δ."""
        half = 0.5 * delta
        return -2 * torch.sin(half) * torch.sin(theta + half)

    def moments(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor]:
        """Return log Z and E[e]."""
        log_normaliser, gap = bessel.log_normaliser_and_gap(kappa, m)
        b = 0.5 * (m - 1)
        log_beta = math.lgamma(0.5) + math.lgamma(b) - math.lgamma(0.5 + b)
        return log_normaliser - kappa + log_beta, -gap

    def motion(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, and c_1 and c_0 of the integrand of b."""
        gap = bessel.resultant_gap(kappa, m + 1)
        a = kappa / (m - 1 + kappa * (1 - gap))
        c_1 = kappa * a
        return a, c_1, c_1 * gap


class Power(ZonalFamily):
    r"""Power spherical: :math:`e(\theta) = \log\frac{1 + \cos\theta}{2}`.

    References: De Cao and Aziz 2020.
    """

    decay = 1.0
    singular = True

    def exponent(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return e(θ) and its derivative."""
        half = 0.5 * theta
        e = 2 * torch.log(torch.cos(half))
        return e, -torch.tan(half)

    def exponent_change(
        self,
        theta: Tensor,
        delta: Tensor,
    ) -> Tensor:
        """Return e(θ + δ) - e(θ), to full precision at small δ."""
        # 1 - cos((θ + δ) / 2) / cos(θ / 2)
        drop = 2 * torch.sin(0.25 * delta).square()
        drop = drop + torch.tan(0.5 * theta) * torch.sin(0.5 * delta)
        return 2 * torch.log1p(-drop.clamp(max=1 - 1e-15))

    def moments(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor]:
        """Return log Z and E[e]."""
        b = 0.5 * (m - 1)
        top = kappa + b
        log_beta = torch.lgamma(top) + math.lgamma(b) - torch.lgamma(top + b)
        mean = torch.digamma(top) - torch.digamma(top + b)
        return (m - 2) * math.log(2) + log_beta, mean

    def motion(
        self,
        kappa: Tensor,
        m: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, which is κ / (κ + m - 2); b needs no integral."""
        kappa = kappa.clamp(min=1e-30)
        zero = torch.zeros_like(kappa)
        return kappa / (kappa + (m - 2)), zero, zero

    def finish_b(
        self,
        theta: Tensor,
        a: Tensor,
        integral: Tensor,
    ) -> Tensor:
        """Return b, which is -a tan(θ/2).

        On circles a is 1: all draws turn with the direction.
        """
        return -a * torch.tan(0.5 * theta)
