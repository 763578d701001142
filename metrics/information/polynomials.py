"""Orthonormal polynomials of a sphere's coordinate, and grids that integrate them."""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy import fft
from torch import Tensor


def log_multiplicity(degree: Tensor, m: int) -> Tensor:
    r"""Log of the number of independent harmonics of each degree on the sphere in m coordinates.

    .. math:: N_l = \frac{(2l + m - 2)\,(l + m - 3)!}{l!\,(m - 2)!}

    Example:
        >>> log_multiplicity(torch.arange(4), 3).exp().round().tolist()
        [1.0, 3.0, 5.0, 7.0]
    """
    degree = degree.double()
    one = degree.clamp(min=1)
    value = (
        torch.log(2 * one + m - 2)
        + torch.lgamma(one + m - 2)
        - torch.lgamma(one + 1)
        - math.lgamma(m - 1)
    )
    return torch.where(degree > 0, value, 0.0)


def orthonormal_polynomials(
    y: Tensor, degree: int, m: int, start: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    r"""Orthonormal polynomials of one coordinate of a uniform point on the sphere.

    .. math:: y p_l = \alpha_{l+1} p_{l+1} + \alpha_l p_{l-1}, \qquad
        \alpha_l^2 = \frac{l (l + m - 3)}{(2l + m - 2)(2l + m - 4)}

    They are Gegenbauer polynomials, :math:`p_l = \sqrt{N_l} C_l` with C_l(1) = 1. Upwards the
    recurrence is stable: no solution outgrows them. References: DLMF 18.9.1.

    Args:
        y: the coordinate, in -1 ... 1, float64.
        degree: the largest, >= 1.
        m: number of coordinates of the sphere, >= 2.
        start: what stands for p_0 and p_1 in another solution of the recurrence.

    Returns:
        (degree + 1, *y.shape).

    Example:
        >>> orthonormal_polynomials(torch.ones(1).double(), 2, 3).flatten()  # square roots of 1, 3, 5
        tensor([1.0000, 1.7321, 2.2361], dtype=torch.float64)
    """
    values = y.new_empty(degree + 1, *y.shape)
    zeroth, first = start or (torch.ones_like(y), math.sqrt(m) * y)
    values[0], values[1] = zeroth, first
    alpha = [
        0.0,
        1 / math.sqrt(m),
        *(
            math.sqrt(i * (i + m - 3) / ((2 * i + m - 2) * (2 * i + m - 4)))
            for i in range(2, degree + 1)
        ),
    ]
    for i in range(1, degree):
        torch.mul(y, values[i], out=values[i + 1])
        values[i + 1].sub_(values[i - 1], alpha=alpha[i]).mul_(1 / alpha[i + 1])
    return values


class CircleGrid:
    """Functions on a circle at equal distances, by the fast Fourier transform.

    Args:
        degree: of the densities.
        points: of the grid, more than twice the degree.
        device: where the grid is.
        whole: functions of the angle, from the moments of a cosine and a sine, one channel;
            otherwise of each coordinate's angle, even, one channel for each coordinate.
    """

    def __init__(
        self, degree: int, points: int, device: torch.device, whole: bool = False
    ) -> None:
        self.degree, self.points, self.whole = degree, points, whole
        self.weights = torch.full(
            (points,), 1 / points, dtype=torch.float64, device=device
        )

    def density(self, moments: Tensor) -> Tensor:
        """Densities relative to the uniform, (points, K, cells), of moments (degree + 1, K, cells).

        With ``whole``, K is 2 in the moments and 1 in the densities.
        """
        scale = torch.full_like(moments[:, :1], math.sqrt(0.5))
        scale[0] = 1
        scaled = moments * scale
        spectrum = (
            torch.complex(scaled[:, :1], -scaled[:, 1:])
            if self.whole
            else scaled.to(torch.complex128)
        )
        return torch.fft.irfft(spectrum, n=self.points, dim=0, norm="forward")

    def beyond(self, values: Tensor) -> Tensor:
        """Root mean square of what of functions (points, ...) is beyond the degree."""
        power = torch.fft.rfft(values, dim=0, norm="forward").abs().square()
        return (2 * power[self.degree + 1 :].sum(0)).sqrt()


class SphereGrid:
    """Functions of one coordinate of a sphere, integrated over the uniform distribution.

    Args:
        degree: of the densities.
        points: of the grid.
        m: number of coordinates, >= 3.
        device: where the grid is.
    """

    def __init__(self, degree: int, points: int, m: int, device: torch.device) -> None:
        nodes, weights = quadrature_rule(points, m)
        self.weights = torch.as_tensor(weights, device=device)
        self.basis = orthonormal_polynomials(
            torch.as_tensor(nodes, device=device), degree, m
        )

    def density(self, moments: Tensor) -> Tensor:
        """Densities relative to the uniform, (points, K, cells), of moments (degree + 1, ...)."""
        return (self.basis.T @ moments.flatten(1)).unflatten(1, moments.shape[1:])

    def beyond(self, values: Tensor) -> Tensor:
        """Root mean square of what of functions (points, ...) is beyond the degree."""
        inside = (self.basis * self.weights) @ values.flatten(1)
        total = self.weights @ values.flatten(1).square()
        rest = (total - inside.square().sum(0)).clamp(min=0)
        # the difference is known to rounding only
        return (rest + 1e-14 * total).sqrt().unflatten(0, values.shape[1:])


@lru_cache(maxsize=8)
def quadrature_rule(points: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and weights for functions of one coordinate of a uniform point on a sphere.

    In the angle ψ of :math:`y = \cos\psi`, the uniform distribution has density proportional to
    :math:`\sin^{m-2}\psi`: for even m the midpoint rule in ψ converges exponentially; for odd m
    Fejér's first rule does, which has the same nodes. References: Trefethen 2008, section 2.

    Returns:
        Nodes y and weights, (points,) each; the weights add up to 1.

    Example:
        >>> y, weights = quadrature_rule(16, 5)
        >>> round(float(weights @ y**2), 12)  # 1 / m
        0.2
    """
    angle = (np.arange(points) + 0.5) * np.pi / points
    if m % 2 == 0:
        weights = np.sin(angle) ** (m - 2)
    else:
        even = np.zeros(points)
        even[::2] = 1 / (1 - np.arange(0, points, 2.0) ** 2)
        weights = np.sin(angle) ** (m - 3) * fft.dct(even, type=3)
    return np.cos(angle), weights / weights.sum()
