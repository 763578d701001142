"""Mutual information of groups of latents and factors, from samples."""

import torch
from torch import Tensor

from priorbench.metrics.information.aggregate_posterior import choose_chunk_sizes
from priorbench.metrics.information.factor_table import FactorTable
from priorbench.priors.numerics.special import FLOOR
from priorbench.priors.posteriors.base import Groups, Posterior

CEILING = 650.0
"""Log ratios above this count as this much: a sum over all data must not overflow."""


def information_terms(
    posterior: Posterior,
    z: Tensor,
    table: FactorTable,
    groups: Groups,
    index: Tensor,
) -> Tensor:
    r"""Return terms whose mean estimates the mutual information of groups with factors.

    .. math:: I(z_g; v) = E[\log q(z_g | v) - \log q(z_g)], \qquad
        q(z_g | v) = \frac{1}{N_v} \sum_{n: v_n = v} q(z_g | x_n)

    Both mixtures run over all data points, in one pass; their weight counts once for a
    group. The sums are relative to the posterior that z was drawn from: each sum that
    is used holds a one and cannot underflow, and float64 leaves room for posteriors
    that are e^650 times denser.

    Args:
        posterior: of N data points.
        z: one draw of each, (N, latent_dim).
        table: factor values of the N data points.
        groups: coordinates of each group.
        index: the S data points with the draws that are averaged, (S,).

    Returns:
        (S, groups, F), in nats, float64.

    Example:
        >>> from priorbench.priors import Gaussian
        >>> q = Gaussian()(torch.tensor([[-9.0, 0.0], [9.0, 0.0]]))
        >>> table = FactorTable.from_factors(torch.tensor([[0], [1]]), [2])
        >>> terms = information_terms(q, q.loc, table, [[0]], torch.arange(2))
        >>> terms.mean(0)
        tensor([[0.6931]], dtype=torch.float64)
    """
    num_points = len(z)
    num_groups = len(groups)
    draws = z[index]
    shift = posterior[index].log_prob_groups(draws, groups)
    num_values = len(table.counts)
    sums = table.counts.new_zeros(len(draws), num_groups, num_values)
    some, many = choose_chunk_sizes(posterior)
    data = torch.arange(num_points, device=z.device)
    for rows in data.split(many):
        part = posterior[rows]
        indicators = table.indicate_values(rows)
        for start in range(0, len(draws), some):
            chunk = slice(start, start + some)
            pairs = part.log_prob_pairs(draws[chunk], groups)
            for g, log_prob in enumerate(pairs):
                log_ratio = log_prob - shift[chunk, g, None]
                ratio = log_ratio.clamp_(FLOOR, CEILING).double().exp_()
                sums[chunk, g] += ratio @ indicators
    columns = table.columns[index]
    own = columns[:, None].expand(-1, num_groups, -1)
    conditional = sums.gather(-1, own) / table.counts[own]
    marginal = table.sum_over_data(sums) / num_points
    return conditional.log() - marginal.log()[..., None]


def standard_error(terms: Tensor) -> Tensor:
    """Return the standard error of the mean over the first dimension.

    It is 0 where there is one term or none.
    """
    if len(terms) < 2:
        return terms.new_zeros(terms.shape[1:])
    return terms.std(0) / len(terms) ** 0.5
