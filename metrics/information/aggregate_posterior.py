"""The aggregate posterior, the exact mixture of the posteriors of all data points."""

import math

import torch
from torch import Tensor

from priorbench.priors.posteriors.mixture import log_mixture
from priorbench.priors.posteriors.base import Groups, Posterior

BLOCK = {"cpu": (512, 2048), "cuda": (1024, 32768)}


def choose_block_sizes(posterior: Posterior) -> tuple[int, int]:
    """Sizes of the blocks of z and of data points that keep memory, and on a CPU cache, small."""
    return BLOCK.get(posterior.params.device.type, BLOCK["cuda"])


def log_aggregate(
    posterior: Posterior, z: Tensor, groups: Groups
) -> tuple[Tensor, Tensor]:
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
        >>> from priorbench.priors import Gaussian
        >>> joint, groups = log_aggregate(Gaussian(torch.zeros(3, 4)), torch.zeros(1, 2), [[0, 1]])
        >>> torch.allclose(joint, groups[:, 0])
        True
    """
    some, many = choose_block_sizes(posterior)
    num_points = len(posterior.params)
    sums = z.new_full((len(groups) + 1, len(z)), -math.inf, dtype=torch.float64)
    for rows in torch.arange(num_points, device=z.device).split(many):
        part = posterior[rows]
        for start in range(0, len(z), some):
            block = slice(start, start + some)
            joint, parts = log_mixture(part, z[block], groups, 0.0)
            found = torch.cat([joint[None], parts.T]).double()
            sums[:, block] = torch.logaddexp(sums[:, block], found)
    sums -= math.log(num_points)
    return sums[0], sums[1:].T
