"""Orthonormal polynomials of a sphere's coordinate."""

import math

import torch
from torch import Tensor


def log_multiplicity(degree: Tensor, m: int) -> Tensor:
    r"""Return the log of the number of independent harmonics of each degree.

    .. math:: N_\ell = \frac{(2\ell + m - 2)\,(\ell + m - 3)!}{\ell!\,(m - 2)!}

    Args:
        degree: degrees :math:`\ell \ge 0`, of any shape.
        m: number of coordinates of the sphere, >= 2.

    Example:
        >>> log_multiplicity(torch.arange(4), 3).exp().round().tolist()
        [1.0, 3.0, 5.0, 7.0]
    """
    ell = degree.double().clamp(min=1)
    value = (
        torch.log(2 * ell + m - 2)
        + torch.lgamma(ell + m - 2)
        - torch.lgamma(ell + 1)
        - math.lgamma(m - 1)
    )
    return torch.where(degree > 0, value, 0.0)


def orthonormal_polynomials(
    y: Tensor,
    degree: int,
    m: int,
    start: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    r"""Return orthonormal polynomials of one coordinate of uniform points on a sphere.

    .. math:: y p_\ell = \alpha_{\ell+1} p_{\ell+1} + \alpha_\ell p_{\ell-1}, \qquad
        \alpha_\ell^2 = \frac{\ell (\ell + m - 3)}{(2\ell + m - 2)(2\ell + m - 4)}

    They are Gegenbauer polynomials, :math:`p_\ell = \sqrt{N_\ell} C_\ell` with
    :math:`C_\ell(1) = 1`. Upwards the recurrence is stable: no solution outgrows them.
    References: DLMF 18.9.1.

    Args:
        y: the coordinate, in -1 ... 1, float64.
        degree: the largest, >= 1.
        m: number of coordinates of the sphere, >= 2.
        start: what stands for p_0 and p_1 in another solution of the recurrence.

    Returns:
        (degree + 1, *y.shape).

    Example:
        >>> y = torch.ones(1).double()
        >>> orthonormal_polynomials(y, 2, 3).square().flatten()
        tensor([1.0000, 3.0000, 5.0000], dtype=torch.float64)
    """
    alpha = [0.0, 1 / math.sqrt(m)]
    for ell in range(2, degree + 1):
        numerator = ell * (ell + m - 3)
        denominator = (2 * ell + m - 2) * (2 * ell + m - 4)
        alpha.append(math.sqrt(numerator / denominator))
    if start is None:
        start = torch.ones_like(y), math.sqrt(m) * y
    p = y.new_empty(degree + 1, *y.shape)
    p[0], p[1] = start
    for ell in range(1, degree):
        following = p[ell + 1]
        torch.mul(y, p[ell], out=following)
        following.sub_(p[ell - 1], alpha=alpha[ell])
        following.mul_(1 / alpha[ell + 1])
    return p
