"""Disentanglement, completeness and informativeness from trees that predict factors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from priorbench.metrics.base import Codes, Scores
from priorbench.metrics.information.importances import (
    importance_completeness,
    importance_disentanglement,
    sum_over_groups,
)
from priorbench.metrics.rows.accuracy import mean_accuracy
from priorbench.metrics.rows.partitions import list_partitions
from priorbench.metrics.rows.split import SplitRows

FitTrees = Callable[[np.ndarray, np.ndarray], tuple[Any, np.ndarray]]
"""Of codes (n, d) and values (n,): a classifier and its importances (d,), from 0."""


FORMULAS = {
    "disentanglement": importance_disentanglement,
    "completeness": importance_completeness,
}
"""Scores of a matrix of importances, by the word in the column."""


def score_trees(
    codes: Codes, rows: SplitRows, fit_trees: FitTrees, name: str
) -> Scores:
    """Return the scores of classifiers of each factor from all codes.

    The importances of each factor add up to 1, or are all 0.

    Args:
        codes: with the prior's groups.
        rows: to train and to test on.
        fit_trees: fits the classifier of one factor.
        name: what the columns begin with.

    Returns:
        ``<name>_disentanglement`` and ``<name>_completeness`` of the latents, and the
        same with ``_groups`` at the end where groups are scored too; a score that is
        not defined is left out. ``<name>_informativeness``, the accuracy among the
        test rows, averaged over the factors, with its standard error
        ``<name>_informativeness_se``. ``<name>_importances`` (d, F), of the factors
        that are counted.
    """
    importances = []
    correct = []
    for f in range(len(rows.factors)):
        classifier, importance = fit_trees(rows.train_codes, rows.train_values[:, f])
        total = importance.sum()
        importances.append(importance / total if total > 0 else importance)
        predicted = classifier.predict(rows.test_codes)
        correct.append(predicted == rows.test_values[:, f])
    matrix = torch.from_numpy(np.stack(importances, axis=1))
    scores: Scores = {}
    for ending, groups in list_partitions(codes).items():
        of_codes = sum_over_groups(matrix, groups)
        for score, formula in FORMULAS.items():
            value = formula(of_codes)
            # the importances of a single code are all 1, whatever it knows
            if value is not None and len(groups) > 1:
                scores[f"{name}_{score}{ending}"] = value
    accuracy, error = mean_accuracy(np.stack(correct, axis=1))
    scores[f"{name}_informativeness"] = accuracy
    scores[f"{name}_informativeness_se"] = error
    scores[f"{name}_importances"] = matrix
    return scores
