"""The interventional robustness score."""

from collections.abc import Sequence

import numpy as np
import torch

from priorbench.metrics.arguments import Count, Sample, Share
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.discrete import assign_bins
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.correlation import find_constant_columns
from priorbench.metrics.rows.partitions import list_partitions


@register("irs", headline="irs", needs=("factors",))
def irs(
    codes: Codes,
    num_samples: Sample = 10_000,
    quantile: Share = 0.99,
    num_bins: Count | None = None,
    num_draws: Count = 8,
) -> Scores:
    r"""Return how little each latent moves while the factor that it follows is fixed.

    .. math:: IRS_j = 1 - \min_k \frac{1}{n_k} \sum_v
        \frac{Q_{v_k = v} |z_j - E[z_j | v_k = v]|}{\max |z_j - E z_j|}

    with :math:`Q` the ``quantile`` among the data points of a value; the score is the
    mean over latents that vary, weighted by the denominator, from 0 to 1. A code of one
    factor for each latent scores 1, and so do its copies and any relabelling of its
    values; where no latent varies the score is 0. Constant latents and the order and
    sign of latents change nothing.

    Noise scores far above 0, and how far depends on the number of data points and on
    the quantile: with dSprites' factors 0.38 for the defaults, 0.41 at 500 data points
    and 0.44 at 100,000. Read it beside the score of noise of the same shape only.

    Of groups, the absolute deviation is the Euclidean (chord) norm of the group's
    coordinates, which a rotation inside the group leaves as it is.

    Published: Suter et al. 2019 take the maximum, ``quantile=1``; disentanglement_lib
    (Locatello et al. 2019) the quantile 0.99, and bins the factors to 20 values
    (``num_bins=20``), which merges those of a factor of more, so that a perfect code
    may score less than 1.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_samples: data points, drawn without replacement; all, once, if there are no
            more.
        quantile: of the deviations, above 0 and at most 1.
        num_bins: bins of equal width that the values of a factor are put into; None
            leaves them.
        num_draws: draws of data points, over which the score is averaged; one is made
            if all are taken.

    Returns:
        ``irs``; its standard error over the draws ``irs_se``, 0 if all data points are
        taken; ``irs_groups`` and ``irs_groups_se`` where a group has more than one
        coordinate.

    Raises:
        ValueError: no factor can be counted, or an argument is out of its range.
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"'quantile' must be above 0 and at most 1; got {quantile}")
    for name, number in {"num_samples": num_samples, "num_draws": num_draws}.items():
        if number < 2:
            raise ValueError(f"{name!r} must be at least 2; got {number}")
    factors = codes.factors[:, list_counted_factors(codes)].cpu()
    if num_bins is not None:
        columns = [assign_bins(column.double(), num_bins) for column in factors.T]
        factors = torch.stack(columns, dim=1)
    z = codes.representation.cpu().numpy()
    if len(z) <= num_samples:
        draws = [np.arange(len(z))]
    else:
        generator = np.random.default_rng(codes.seed)
        draws = [
            generator.choice(len(z), num_samples, replace=False)
            for _ in range(num_draws)
        ]
    scores: Scores = {}
    for ending, groups in list_partitions(codes, least_groups=1).items():
        found = [
            score_robustness(z[rows], factors[rows].numpy(), groups, quantile)
            for rows in draws
        ]
        spread = np.std(found, ddof=1) if len(found) > 1 else 0.0
        scores[f"irs{ending}"] = float(np.mean(found))
        scores[f"irs{ending}_se"] = float(spread / len(found) ** 0.5)
    return scores


def score_robustness(
    z: np.ndarray,
    factors: np.ndarray,
    groups: Sequence[Sequence[int]],
    quantile: float,
) -> float:
    """Return the score of one set of data points, see :func:`irs`.

    Args:
        z: float64 (N, d).
        factors: values of the factors that are counted, int64 (N, F).
        groups: coordinates of each group.
        quantile: of the deviations.

    Example:
        >>> score_robustness(np.eye(2), np.array([[0], [1]]), [[0], [1]], 1.0)
        1.0
    """
    constant = find_constant_columns(z)
    varying = [group for group in groups if not constant[list(group)].all()]
    if not varying:
        return 0.0
    largest = _measure_deviations(z, varying).max(axis=0)
    within = np.empty((len(varying), factors.shape[1]))
    for k, values in enumerate(factors.T):
        order = np.argsort(values, kind="stable")
        ends = np.bincount(values).cumsum()[:-1]
        parts = [rows for rows in np.split(order, ends) if len(rows)]
        deviations = [
            np.quantile(_measure_deviations(z[rows], varying), quantile, axis=0)
            for rows in parts
        ]
        within[:, k] = np.mean(deviations, axis=0)
    # beyond 1 only where the mean of a value is far from that of all
    moved = (within.min(axis=1) / largest).clip(max=1.0)
    return float(np.average(1 - moved, weights=largest))


def _measure_deviations(z: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the distance of each row from the mean in each group, (N, groups)."""
    squares = np.square(z - z.mean(axis=0))
    totals = [squares[:, list(group)].sum(axis=1) for group in groups]
    return np.sqrt(np.stack(totals, axis=1))
