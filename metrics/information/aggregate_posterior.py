"""The aggregate posterior: the exact mixture of the posteriors of all data points."""

import math

import torch
from torch import Tensor

from priorbench.priors.posteriors.base import Groups, Posterior
from priorbench.priors.posteriors.mixture import log_mixture

CHUNKS = {"cpu": (512, 2048), "cuda": (1024, 32768)}
"""Points z and data points that are taken at once, by the kind of device."""


def choose_chunk_sizes(posterior: Posterior) -> tuple[int, int]:
    """Return how many points z and how many data points are taken at once.

    They keep memory small, and on a CPU the cache sufficient.
    """
    return CHUNKS.get(posterior.params.device.type, CHUNKS["cuda"])


def log_aggregate(
    posterior: Posterior,
    z: Tensor,
    groups: Groups,
) -> tuple[Tensor, Tensor]:
    r"""Return the log density of the aggregate posterior, jointly and of each group.

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
        >>> q = Gaussian()(torch.zeros(3, 4))
        >>> joint, parts = log_aggregate(q, torch.zeros(1, 2), [[0, 1]])
        >>> torch.allclose(joint, parts[:, 0])
        True
    """
    num_points = len(posterior.params)
    some, many = choose_chunk_sizes(posterior)
    shape = 1 + len(groups), len(z)
    sums = z.new_full(shape, -math.inf, dtype=torch.float64)
    data = torch.arange(num_points, device=z.device)
    for rows in data.split(many):
        part = posterior[rows]
        for start in range(0, len(z), some):
            chunk = slice(start, start + some)
            joint, parts = log_mixture(part, z[chunk], groups, 0.0)
            both = torch.cat([joint[None], parts.T]).double()
            sums[:, chunk] = torch.logaddexp(sums[:, chunk], both)
    sums -= math.log(num_points)
    return sums[0], sums[1:].T
