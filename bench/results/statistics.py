"""Statistics of a setting over its seeds."""

import numpy as np
from scipy import stats

STATISTICS = ("mean", "median", "se", "ci_low", "ci_high", "n")
LEVEL = 0.95
MANY = 20
"""Seeds from which the bootstrap's interval holds."""

RESAMPLES = 4999
SEED = 0
_CHUNK = 1000


def summarise_columns(values: np.ndarray) -> dict[str, np.ndarray]:
    r"""Compute each column's statistics over the ``n`` rows where it is finite.

    ``se`` is :math:`\hat\sigma / \sqrt n` with :math:`n - 1` in :math:`\hat\sigma`;
    ``ci_low`` and ``ci_high`` are the 95% interval of the mean: Student's t with fewer
    than :data:`MANY` rows, of which the percentile bootstrap's would be too narrow, and
    that with more, with a fixed seed. One row gives no standard error and no interval
    (NaN); equal rows give themselves.

    References: Efron and Tibshirani 1993, chapter 13.

    Shape: values (seeds, scores) -> each of :data:`STATISTICS` (scores,).

    Example:
        >>> summary = summarise_columns(np.array([[1.0], [2.0], [6.0]]))
        >>> summary["mean"], summary["median"]
        (array([3.]), array([2.]))
    """
    summary = {name: np.full(values.shape[1], np.nan) for name in STATISTICS}
    finite = np.isfinite(values)
    summary["n"] = finite.sum(axis=0)
    for pattern in {column.tobytes() for column in finite.T}:
        rows = np.frombuffer(pattern, dtype=bool)
        if not rows.any():
            continue
        same = (finite == rows[:, None]).all(axis=0)
        columns = np.flatnonzero(same)
        complete = _summarise_complete(values[np.ix_(rows, columns)])
        for name, statistic in complete.items():
            summary[name][columns] = statistic
    return summary


def _summarise_complete(values: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the statistics of columns that are finite in every row."""
    low = values.min(axis=0)
    high = values.max(axis=0)
    summary = {
        "mean": np.clip(values.mean(axis=0), low, high),
        "median": np.median(values, axis=0),
    }
    n = len(values)
    if n > 1:
        spread = np.where(low == high, 0.0, values.std(axis=0, ddof=1))
        summary["se"] = spread / np.sqrt(n)
        tail = (1 - LEVEL) / 2
        if n < MANY:
            reach = stats.t.ppf(1 - tail, n - 1) * summary["se"]
            interval = summary["mean"] - reach, summary["mean"] + reach
        else:
            means = draw_bootstrap_means(values)
            # equal values as they are, free of the resampled sums' rounding
            interval = np.clip(np.quantile(means, [tail, 1 - tail], axis=0), low, high)
        summary["ci_low"], summary["ci_high"] = interval
    return summary


def draw_bootstrap_means(values: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Draw the means of ``resamples`` resamples of the rows, the same for all columns.

    A resample is how often each row was drawn, so its mean is one matrix product.

    Shape: values (seeds, scores) -> (resamples, scores).
    """
    generator = np.random.default_rng(SEED)
    n = len(values)
    equal = np.full(n, 1 / n)
    means = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = generator.multinomial(n, equal, size=size)
        means.append(drawn @ values / n)
    return np.concatenate(means)
