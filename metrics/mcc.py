"""The mean correlation coefficient of latents and factors."""

import numpy as np

from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.correlation import correlate_columns


@register("mcc", headline="mcc", needs=("factors",))
def mcc(codes: Codes) -> Scores:
    r"""Return the mean correlation of each factor with a latent of its own.

    .. math:: MCC = \max_\pi \frac1F \sum_k |\mathrm{corr}(z_{\pi(k)}, v_k)|

    over one-to-one assignments :math:`\pi` of latents to factors, over all data points;
    from 0 to 1. Where there are fewer latents than factors, a factor without a latent
    counts 0. Factors are taken as ordered: a code that permutes the values of a factor
    scores less than 1. Noise scores about :math:`N^{-1/2}`, constant codes 0; constant
    latents, the sign and order of latents, and copies of all data points change
    nothing.

    Spearman's correlation is that of the ranks, the mean rank where values are equal:
    any monotone code of a factor has 1. Coordinates of a circle or sphere depend on how
    it is turned; the score has no definition on groups.

    References: Hyvärinen and Morioka 2016; the score of nonlinear independent component
    analysis.

    Args:
        codes: of any posterior; its ``representation`` is read.

    Returns:
        ``mcc``, by Pearson's correlation, and ``mcc_spearman``, by Spearman's.

    Raises:
        ValueError: no factor can be counted.
    """
    counted = list_counted_factors(codes)
    z = codes.representation.cpu().numpy()
    values = codes.factors[:, counted].double().cpu().numpy()
    return {
        "mcc": _assign_best(correlate_columns(z, values)),
        "mcc_spearman": _assign_best(
            correlate_columns(_rank_columns(z), _rank_columns(values))
        ),
    }


def _rank_columns(x: np.ndarray) -> np.ndarray:
    """Return the ranks in each column, float64 (N, d); equal values have their mean."""
    ranks = np.empty(x.shape)
    for j, column in enumerate(x.T):
        _, position, counts = np.unique(column, return_inverse=True, return_counts=True)
        mean_ranks = counts.cumsum() - (counts - 1) / 2
        ranks[:, j] = mean_ranks[position]
    return ranks


def _assign_best(correlation: np.ndarray) -> float:
    """Return the largest sum of correlations (d, F) of pairs, divided by F."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    strength = np.abs(correlation)
    latents, factors = linear_sum_assignment(strength, maximize=True)
    return float(strength[latents, factors].sum() / strength.shape[1])
