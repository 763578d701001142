"""Correlations of codes with factors, over all data points."""

from collections.abc import Sequence

import numpy as np


def find_constant_columns(x: np.ndarray) -> np.ndarray:
    """Return which columns have one value, up to rounding.

    Args:
        x: float64 (N, d).

    Returns:
        bool (d,): whether the range of the column is at most 1e-9 of its largest
        absolute value.

    Example:
        >>> find_constant_columns(np.array([[0.0, 7.0], [1.0, 7.0]])).tolist()
        [False, True]
    """
    low = x.min(axis=0)
    high = x.max(axis=0)
    largest = np.maximum(abs(low), abs(high))
    return high - low <= 1e-9 * largest


def standardise_columns(x: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and variance 1; those that are constant become 0.

    Args:
        x: float64 (N, d).

    Example:
        >>> standardise_columns(np.array([[0.0, 7.0], [2.0, 7.0]])).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    deviation = x.std(axis=0)
    deviation[find_constant_columns(x)] = np.inf
    centred = x - x.mean(axis=0)
    centred /= deviation
    return centred


def whiten_columns(x: np.ndarray) -> np.ndarray:
    """Return uncorrelated columns of mean 0 and variance 1 that span the same space.

    An invertible linear map of x turns them, and changes nothing else.

    Args:
        x: float64 (N, d).

    Returns:
        float64 (N, r), r the rank of the columns of x less their means, up to rounding.

    Example:
        >>> x = np.array([[0.0, 7.0, 0.0], [2.0, 7.0, 1.0]])
        >>> abs(whiten_columns(x)).round(9).tolist()
        [[1.0], [1.0]]
    """
    standardised = standardise_columns(x)
    correlation = standardised.T @ standardised / len(x)
    variance, axes = np.linalg.eigh(correlation)
    kept = variance > 1e-12
    scaled_axes = axes[:, kept] / np.sqrt(variance[kept])
    return standardised @ scaled_axes


def correlate_columns(
    x: np.ndarray,
    y: np.ndarray,
) -> np.ndarray:
    """Return Pearson's correlation of each column of x with each of y, (d, F).

    It is 0 for a constant column.

    Args:
        x: float64 (N, d).
        y: float64 (N, F).

    Example:
        >>> x = np.array([[0.0, 7.0], [2.0, 7.0]])
        >>> correlate_columns(x, np.array([[1.0], [0.0]])).tolist()
        [[-1.0], [0.0]]
    """
    first = standardise_columns(x)
    second = standardise_columns(y)
    correlation = first.T @ second
    correlation /= len(x)
    return correlation.clip(-1.0, 1.0)


def explain_targets(
    x: np.ndarray,
    targets: Sequence[np.ndarray],
    groups: Sequence[Sequence[int]],
) -> np.ndarray:
    r"""Return the part of each target's variance that each group explains linearly.

    .. math:: R^2_{gk} = \frac{\mathrm{tr}(C_{kg} C_{gg}^+ C_{gk})}{\mathrm{tr}\,C_{kk}}

    with covariances C of the coordinates of group g and the T columns of target k; the
    ordinary (multiple) R² where T is 1. It does not change when the coordinates of a
    group are turned, nor when the columns of a target are.

    Args:
        x: float64 (N, d).
        targets: of each of F factors, float64 (N, T); not all columns constant.
        groups: columns of x in each group.

    Returns:
        (groups, F), from 0 to 1.

    Example:
        >>> angle = np.arange(4) * np.pi / 2
        >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> explain_targets(circle, [circle], [[0, 1], [1]]).round(9).tolist()
        [[1.0], [0.5]]
    """
    count = len(x)
    x = standardise_columns(x)
    explained = np.empty((len(groups), len(targets)))
    centred = [target - target.mean(axis=0) for target in targets]
    totals = [np.square(target).sum() / count for target in centred]
    for g, group in enumerate(groups):
        coordinates = x[:, list(group)]
        covariance = coordinates.T @ coordinates / count
        inverse = np.linalg.pinv(covariance, rcond=1e-10, hermitian=True)
        for k, target in enumerate(centred):
            shared = coordinates.T @ target / count
            predicted = inverse @ shared
            explained[g, k] = (shared * predicted).sum() / totals[k]
    return explained.clip(0.0, 1.0)
