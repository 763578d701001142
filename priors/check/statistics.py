"""Tests of samples against densities; false alarms are rarer than one in 10^5 checks."""

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

Density = Callable[[Tensor], Tensor]


def errors_off(values: Tensor, expected: Tensor | float = 0.0) -> float:
    """How far means are from what is expected, in standard errors: the largest of all.

    Args:
        values: independent draws along the last dimension, (..., n).
        expected: their means, (...).
    """
    mean = values.mean(-1)
    # differences of rounding size are none
    error = values.std(-1) / math.sqrt(values.shape[-1]) + 1e-7 * (
        1 + values.abs().mean(-1)
    )
    return float(((mean - expected).abs() / error).nan_to_num(nan=math.inf).max())


def test_mean_one(log_ratio: Tensor) -> tuple[float, float, bool]:
    """Mean of a ratio of densities less 1, its standard error, and whether that can be trusted.

    It cannot where one draw has more than 1% of all the weight, or where it is above 1% and the
    mean could still be 1.
    """
    ratio = log_ratio.exp()
    error = float(ratio.std()) / math.sqrt(len(ratio))
    off_by = float(ratio.mean()) - 1
    clear = error < 0.01 or abs(off_by) > 2 * ERRORS * error
    settled = clear and float(ratio.max() / ratio.sum()) < 0.01
    return off_by, error, settled or not math.isfinite(error)


def sample_by_rejection(z: Tensor, log_ratio: Tensor) -> Tensor:
    """Independent draws of a density from a proposal's, (n, d) -> (accepted, d).

    Args:
        z: the proposal's draws.
        log_ratio: density over proposal up to a constant, (n,); the largest stands for its bound.
    """
    return z[torch.rand(len(z)).log() < log_ratio - log_ratio.max()]


def move_by_metropolis(
    log_prob: Density, z: Tensor, spheres: Sequence[Sequence[int]], steps: int = 40
) -> Tensor:
    """Random-walk Metropolis steps: they leave the density's own draws in distribution alone.

    Steps on a sphere are projected back; by symmetry that is as likely there and back.

    Args:
        log_prob: z (n, d) -> (n,), nats; constants do not matter.
        z: draws that claim to be of the density, (n, d); each moves on its own.
        spheres: coordinates of each unit sphere.
        steps: number of steps.
    """
    _, spread = centre_and_spread(z)
    size = spread * 2.4 / math.sqrt(z.shape[-1])
    for sphere in spheres:
        size[sphere] = size[sphere].square().mean().sqrt()
    value = log_prob(z)
    for _ in range(steps):
        moved = z + size * torch.randn_like(z)
        for sphere in spheres:
            moved[:, sphere] /= moved[:, sphere].norm(dim=-1, keepdim=True)
        there = log_prob(moved)
        accept = torch.rand_like(value).log() < there - value
        z, value = (
            torch.where(accept[:, None], moved, z),
            torch.where(accept, there, value),
        )
    return z


def compare_samples(a: Tensor, b: Tensor, groups: Sequence[Sequence[int]]) -> float:
    """How far two samples, (n, d) and (m, d), are apart: 1 is just significant.

    The largest of Kolmogorov-Smirnov's statistic of coordinates, random projections and norms of
    groups, and of the energy distance, each over its critical value.
    """
    centre, spread = centre_and_spread(torch.cat([a, b]))
    a, b = (a - centre) / spread, (b - centre) / spread
    directions = torch.randn(a.shape[-1], 8, dtype=a.dtype)
    directions = torch.cat(
        [directions / directions.norm(dim=0), torch.eye(len(directions))[:, :8]], dim=-1
    )
    wide = [list(group) for group in groups if len(group) > 1]

    def features(z: Tensor) -> Tensor:
        norms = [z[:, group].norm(dim=-1) for group in wide]
        return torch.stack([z.norm(dim=-1), *norms, *(z @ directions.to(z)).T])

    distances = [
        stats.ks_2samp(x.numpy(), y.numpy(), method="asymp").statistic
        for x, y in zip(features(a), features(b), strict=True)
    ]
    effective = len(a) * len(b) / (len(a) + len(b))
    critical = math.sqrt(math.log(2 * len(distances) / FALSE_ALARM) / (2 * effective))
    return max(float(max(distances)) / critical, compare_energy(a[:PAIRED], b[:PAIRED]))


def compare_energy(a: Tensor, b: Tensor, permutations: int = 200) -> float:
    r"""Energy distance of two samples (n, d), over its critical value under permutation.

    With signs :math:`s = \pm 1` for the samples it is :math:`-s^T D s / n^2`, D the distances. Its
    null is a weighted sum of chi-squared variates; standardised, no such sum has heavier tails
    than a single one.

    References: Székely and Rizzo 2013, Energy statistics.
    """
    n = min(len(a), len(b))
    distances = torch.cdist(*[torch.cat([a[:n], b[:n]])] * 2)
    signs = torch.ones(permutations + 1, 2 * n, dtype=a.dtype)
    signs[0, n:] = -1
    for row in signs[1:]:
        row[torch.randperm(2 * n)[:n]] = -1
    values = -((signs @ distances) * signs).sum(-1)
    score = (values[0] - values[1:].mean()) / values[1:].std()
    return float(score / ((stats.chi2.isf(FALSE_ALARM, 1) - 1) / math.sqrt(2)))


def centre_and_spread(z: Tensor) -> tuple[Tensor, Tensor]:
    """Median and half the width of the middle 68% of each column, (n, d) -> (d,), (d,)."""
    n = len(z)
    ordered = z.sort(dim=0).values
    low, middle, high = ordered[int(0.16 * n)], ordered[n // 2], ordered[int(0.84 * n)]
    return middle, ((high - low) / 2).clamp_min(1e-12)
