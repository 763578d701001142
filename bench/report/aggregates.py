r"""Each method by one number: means over all its β and seeds.

The interquartile mean is that of the middle half of all values: outliers do not move
it, as they do a mean, and it uses more of the values than a median does. Its interval
is the jackknife's over seeds, for the values of one seed at several β are not
independent: :math:`\bar p \pm t_{n-1} s_p / \sqrt n` of the pseudovalues
:math:`p_i = n\hat\theta - (n - 1)\hat\theta_{-i}`.

References: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the
statistical precipice"; Tukey 1958 (jackknife).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from priorbench.bench.report.comparisons import compute_t_interval
from priorbench.bench.report.study import Study

COLUMNS = (
    "score",
    "method",
    "seeds",
    "n",
    "mean",
    "median",
    "interquartile_mean",
    "low",
    "high",
)
CUT = 0.25
"""Share of the values that is left out at either end."""


def make_aggregate_table(study: Study, scores: Sequence[str]) -> pd.DataFrame:
    """Make a table with a row for each score and method.

    The values are those of all finished runs at the β that all methods have or, where
    there is none, at every β; see
    :meth:`~priorbench.bench.report.study.Study.list_shared_betas`.

    Columns: :data:`COLUMNS`; ``n`` values of ``seeds`` seeds; ``low`` and ``high`` are
    the 95% interval of the interquartile mean, blank with one seed.

    Args:
        study: the results.
        scores: their names.
    """
    rows = []
    for score in scores:
        shared = study.list_shared_betas(score)
        seeds: dict[str, dict[int, list[float]]] = {m: {} for m in study.methods}
        for result in study.results:
            value = result.scores.get(score, np.nan)
            if np.isfinite(value) and result.beta in shared:
                seeds[result.method].setdefault(result.seed, []).append(value)
        for method, found in seeds.items():
            if found:
                parts = [np.array(values) for values in found.values()]
                rows.append((score, method, len(parts), *_aggregate(parts)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _aggregate(parts: Sequence[np.ndarray]) -> tuple[float, ...]:
    values = np.concatenate(parts)
    middle, (low, high) = estimate_interquartile_mean(parts)
    return len(values), values.mean(), float(np.median(values)), middle, low, high


def average_middle(values: np.ndarray) -> float:
    """Return the mean of the middle half of values.

    The values at its edges count by the part of them that is inside, so that leaving
    one value out changes it little, whatever their number.

    Example:
        >>> average_middle(np.array([0.0, 1.0, 3.0, 100.0]))
        2.0
    """
    ends = np.linspace(0.0, 1.0, len(values) + 1).clip(CUT, 1 - CUT)
    return float(np.diff(ends) @ np.sort(values) / (1 - 2 * CUT))


def estimate_interquartile_mean(
    parts: Sequence[np.ndarray],
) -> tuple[float, tuple[float, float]]:
    """Return the interquartile mean of all values, and its 95% interval.

    Args:
        parts: the values of each seed; with one seed the interval is NaN.
    """
    middle = average_middle(np.concatenate(parts))
    n = len(parts)
    if n < 2:
        return middle, (np.nan, np.nan)
    without = [
        average_middle(np.concatenate([*parts[:i], *parts[i + 1 :]])) for i in range(n)
    ]
    pseudovalues = n * middle - (n - 1) * np.array(without)
    low, high = compute_t_interval(pseudovalues)
    return middle, (low, high)
