"""The score of FactorVAE: which latent varies least where a factor is held fixed."""

from collections.abc import Sequence

import numpy as np

from priorbench.metrics.arguments import Count, NonNegative, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.partitions import list_partitions

VOTES_AT_ONCE = 1_000
"""Votes of which the rows are in memory at the same time."""

TIE = 1e-9
"""Difference of relative variances below which the first latent gets the vote."""


@register("factor_vae", headline="factor_vae", needs=("factors",))
def factor_vae(
    codes: Codes,
    num_rows: Sample = 64,
    num_train: Sample = 10_000,
    num_test: Count = 5_000,
    min_deviation: NonNegative = 0.05,
) -> Scores:
    r"""Return how well the latent that varies least tells which factor is fixed.

    For each vote a factor k and a value of it are drawn, and L data points that have
    it, all uniformly and with replacement. The latent that varies least among them,

    .. math:: j^* = \mathrm{arg\,min}_j \frac{\mathrm{Var}_L(z_j)}{\mathrm{Var}_N(z_j)},

    votes for k. Each latent stands for the factor that most of its training votes are
    for; the score is the share of test votes that this tells right, from 0 to 1. Noise
    scores about 1/F, the chance level, somewhat more where few data points share a
    value. The factors need not be a complete grid.

    It is 1 for many codes that mix factors, rotated ones among them. Latents with a
    standard deviation below ``min_deviation`` take no part; where none is left the
    score is 0. Latents that vary equally little, up to rounding, vote by their order.
    Constant latents and copies of all data points change nothing but by chance; values
    of factors may be relabelled.

    A group of coordinates has the ratio of total variances,

    .. math:: \frac{\sum_{j \in g} \mathrm{Var}_L(z_j)}
        {\sum_{j \in g} \mathrm{Var}_N(z_j)},

    which a rotation inside it leaves as it is.

    References: Kim and Mnih 2018, section 4 and appendix B. Their latents without
    information are left out by their posterior's variance, disentanglement_lib's
    (Locatello et al. 2019) by the standard deviation of the means, as here; Carbonneau
    et al. rescale the score so that chance is 0.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_rows: L >= 2, data points of a vote.
        num_train: votes that say which factor a latent stands for.
        num_test: votes of which the score is taken.
        min_deviation: standard deviation of a latent (of a group, the root of its total
            variance) from which on it takes part, in the latent's unit. This and the
            numbers are disentanglement_lib's.

    Returns:
        ``factor_vae`` and its standard error ``factor_vae_se``; ``factor_vae_groups``
        and ``factor_vae_groups_se`` where there are two groups or more, of which one
        has more than one coordinate. With one factor there is nothing to tell: no score
        is returned.

    Raises:
        ValueError: a number is too small, or no factor can be counted.
    """
    least = {"num_rows": 2, "num_train": 1, "num_test": 1}
    given = {"num_rows": num_rows, "num_train": num_train, "num_test": num_test}
    for name, number in given.items():
        if number < least[name]:
            raise ValueError(f"{name!r} must be at least {least[name]}; got {number}")
    counted = list_counted_factors(codes)
    if len(counted) < 2:
        return {}
    z = codes.representation.cpu().numpy()
    values = codes.factors[:, counted].cpu().numpy()
    generator = np.random.default_rng(codes.seed)
    num_votes = num_train + num_test
    fixed, local = _draw_votes(z, values, num_votes, num_rows, generator)
    overall = z.var(axis=0, ddof=1)
    scores: Scores = {}
    for ending, groups in list_partitions(codes).items():
        local_total = _sum_groups(local, groups)
        overall_total = _sum_groups(overall, groups)
        deviation = np.sqrt(overall_total)
        active = (deviation >= min_deviation) & (deviation > 0)
        accuracy = 0.0
        if active.any():
            ratio = local_total[:, active] / overall_total[active]
            accuracy = _score_votes(fixed, ratio, num_train)
        variance = accuracy * (1 - accuracy) / num_test
        scores[f"factor_vae{ending}"] = accuracy
        scores[f"factor_vae{ending}_se"] = variance**0.5
    return scores


def _draw_votes(
    z: np.ndarray,
    values: np.ndarray,
    num_votes: int,
    num_rows: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor that each vote holds fixed, and the variances of its rows.

    Args:
        z: float64 (N, d).
        values: of the factors, int64 (N, F).
        num_votes: V.
        num_rows: data points of a vote.
        generator: of the draws.

    Returns:
        int64 (V,), and float64 (V, d).
    """
    num_points, num_factors = values.shape
    # the rows of each value of a factor are a run in the order of that factor
    orders, starts, sizes, num_runs = [], [], [], []
    for k, column in enumerate(values.T):
        narrow = column.astype(np.min_scalar_type(column.max()))
        orders.append(np.argsort(narrow, kind="stable"))
        counts = np.bincount(column)
        begins = counts.cumsum() - counts
        occurs = counts > 0
        starts.append(k * num_points + begins[occurs])
        sizes.append(counts[occurs])
        num_runs.append(occurs.sum())
    order = np.concatenate(orders)
    first_run = np.cumsum([0, *num_runs])

    fixed = generator.integers(num_factors, size=num_votes)
    run = first_run[fixed] + generator.integers(np.array(num_runs)[fixed])
    start = np.concatenate(starts)[run]
    size = np.concatenate(sizes)[run]
    local = np.empty((num_votes, z.shape[1]))
    for votes in np.split(
        np.arange(num_votes), range(VOTES_AT_ONCE, num_votes, VOTES_AT_ONCE)
    ):
        shares = generator.random((len(votes), num_rows))
        steps = (shares * size[votes, None]).astype(np.int64)
        rows = order[start[votes, None] + steps]
        drawn = z.take(rows, axis=0)
        local[votes] = drawn.var(axis=1, ddof=1)
    return fixed, local


def _sum_groups(variance: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the total variance of each group, (..., groups), of latents' (..., d)."""
    totals = [variance[..., list(group)].sum(axis=-1) for group in groups]
    return np.stack(totals, axis=-1)


def _score_votes(fixed: np.ndarray, ratio: np.ndarray, num_train: int) -> float:
    """Return the share of test votes that the training votes' majority tells right.

    Args:
        fixed: factor that each vote holds fixed, int64 (V,).
        ratio: relative variance of each code among its rows, (V, codes).
        num_train: votes that are trained on; the others are tested.
    """
    least = ratio.min(axis=1, keepdims=True)
    voter = (ratio <= least + TIE).argmax(axis=1)
    votes = np.zeros((ratio.shape[1], fixed.max() + 1))
    np.add.at(votes, (voter[:num_train], fixed[:num_train]), 1)
    factor_of_code = votes.argmax(axis=1)
    right = factor_of_code[voter] == fixed
    return float(right[num_train:].mean())
