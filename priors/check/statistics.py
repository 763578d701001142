"""Tests of samples against densities.

False alarms are rarer than one in 10^5 checks.
"""

import math
from collections.abc import Callable, Sequence

import torch
from scipy import stats
from torch import Tensor

ERRORS = 5.0
"""Standard errors that a mean may be off: 6e-7, two-sided."""

FALSE_ALARM = 1e-7
"""Probability that a comparison of two samples rejects equal distributions."""

PAIRED = 800
"""Points of each sample in the energy distance."""

PERMUTATIONS = 200
"""Permutations that the energy distance is compared with."""

PROJECTIONS = 8
"""Random directions that two samples are projected on; and as many axes at most."""

STEPS = 40
"""Metropolis steps."""

LARGEST = 0.01
"""A mean is not trusted if one draw has more than this of all the weight."""

Density = Callable[[Tensor], Tensor]


def deviation_in_errors(values: Tensor, expected: Tensor | float = 0.0) -> float:
    """Return how far means are from what is expected, in standard errors.

    Args:
        values: independent draws along the last dimension, (..., n).
        expected: their means, (...).

    Returns:
        The largest of all.
    """
    mean = values.mean(-1)
    # differences of rounding size are none
    rounding = 1e-7 * (1 + values.abs().mean(-1))
    error = values.std(-1) / math.sqrt(values.shape[-1]) + rounding
    deviation = (mean - expected).abs() / error
    return float(deviation.nan_to_num(nan=math.inf).max())


def compare_mean_to_one(log_ratio: Tensor) -> tuple[float, float, bool]:
    """Compare the mean of a ratio of densities with 1.

    The mean cannot be trusted where one draw has more than 1% of all the weight, or
    where its error is above 1% and it could still be 1.

    Args:
        log_ratio: of independent draws, (n,).

    Returns:
        The mean less 1, its standard error, and whether it can be trusted.
    """
    ratio = log_ratio.exp()
    error = float(ratio.std()) / math.sqrt(len(ratio))
    if not math.isfinite(error):
        return float(ratio.mean()) - 1, error, True
    excess = float(ratio.mean()) - 1
    clear = error < 0.01 or abs(excess) > 2 * ERRORS * error
    spread = float(ratio.max() / ratio.sum()) < LARGEST
    return excess, error, clear and spread


def sample_by_rejection(z: Tensor, log_ratio: Tensor) -> Tensor:
    """Return independent draws of a density from those of a proposal.

    Args:
        z: the proposal's draws, (n, d).
        log_ratio: density over proposal up to a constant, (n,); the largest stands for
            its bound.

    Returns:
        (accepted, d).
    """
    accepted = torch.rand(len(z)).log() < log_ratio - log_ratio.max()
    return z[accepted]


def move_by_metropolis(
    log_prob: Density,
    z: Tensor,
    spheres: Sequence[Sequence[int]],
) -> Tensor:
    """Move draws by random-walk Metropolis steps, which leave their density alone.

    Steps on a sphere are projected back; by symmetry that is as likely there and back.

    Args:
        log_prob: z (n, d) -> (n,), nats; constants do not matter.
        z: draws that claim to be of the density, (n, d); each moves on its own.
        spheres: coordinates of each unit sphere.
    """
    _, spread = find_centre_and_spread(z)
    size = spread * 2.4 / math.sqrt(z.shape[-1])
    for sphere in spheres:
        size[sphere] = size[sphere].square().mean().sqrt()
    value = log_prob(z)
    for _ in range(STEPS):
        moved = z + size * torch.randn_like(z)
        project_on_spheres(moved, spheres)
        moved_value = log_prob(moved)
        accept = torch.rand_like(value).log() < moved_value - value
        z = torch.where(accept[:, None], moved, z)
        value = torch.where(accept, moved_value, value)
    return z


def project_on_spheres(z: Tensor, spheres: Sequence[Sequence[int]]) -> None:
    """Scale the coordinates of each unit sphere to length 1, in place; z (n, d)."""
    for sphere in spheres:
        z[:, sphere] /= z[:, sphere].norm(dim=-1, keepdim=True)


def compare_samples(
    a: Tensor,
    b: Tensor,
    groups: Sequence[Sequence[int]],
) -> float:
    """Return how far two samples are apart: 1 is just significant.

    It is the largest of Kolmogorov-Smirnov's statistic of coordinates, random
    projections and norms of groups, and of the energy distance, each over its critical
    value.

    Args:
        a: (n, d).
        b: (m, d).
        groups: coordinates of each group.
    """
    centre, spread = find_centre_and_spread(torch.cat([a, b]))
    a = (a - centre) / spread
    b = (b - centre) / spread
    random = torch.randn(a.shape[-1], PROJECTIONS, dtype=a.dtype)
    axes = torch.eye(len(random))[:, :PROJECTIONS]
    directions = torch.cat([random / random.norm(dim=0), axes], dim=-1).to(a)
    wide = [list(group) for group in groups if len(group) > 1]

    def list_features(z: Tensor) -> list[Tensor]:
        norms = [z[:, group].norm(dim=-1) for group in wide]
        return [z.norm(dim=-1), *norms, *(z @ directions).T]

    distances = []
    for x, y in zip(list_features(a), list_features(b), strict=True):
        test = stats.ks_2samp(x.numpy(), y.numpy(), method="asymp")
        distances.append(float(test.statistic))
    effective = len(a) * len(b) / (len(a) + len(b))
    surprise = math.log(2 * len(distances) / FALSE_ALARM)
    critical = math.sqrt(surprise / (2 * effective))
    energy = compare_energy(a[:PAIRED], b[:PAIRED])
    return max(max(distances) / critical, energy)


def compare_energy(a: Tensor, b: Tensor) -> float:
    r"""Return the energy distance of two samples, over its critical value.

    With signs :math:`s = \pm 1` for the samples it is :math:`-s^T D s / n^2`, D the
    distances. Its null is a weighted sum of chi-squared variates; standardised, no such
    sum has heavier tails than a single one.

    References: Székely and Rizzo 2013, Energy statistics.

    Args:
        a: (n, d).
        b: (m, d).
    """
    n = min(len(a), len(b))
    both = torch.cat([a[:n], b[:n]])
    distances = torch.cdist(both, both)
    signs = torch.ones(PERMUTATIONS + 1, 2 * n, dtype=a.dtype)
    signs[0, n:] = -1
    for row in signs[1:]:
        row[torch.randperm(2 * n)[:n]] = -1
    values = -((signs @ distances) * signs).sum(-1)
    permuted = values[1:]
    score = float((values[0] - permuted.mean()) / permuted.std())
    critical = (stats.chi2.isf(FALSE_ALARM, 1) - 1) / math.sqrt(2)
    return score / float(critical)


def find_centre_and_spread(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return each column's median, and half the width of its middle 68%.

    Args:
        z: (n, d).

    Returns:
        Both (d,).
    """
    n = len(z)
    ordered = z.sort(dim=0).values
    low = ordered[int(0.16 * n)]
    high = ordered[int(0.84 * n)]
    return ordered[n // 2], ((high - low) / 2).clamp_min(1e-12)


def relative_difference(values: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to 1 + |expected|."""
    difference = (values - expected).abs() / (1 + expected.abs())
    return float(difference.detach().max())
