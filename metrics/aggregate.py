"""The aggregate posterior, the exact mixture of the posteriors of all data points."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from priors.posteriors import LOG_2PI, Gaussian, Groups, Posterior

FLOOR = -80.0
"""Log density ratios below are raised to it: e^-80 counts nothing, and where exp underflows it
takes many times longer."""

BLOCK = {"cpu": (512, 2048), "cuda": (1024, 32768)}


def blocks(posterior: Posterior) -> tuple[int, int]:
    """Sizes of the blocks of z and of data points that keep memory, and on a CPU cache, small."""
    return BLOCK.get(posterior.params.device.type, BLOCK["cuda"])


def pairwise_log_prob(posterior: Posterior, z: Tensor, groups: Groups) -> Iterator[Tensor]:
    """Log density of every z under every posterior, one group at a time.

    Args:
        posterior: of N data points.
        z: S points (S, latent_dim).
        groups: coordinates of each group.

    Yields:
        log q(z_g | x), (S, N), in nats, for each group g.

    Example:
        >>> q = Gaussian(torch.zeros(3, 4))
        >>> [block.shape for block in pairwise_log_prob(q, torch.zeros(5, 2), [[0], [1]])]
        [torch.Size([5, 3]), torch.Size([5, 3])]
    """
    if isinstance(posterior, Gaussian):
        yield from (_gaussian_pairs(posterior, z, list(group)) for group in groups)
    else:
        yield from posterior[None].log_prob_groups(z[:, None], groups).unbind(-1)


def _gaussian_pairs(posterior: Gaussian, z: Tensor, group: list[int]) -> Tensor:
    """Log density of one group, (S, N), summed coordinate by coordinate to save memory."""
    loc, log_scale = posterior.loc[:, group].T, posterior.log_scale[:, group].T.contiguous()
    constant = -log_scale.sum(0) - 0.5 * len(group) * LOG_2PI
    precision = torch.exp(-log_scale)
    total: Tensor = constant
    for row, j in enumerate(group):
        standardised = (z[:, j, None] - loc[row].contiguous()).mul_(precision[row])
        total = torch.addcmul(total, standardised, standardised, value=-0.5)
    return total


def log_aggregate(posterior: Posterior, z: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
    r"""Log density of the aggregate posterior, jointly and of each group.

    .. math:: \log q(z) = \log \sum_n \prod_g q(z_g | x_n) - \log N, \qquad
        \log q(z_g) = \log \sum_n q(z_g | x_n) - \log N

    The weight 1/N counts once for a group, however many coordinates it has.

    Args:
        posterior: of the N data points that make the mixture.
        z: S points (S, latent_dim).
        groups: coordinates of each group; the posterior factorises over them.

    Returns:
        log q(z), (S,), and log q(z_g), (S, groups); in nats, float64.

    Example:
        >>> joint, groups = log_aggregate(Gaussian(torch.zeros(3, 4)), torch.zeros(1, 2), [[0, 1]])
        >>> torch.allclose(joint, groups[:, 0])
        True
    """
    some, many = blocks(posterior)
    num_points = len(posterior.params)
    sums = z.new_full((len(groups) + 1, len(z)), -math.inf, dtype=torch.float64)
    for rows in torch.arange(num_points, device=z.device).split(many):
        part = posterior[rows]
        for start in range(0, len(z), some):
            block = slice(start, start + some)
            _add(sums[:, block], pairwise_log_prob(part, z[block], groups))
    sums -= math.log(num_points)
    return sums[0], sums[1:].T


def _add(sums: Tensor, log_probs: Iterator[Tensor]) -> None:
    """Add to ``sums`` (1 + groups, S) the joint mixture and that of each group, in log space."""
    joint: Tensor | float = 0.0
    for row, log_prob in enumerate(log_probs, start=1):
        joint = joint + log_prob
        sums[row] = torch.logaddexp(sums[row], _logsumexp(log_prob))
    sums[0] = torch.logaddexp(sums[0], _logsumexp(joint))


def _logsumexp(log_prob: Tensor) -> Tensor:
    """Log of the sum of exponentials, (S, N) -> float64 (S,)."""
    peak = log_prob.amax(1, keepdim=True)
    ratio = (log_prob - peak).clamp_(min=FLOOR).exp_()
    return ratio.sum(1).double().log() + peak[:, 0].double()
