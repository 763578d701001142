r"""Mutual information of factors with spheres' coordinates and circles, by harmonics.

The letters are n for a data point, l for a degree, :math:`b_l(n)` for its posterior's
harmonics, :math:`p_l` for the orthonormal polynomials, V for the number of all factors'
values, K for the number of coordinates. On a circle as a whole K is 1, and the basis
has two channels, a cosine and a sine; otherwise it has K.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from priorbench.metrics.information.factor_table import FactorTable
from priorbench.metrics.information.polynomials import (
    log_multiplicity,
    orthonormal_polynomials,
)
from priorbench.metrics.information.sphere_grids import CircleGrid, SphereGrid
from priorbench.priors.posteriors.spherical import SphericalPosterior

TAIL = 1e-11
"""What a density may lose to truncation, in L2 under the uniform distribution."""

SLOW = 512
"""Degrees kept of densities with harmonics that fall as powers of the degree."""

MAX_DEGREE, MAX_CIRCLE_DEGREE = 1024, 4096
"""Degrees beyond which a posterior is too narrow; circles have a fast transform."""

MAX_ERROR = 1e-4
"""Bound on the error, in nats, above which no answer is given."""

SEGMENT, PROBES = 4096, 8
"""Data points of like concentration that share a degree; how many of them set it."""

ELEMENTS = {"cpu": 2**23, "cuda": 2**26}
"""Numbers in memory at once."""

ROUNDING = 16 * torch.finfo(torch.float64).eps

Basis = Callable[[SphericalPosterior, int], Tensor]
"""The polynomials up to a degree at n directions: (degree + 1, channels, n)."""

MakeGrid = Callable[[int, int], SphereGrid | CircleGrid]
"""From a degree and a number of points to a grid."""


def coordinate_information(
    posterior: SphericalPosterior,
    coordinates: Sequence[int],
    table: FactorTable,
) -> tuple[Tensor, Tensor]:
    r"""Return the mutual information of coordinates of one sphere with every factor.

    .. math:: q(z_j | x_n) = w(z_j) \sum_l N_l\, b_l(n)\, C_l(\mu_{nj})\, C_l(z_j)

    with w the uniform distribution's density of a coordinate, :math:`N_l` the number of
    harmonics of degree l, :math:`C_l` the Gegenbauer polynomials, 1 at 1, and
    :math:`b_l` the posterior's harmonics. Data points enter by :math:`\sum_n b_l(n)
    C_l(\mu_{nj})` alone: a mixture of all of them costs no more than one of them.
    References: Funk 1916 and Hecke 1918 for the integral over the other coordinates,
    here as in Müller 1998, Theorem 1.2.9.

    Args:
        posterior: of N data points on one sphere.
        coordinates: which of its coordinates, K of them.
        table: factor values of the N data points.

    Returns:
        The information, (K, F), in nats, from 0, and a bound on its error, (K, F); the
        bound is infinite, and the information zero, where the posteriors are too
        narrow.

    Raises:
        ValueError: a direction or a concentration is not finite.
    """
    m = posterior.direction.shape[-1]
    device = posterior.direction.device
    chosen = list(coordinates)

    def evaluate_basis(q: SphericalPosterior, degree: int) -> Tensor:
        cosine = q.direction[:, chosen].T.contiguous()
        return orthonormal_polynomials(cosine, degree, m)

    def make_grid(degree: int, num_points: int) -> SphereGrid | CircleGrid:
        if m == 2:
            return CircleGrid(degree, num_points, device)
        return SphereGrid(degree, num_points, m, device)

    return _information_by_harmonics(posterior, evaluate_basis, make_grid, table)


def circle_information(
    posterior: SphericalPosterior,
    table: FactorTable,
) -> tuple[Tensor, Tensor]:
    r"""Return the mutual information of a circle as a whole with every factor.

    .. math:: 2\pi\, q(\phi | x_n) = 1 + 2 \sum_l b_l(n) \cos l(\phi - \phi_n)

    Arguments and errors are those of :func:`coordinate_information`, without the
    coordinates.

    Returns:
        The information, (1, F), in nats, and a bound on its error, (1, F).
    """

    def evaluate_basis(q: SphericalPosterior, degree: int) -> Tensor:
        # sines of multiples obey the recurrence of the cosines
        plane = q.direction.T.contiguous()
        cosine = plane[:1].expand_as(plane)
        one_and_zero = torch.eye(2)[0].to(plane)
        zeroth = one_and_zero[:, None].expand_as(plane)
        first = math.sqrt(2) * plane
        return orthonormal_polynomials(cosine, degree, 2, start=(zeroth, first))

    def make_grid(degree: int, num_points: int) -> CircleGrid:
        return CircleGrid(degree, num_points, posterior.direction.device, whole=True)

    return _information_by_harmonics(posterior, evaluate_basis, make_grid, table)


def _information_by_harmonics(
    posterior: SphericalPosterior,
    evaluate_basis: Basis,
    make_grid: MakeGrid,
    table: FactorTable,
) -> tuple[Tensor, Tensor]:
    """Return the information and a bound on its error, (K, F)."""
    if not torch.isfinite(posterior.params).all():
        raise ValueError(
            "'params' of the posterior must be finite; the model has diverged"
        )
    segments = posterior.concentration[:, 0].argsort().split(SEGMENT)
    degrees, tail = _choose_degrees(posterior, segments)
    if not degrees:
        num_channels = evaluate_basis(posterior[:1], 1).shape[1]
        zero = table.counts.new_zeros(num_channels, len(table.sizes))
        return zero, zero + math.inf

    moments, size = _sum_moments(posterior, evaluate_basis, table, segments, degrees)
    degree = max(degrees)
    resolution = 2 * max(degree + 1, 64)
    coarse_grid = make_grid(degree, resolution)
    coarse_density = _evaluate_densities(moments, coarse_grid, table)
    coarse = _information_of_densities(coarse_density, coarse_grid, table)
    grid = make_grid(degree, 2 * resolution)
    density = _evaluate_densities(moments, grid, table)
    information = _information_of_densities(density, grid, table)

    num_points = len(table.columns)
    channel_sizes = size.view(len(information), -1)
    mean_size = channel_sizes.sum(1, keepdim=True) / num_points
    of_rounding = _bound_by_spread(density, ROUNDING * mean_size)
    of_truncation = _bound_truncation(density, grid, tail)
    bound = of_rounding + of_truncation
    of_quadrature = (information - coarse).abs()
    marginal, given_value = bound[:, :1], bound[:, 1:]
    error = marginal + table.average_over_values(given_value) + of_quadrature
    usable = (error <= MAX_ERROR).all(1, keepdim=True)
    information = torch.where(usable, information.clamp(min=0), 0.0)
    return information, torch.where(usable, error, math.inf)


def _choose_degrees(
    posterior: SphericalPosterior,
    segments: Sequence[Tensor],
) -> tuple[list[int], float]:
    r"""Return the degree that each segment of the data needs, and the largest tail.

    No degrees are returned if a segment is too narrow, or has terms beyond float64.
    Tails,

    .. math:: t_L^2 = \sum_{l > L} N_l b_l^2,

    fall either exponentially, and go down to :data:`TAIL`, or as powers of the degree
    (power spherical): these stop early, as the information's error is about their
    square.
    """
    m = posterior.direction.shape[-1]
    cap = MAX_CIRCLE_DEGREE if m == 2 else MAX_DEGREE
    probes = []
    for rows in segments:
        spread = torch.linspace(0, len(rows) - 1, PROBES).long()
        probes.append(rows[spread.to(rows.device)])
    b = posterior[torch.cat(probes)].harmonics(cap)
    degree = torch.arange(cap + 1.0, device=b.device)
    log_terms = 2 * b.abs().log() + log_multiplicity(degree, m)
    terms = log_terms.exp()
    # what lies beyond the cap falls at least as the square of the degree
    beyond = cap * terms[:, -1:]
    from_degree_on = terms.flip(-1).cumsum(-1).flip(-1)
    squares = from_degree_on - terms + beyond
    tails = squares.clamp(min=0).sqrt()
    if not tails.isfinite().all():
        return [], math.inf
    by_segment = tails.unflatten(0, (-1, PROBES))
    tails = by_segment.amax(1)
    coarse = (tails > 1e-2).sum(-1)
    fine = (tails > TAIL).sum(-1)
    early = (3 * coarse).clamp(min=SLOW)
    chosen = torch.minimum(fine, early)
    if torch.maximum(coarse, chosen).max() > cap:
        return [], math.inf
    left = tails.gather(-1, chosen[:, None])
    return chosen.clamp(min=1).tolist(), left.max().item()


def _sum_moments(
    posterior: SphericalPosterior,
    evaluate_basis: Basis,
    table: FactorTable,
    segments: Sequence[Tensor],
    degrees: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Sum b_l p_l over the data of each factor value, and its absolute value over all.

    Returns:
        The moments, (degree + 1, channels, V), and the sizes, (channels,).
    """
    device = posterior.direction.device
    num_channels = evaluate_basis(posterior[:1], 1).shape[1]
    moments = torch.zeros(
        max(degrees) + 1,
        num_channels,
        len(table.counts),
        dtype=torch.float64,
        device=device,
    )
    sizes = moments.new_zeros(num_channels)
    capacity = ELEMENTS.get(device.type, ELEMENTS["cuda"])
    for segment, degree in zip(segments, degrees, strict=True):
        numbers = num_channels * (degree + 1)
        many = max(capacity // numbers, 1)
        for rows in segment.split(many):
            part = posterior[rows]
            b = part.harmonics(degree).T[:, None]
            damped = evaluate_basis(part, degree).mul_(b)
            indicators = table.indicate_values(rows)
            sums = damped.flatten(0, 1) @ indicators
            by_degree = sums.unflatten(0, (-1, num_channels))
            moments[: degree + 1] += by_degree
            sizes += torch.linalg.vector_norm(damped, 1, dim=(0, 2))
    return moments, sizes


def _evaluate_densities(
    moments: Tensor,
    grid: SphereGrid | CircleGrid,
    table: FactorTable,
) -> Tensor:
    """Return the densities of all data and of each factor value, (points, K, 1 + V)."""
    marginal = table.sum_over_data(moments) / len(table.columns)
    conditional = moments / table.counts.clamp(min=1)
    means = torch.cat([marginal[..., None], conditional], dim=-1)
    density = grid.evaluate_densities(means)
    return density.clamp_(min=0)


def _information_of_densities(
    density: Tensor,
    grid: SphereGrid | CircleGrid,
    table: FactorTable,
) -> Tensor:
    """Return the information, (K, F), of densities (points, K, 1 + V)."""
    integrand = torch.special.entr(density)
    entropy = torch.einsum("n,nkv->kv", grid.weights, integrand)
    marginal, given_value = entropy[:, :1], entropy[:, 1:]
    return marginal - table.average_over_values(given_value)


def _bound_truncation(
    density: Tensor,
    grid: SphereGrid | CircleGrid,
    tail: float,
) -> Tensor:
    r"""Bound what an entropy loses to a tail δ of the density f + δ, in nats.

    It is the smaller of the bound of :func:`_bound_by_spread` and, as δ is orthogonal
    to all polynomials p of f's degree and KL is at most chi-squared,

    .. math:: \Big|\int \delta \log f\Big| + \int \frac{\delta^2}{f}
        \le \|\delta\|_2 \min_p \|\log f - p\|_2 + \|\delta\|_2^2 / \min f
    """
    if not tail > 0:
        return torch.zeros_like(density[0])
    least = density.amin(0)
    log_density = density.clamp(min=1e-300).log()
    distance = grid.norm_beyond_degree(log_density)
    by_polynomials = tail * distance + tail**2 / least
    by_spread = _bound_by_spread(density, torch.full_like(least, tail))
    return torch.minimum(by_polynomials, by_spread)


def _bound_by_spread(density: Tensor, error: Tensor) -> Tensor:
    r"""Bound an entropy's error, in nats, where the density is off by ``error`` in L1.

    .. math:: |a \log a - b \log b| \le |a - b| (1 + \log^+ \max(a, b)) + h(|a - b|)

    with :math:`h(x) = -x \log x`. The mean of h is at most h of the mean.
    """
    error = error.clamp(max=math.exp(-1))
    log_peak = density.amax(0).clamp(min=1).log()
    return error * (1 + log_peak) + torch.special.entr(error)
