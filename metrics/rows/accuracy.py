"""Accuracy of predictions of several factors, with its standard error."""

import math

import numpy as np


def mean_accuracy(correct: np.ndarray) -> tuple[float, float]:
    r"""Return the mean accuracy over factors and its standard error.

    .. math:: a = \frac1n \sum_i a_i, \quad
        \mathrm{se} = \sqrt{\frac{\sum_i (a_i - a)^2}{n (n - 1)}}

    with a_i the share of the factors that are predicted rightly of test row i, so that
    errors of several factors that fall on the same rows count as they should. It is the
    error of the test rows; that of the training rows is not in it.

    Args:
        correct: whether each prediction is right, bool (n, F) or (n,).

    Returns:
        a and its standard error; 0 for a single row.

    Example:
        >>> accuracy, error = mean_accuracy(np.array([[True, False], [True, True]]))
        >>> accuracy, error
        (0.75, 0.25)
    """
    per_row = correct.reshape(len(correct), -1).mean(axis=1)
    accuracy = float(per_row.mean())
    if len(per_row) < 2:
        return accuracy, 0.0
    error = per_row.std(ddof=1) / math.sqrt(len(per_row))
    return accuracy, float(error)
