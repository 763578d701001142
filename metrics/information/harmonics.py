"""Mutual information of spheres' coordinates, and of circles, with factors, by harmonics."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from priorbench.metrics.information.factor_table import cell_counts, cell_index, one_hot
from priorbench.metrics.information.polynomials import (
    CircleGrid,
    SphereGrid,
    log_multiplicity,
    orthonormal_polynomials,
)
from priorbench.priors.posteriors.spherical import Spherical

TAIL = 1e-11
"""What a density may lose to truncation, in L2 with respect to the uniform distribution."""

SLOW = 512
"""Degrees at which densities stop whose harmonics fall slowly, as powers of the degree."""

MAX_DEGREE, MAX_CIRCLE_DEGREE = 1024, 4096
"""Degrees beyond which a posterior is too narrow; circles have a fast Fourier transform."""

MAX_ERROR = 1e-4
"""Bound on the error, in nats, above which no answer is given."""

SEGMENT, PROBES = 4096, 8
"""Data points of like concentration that share a degree, and how many of them tell it."""

ELEMENTS = {"cpu": 2**23, "cuda": 2**26}
"""Numbers in memory at once."""

ROUNDING = 16 * torch.finfo(torch.float64).eps


class Cells(NamedTuple):
    """Every data point's cells, (N, F), their points, (cells,), and the factors' sizes."""

    index: Tensor
    counts: Tensor
    sizes: list[int]


def coordinate_information(
    posterior: Spherical,
    coordinates: Sequence[int],
    factors: Tensor,
    factor_sizes: Sequence[int],
) -> tuple[Tensor, Tensor]:
    r"""Mutual information of coordinates of one sphere with every factor.

    .. math:: q(z_j | x_n) = w(z_j) \sum_l N_l\, b_l(n)\, C_l(\mu_{nj})\, C_l(z_j)

    with w the uniform distribution's density of a coordinate, :math:`N_l` the number of
    harmonics of degree l, :math:`C_l` the Gegenbauer polynomials, 1 at 1, and :math:`b_l` the
    posterior's harmonics. Data points enter by :math:`\sum_n b_l(n) C_l(\mu_{nj})` alone:
    a mixture of all of them costs no more than one of them. References: Funk 1916 and Hecke 1918
    for the integral over the other coordinates, here as in Müller 1998, Theorem 1.2.9.

    Args:
        posterior: of N data points on one sphere.
        coordinates: which of its coordinates, K of them.
        factors: values, int64 (N, F), each from 0 to its size - 1.
        factor_sizes: F sizes.

    Returns:
        The information, (K, F), in nats, from 0, and a bound on its error, (K, F); the bound is
        infinite, and the information zero, where the posteriors are too narrow.

    Raises:
        ValueError: a direction or a concentration is not finite.
    """

    def waves(q: Spherical, degree: int) -> Tensor:
        cosine = q.direction[:, list(coordinates)].T.contiguous()
        return orthonormal_polynomials(cosine, degree, q.direction.shape[-1])

    def grid(degree: int, points: int) -> SphereGrid | CircleGrid:
        m, device = posterior.direction.shape[-1], posterior.direction.device
        return (
            CircleGrid(degree, points, device)
            if m == 2
            else SphereGrid(degree, points, m, device)
        )

    return _information_by_harmonics(posterior, waves, grid, factors, factor_sizes)


def circle_information(
    posterior: Spherical, factors: Tensor, factor_sizes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    r"""Mutual information of a circle as a whole with every factor.

    .. math:: 2\pi\, q(\phi | x_n) = 1 + 2 \sum_l b_l(n) \cos l(\phi - \phi_n)

    Arguments and errors are those of :func:`coordinate_information`, but for the coordinates.

    Returns:
        The information, (1, F), in nats, and a bound on its error, (1, F).
    """

    def waves(q: Spherical, degree: int) -> Tensor:
        # sines of multiples obey the recurrence of the cosines
        plane, zeroth = q.direction.T.contiguous(), torch.eye(2)[0].to(q.direction)
        start = zeroth[:, None].expand_as(plane), math.sqrt(2) * plane
        return orthonormal_polynomials(plane[:1].expand_as(plane), degree, 2, start)

    def grid(degree: int, points: int) -> CircleGrid:
        return CircleGrid(degree, points, posterior.direction.device, whole=True)

    return _information_by_harmonics(posterior, waves, grid, factors, factor_sizes)


def _information_by_harmonics(
    posterior: Spherical,
    waves: Callable,
    grid: Callable,
    factors: Tensor,
    factor_sizes: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Information and error bound, (K, F), from the waves of data points and a grid."""
    if not torch.isfinite(posterior.params).all():
        raise ValueError(
            "'params' of the posterior must be finite; the model has diverged"
        )
    index = cell_index(factors, factor_sizes)
    cells = Cells(index, cell_counts(index, sum(factor_sizes)), list(factor_sizes))
    segments = posterior.concentration[:, 0].argsort().split(SEGMENT)
    degrees, tail = _choose_degrees(posterior, segments)
    if not degrees:
        shape = (len(waves(posterior[:1], 1)[0]), len(factor_sizes))
        zero = torch.zeros(shape, dtype=torch.float64, device=factors.device)
        return zero, zero + math.inf
    moments, size = _sum_moments(posterior, waves, cells, segments, degrees)
    points = 2 * max(len(moments), 64)
    coarse, _ = _information_from_moments(
        moments, grid(len(moments) - 1, points), cells, 0.0, size
    )
    fine, error = _information_from_moments(
        moments, grid(len(moments) - 1, 2 * points), cells, tail, size
    )
    error = error + (fine - coarse).abs()
    usable = (error <= MAX_ERROR).all(1, keepdim=True)
    return torch.where(usable, fine.clamp(min=0), 0.0), torch.where(
        usable, error, math.inf
    )


