"""The multinomial logistic regression of scikit-learn, with its penalty."""

import warnings
from typing import Any

import numpy as np


def fit_logistic(codes: np.ndarray, values: np.ndarray) -> Any:
    r"""Return a fitted classifier with scikit-learn's defaults.

    .. math:: \min_{W, b} \tfrac12 \|W\|^2
        - \sum_i \log \mathrm{softmax}(W x_i + b)_{y_i}

    by at most 100 steps of L-BFGS from 0; for two classes the binary regression. They
    are the settings of disentanglement_lib.

    Args:
        codes: x, float64 (n, d).
        values: y, int64 (n,), at least two different ones.

    Returns:
        ``sklearn.linear_model.LogisticRegression``.
    """
    from sklearn.exceptions import ConvergenceWarning  # takes a second to import
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classifier = LogisticRegression()
    # threads that wait for each other are slow where cores are shared
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(codes, values)
