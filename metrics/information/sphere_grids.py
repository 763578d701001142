"""Grids on circles and on spheres' coordinates, for sums of harmonics."""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from priorbench.metrics.information.polynomials import orthonormal_polynomials


class CircleGrid:
    """Equidistant points on a circle, with the fast Fourier transform.

    Args:
        degree: of the densities.
        num_points: of the grid, more than twice the degree.
        device: where the grid is.
        whole: functions of the angle, from the moments of a cosine and a sine, one
            channel; otherwise of each coordinate's angle, even, one channel for each
            coordinate.

    Attributes:
        weights: of the points under the uniform distribution, (points,).
    """

    def __init__(
        self,
        degree: int,
        num_points: int,
        device: torch.device,
        whole: bool = False,
    ) -> None:
        self.degree = degree
        self.num_points = num_points
        self.whole = whole
        self.weights = torch.full(
            (num_points,),
            1 / num_points,
            dtype=torch.float64,
            device=device,
        )

    def evaluate_densities(self, moments: Tensor) -> Tensor:
        """Return densities relative to the uniform, (points, K, n).

        Args:
            moments: of n densities, (degree + 1, K, n); with ``whole`` K is 2 in the
                moments and 1 in the densities.
        """
        scaled = math.sqrt(0.5) * moments
        scaled[0] = moments[0]
        if self.whole:
            cosine, sine = scaled.split(1, dim=1)
            spectrum = torch.complex(cosine, -sine)
        else:
            spectrum = scaled.to(torch.complex128)
        return torch.fft.irfft(spectrum, n=self.num_points, dim=0, norm="forward")

    def norm_beyond_degree(self, values: Tensor) -> Tensor:
        """Return the root mean square of functions' parts beyond the degree.

        Args:
            values: of the functions at the points, (points, ...).
        """
        spectrum = torch.fft.rfft(values, dim=0, norm="forward")
        beyond = spectrum[self.degree + 1 :].abs().square()
        return (2 * beyond.sum(0)).sqrt()


class SphereGrid:
    """Points of one coordinate of a sphere, with the polynomials' values.

    Args:
        degree: of the densities.
        num_points: of the grid.
        m: number of coordinates, >= 3.
        device: where the grid is.

    Attributes:
        weights: of the points under the uniform distribution, (points,).
        basis: orthonormal polynomials at the points, (degree + 1, points).
    """

    def __init__(
        self,
        degree: int,
        num_points: int,
        m: int,
        device: torch.device,
    ) -> None:
        nodes, weights = quadrature_rule(num_points, m)
        y = torch.as_tensor(nodes, device=device)
        self.weights = torch.as_tensor(weights, device=device)
        self.basis = orthonormal_polynomials(y, degree, m)

    def evaluate_densities(self, moments: Tensor) -> Tensor:
        """Return densities relative to the uniform, (points, K, n).

        Args:
            moments: of n densities, (degree + 1, K, n).
        """
        values = self.basis.T @ moments.flatten(1)
        return values.unflatten(1, moments.shape[1:])

    def norm_beyond_degree(self, values: Tensor) -> Tensor:
        """Return the root mean square of functions' parts beyond the degree.

        Args:
            values: of the functions at the points, (points, ...).
        """
        flat = values.flatten(1)
        coefficients = (self.basis * self.weights) @ flat
        inside = coefficients.square().sum(0)
        total = self.weights @ flat.square()
        # the difference is known to rounding only
        beyond = (total - inside).clamp(min=0) + 1e-14 * total
        return beyond.sqrt().unflatten(0, values.shape[1:])


@lru_cache(maxsize=8)
def quadrature_rule(num_points: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return a rule for functions of one coordinate of a uniform point on a sphere.

    In the angle ψ of :math:`y = \cos\psi`, the uniform distribution has density
    proportional to :math:`\sin^{m-2}\psi`: for even m the midpoint rule in ψ converges
    exponentially; for odd m Fejér's first rule does, which has the same nodes.
    References: Trefethen 2008, section 2.

    Args:
        num_points: number of nodes.
        m: number of coordinates of the sphere, >= 2.

    Returns:
        Nodes y and weights, (num_points,) each; the weights add up to 1. The arrays are
        shared by all callers: do not change them in place.

    Example:
        >>> y, weights = quadrature_rule(16, 5)
        >>> round(float(weights @ y**2), 12)  # 1 / m
        0.2
    """
    index = np.arange(num_points)
    psi = (index + 0.5) * np.pi / num_points
    if m % 2 == 0:
        weights = np.sin(psi) ** (m - 2)
    else:
        coefficients = np.zeros(num_points)
        coefficients[::2] = 1 / (1 - index[::2] ** 2)
        fejer = fft.dct(coefficients, type=3)
        weights = np.sin(psi) ** (m - 3) * fejer
    return np.cos(psi), weights / weights.sum()