def _choose_degrees(
    posterior: Spherical, segments: Sequence[Tensor]
) -> tuple[list[int], float]:
    """The degree that each segment needs and the largest tail; no degrees if one is too narrow.

    Tails fall either exponentially, and go down to :data:`TAIL`, or as powers of the degree
    (power spherical): these stop early, as the information's error is about their square.
    """
    m = posterior.direction.shape[-1]
    cap = MAX_CIRCLE_DEGREE if m == 2 else MAX_DEGREE
    probes = [
        rows[torch.linspace(0, len(rows) - 1, PROBES).long().to(rows.device)]
        for rows in segments
    ]
    terms = 2 * posterior[torch.cat(probes)].harmonics(cap).abs().log()
    terms = (
        terms + log_multiplicity(torch.arange(cap + 1.0, device=terms.device), m)
    ).exp()
    # what lies beyond falls at least as the square of the degree
    rest = terms.flip(-1).cumsum(-1).flip(-1) - terms + cap * terms[:, -1:]
    tails = rest.clamp(min=0).sqrt().unflatten(0, (-1, PROBES)).amax(1)
    wide, fine = ((tails > t).sum(-1) for t in (1e-2, TAIL))
    chosen = torch.minimum(fine, (3 * wide).clamp(min=SLOW))
    if (wide > cap).any() or (chosen > cap).any():
        return [], math.inf
    return chosen.clamp(min=1).tolist(), tails.gather(-1, chosen[:, None]).max().item()


def _sum_moments(
    posterior: Spherical,
    waves: Callable,
    cells: Cells,
    segments: Sequence[Tensor],
    degrees: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Sums of b_l p_l over each cell, (degree + 1, K, cells), and of |b_l p_l| over all, (K,)."""
    moments, sizes = 0.0, 0.0
    for segment, degree in sorted(
        zip(segments, degrees, strict=True), key=lambda s: -s[1]
    ):
        channels = len(waves(posterior[segment[:1]], 1)[0])
        many = ELEMENTS.get(segment.device.type, ELEMENTS["cuda"]) // (
            channels * (degree + 1)
        )
        for rows in segment.split(max(many, 1)):
            part = posterior[rows]
            damped = waves(part, degree).mul_(part.harmonics(degree).T[:, None])
            sums = damped.flatten(0, 1) @ one_hot(cells.index[rows], len(cells.counts))
            if isinstance(moments, float):
                moments = torch.zeros_like(sums).unflatten(0, (-1, channels))
            moments[: degree + 1] += sums.unflatten(0, (-1, channels))
            sizes = sizes + torch.linalg.vector_norm(damped, 1, dim=(0, 2))
    return moments, sizes


def _information_from_moments(
    moments: Tensor,
    grid: SphereGrid | CircleGrid,
    cells: Cells,
    tail: float,
    size: Tensor,
) -> tuple[Tensor, Tensor]:
    """Information and error bound, (K, F), of densities on a grid."""
    num_points = cells.index.shape[0]
    marginal = moments[..., : cells.sizes[0]].sum(-1, keepdim=True) / num_points
    means = torch.cat([marginal, moments / cells.counts.clamp(min=1)], dim=-1)
    density = grid.density(means).clamp_(min=0)
    entropy = torch.einsum("n,nkc->kc", grid.weights, torch.special.entr(density))
    rounding = (
        ROUNDING * size.view(density.shape[1], -1).sum(1, keepdim=True) / num_points
    )
    bound = _bound_entropy_error(density, grid, tail) + _bound_by_spread(
        density, rounding
    )
    shares = (cells.counts / num_points).split(cells.sizes)
    given, given_bound = (
        torch.stack(
            [
                (part * share).sum(-1)
                for part, share in zip(
                    values[:, 1:].split(cells.sizes, -1), shares, strict=True
                )
            ],
            -1,
        )
        for values in (entropy, bound)
    )
    return entropy[:, :1] - given, bound[:, :1] + given_bound


def _bound_entropy_error(
    density: Tensor, grid: SphereGrid | CircleGrid, tail: float
) -> Tensor:
    r"""Bound on what an entropy loses to a tail δ of the density f + δ, (K, cells), in nats.

    The smaller of the bound of :func:`_bound_by_spread` and, as δ is orthogonal to all polynomials p of
    f's degree and KL is at most chi-squared,

    .. math:: \Big|\int \delta \log f\Big| + \int \frac{\delta^2}{f}
        \le \|\delta\|_2 \min_p \|\log f - p\|_2 + \|\delta\|_2^2 / \min f
    """
    if not tail > 0:
        return torch.zeros_like(density[0])
    least = density.amin(0)
    beyond = grid.beyond(density.clamp(min=1e-300).log())
    return torch.minimum(
        tail * beyond + tail**2 / least,
        _bound_by_spread(density, torch.full_like(least, tail)),
    )


def _bound_by_spread(density: Tensor, error: Tensor) -> Tensor:
    r"""Bound on an entropy's error, in nats, where the density is off by ``error`` in L1.

    .. math:: |a \log a - b \log b| \le |a - b| (1 + \log^+ \max(a, b)) + h(|a - b|)

    with :math:`h(x) = -x \log x`, whose mean is at most h of the mean.
    """
    error = error.clamp(max=math.exp(-1))
    return error * (1 + density.amax(0).clamp(min=1).log()) + torch.special.entr(error)
