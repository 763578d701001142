"""Mutual information of groups of latents and factors, from samples."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.metrics.information.aggregate_posterior import choose_block_sizes
from priorbench.metrics.information.factor_table import cell_counts, cell_index, one_hot
from priorbench.priors.posteriors.base import Groups, Posterior
from priorbench.priors.numerics.special import FLOOR

CEILING = 650.0
"""Log ratios above this count as this much: a sum over all data points must not overflow."""


def information_terms(
    posterior: Posterior,
    z: Tensor,
    factors: Tensor,
    factor_sizes: Sequence[int],
    groups: Groups,
    index: Tensor,
) -> Tensor:
    r"""Terms whose mean estimates the mutual information of each group with each factor.

    .. math:: I(z_g; v) = E[\log q(z_g | v) - \log q(z_g)], \qquad
        q(z_g | v) = \frac{1}{N_v} \sum_{n: v_n = v} q(z_g | x_n)

    Both mixtures run over all data points, in one pass; their weight counts once for a group.

    Args:
        posterior: of N data points.
        z: one draw of each, (N, latent_dim).
        factors: values, int64 (N, F), each from 0 to its size - 1.
        factor_sizes: F sizes.
        groups: coordinates of each group.
        index: the S data points whose draws are averaged, (S,).

    Returns:
        (S, groups, F), in nats, float64.

    Example:
        >>> from priorbench.priors.posteriors.base import Gaussian
        >>> q = Gaussian(torch.tensor([[-9.0, 0.0], [9.0, 0.0]]))
        >>> terms = information_terms(q, q.loc, torch.tensor([[0], [1]]), [2], [[0]],
        ...                           torch.arange(2))
        >>> terms.mean(0)
        tensor([[0.6931]], dtype=torch.float64)
    """
    cells = cell_index(factors, factor_sizes)
    counts = cell_counts(cells, sum(factor_sizes))
    sums = _sum_cells(posterior, z[index], cells, len(counts), groups, index)
    marginal = sums[..., : factor_sizes[0]].sum(-1, keepdim=True) / len(z)
    own = cells[index][:, None].expand(-1, len(groups), -1)
    conditional = sums.gather(-1, own) / counts[own]
    return conditional.log() - marginal.log()


def _sum_cells(
    posterior: Posterior,
    z: Tensor,
    cells: Tensor,
    num_cells: int,
    groups: Groups,
    index: Tensor,
) -> Tensor:
    """Sum over each cell of q(z_g | x_n) / q(z_g | x_s), (S, groups, num_cells).

    Relative to the posterior that z was drawn from, every sum that is read holds a one: it
    cannot underflow, and float64 leaves room for posteriors that are e^650 times denser.
    """
    shift = posterior[index].log_prob_groups(z, groups)
    some, many = choose_block_sizes(posterior)
    sums = torch.zeros(
        len(z), len(groups), num_cells, dtype=torch.float64, device=z.device
    )
    for rows in torch.arange(len(cells), device=z.device).split(many):
        part, table = posterior[rows], one_hot(cells[rows], num_cells)
        for start in range(0, len(z), some):
            block = slice(start, start + some)
            for g, log_prob in enumerate(part.log_prob_pairs(z[block], groups)):
                ratio = (
                    (log_prob - shift[block, g, None])
                    .clamp_(FLOOR, CEILING)
                    .double()
                    .exp_()
                )
                sums[block, g] += ratio @ table
    return sums


def standard_error(terms: Tensor) -> Tensor:
    """Standard error of the mean over the first dimension; 0 where there is one term or none."""
    if len(terms) < 2:
        return terms.new_zeros(terms.shape[1:])
    return terms.std(0) / len(terms) ** 0.5
