"""Classifiers of each factor from all codes, trained with few labels and with many."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from priorbench.metrics.base import Codes, Scores
from priorbench.metrics.rows.accuracy import mean_accuracy
from priorbench.metrics.rows.split import SplitRows

Probe = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Of training codes (n, d), their values (n, F) and test codes (m, d): the values that
it predicts, (m, F)."""


def score_probe(
    codes: Codes,
    probe: Probe,
    labels: Sequence[int],
    num_test: int,
    name: str,
) -> Scores:
    """Return the accuracy of a probe among test rows, for each number of labels.

    The labelled rows are drawn without replacement, fewer labels from among more. Codes
    are standardised by the training rows of the largest number of labels: the encoder
    gives codes of unlabelled images too.

    Args:
        codes: of any posterior; its ``representation`` is read.
        probe: trains on labelled codes and predicts.
        labels: numbers of labelled rows, >= 1. Those that there are not enough rows for
            are left out.
        num_test: other rows, that the accuracies are of. Where there are too few, all
            rows are shared out in the ratio of the largest number of labels to this.
        name: what the columns begin with.

    Returns:
        ``<name>_<labels>``, the accuracy averaged over the factors, with its standard
        error ``<name>_<labels>_se`` over the test rows; and ``<name>_accuracies``, of
        each number of labels and counted factor, (labels, F).

    Raises:
        ValueError: ``labels`` is not a list of numbers >= 1, there are not enough rows
            for any of them, or no factor can be counted.
    """
    if not labels or min(labels) < 1:
        raise ValueError(f"'labels' must be one or more numbers >= 1; got {labels}")
    rows = SplitRows.from_codes(codes, max(labels), num_test).standardise()
    num_train = len(rows.train_codes)
    enough = [count for count in sorted(set(labels)) if count <= num_train]
    if not enough:
        raise ValueError(
            f"'labels' must have a number of at most {num_train}, the training rows "
            f"that there are; got {labels}"
        )
    scores: Scores = {}
    accuracies = []
    for count in enough:
        predicted = probe(
            rows.train_codes[:count], rows.train_values[:count], rows.test_codes
        )
        correct = predicted == rows.test_values
        accuracy, error = mean_accuracy(correct)
        scores[f"{name}_{count}"] = accuracy
        scores[f"{name}_{count}_se"] = error
        accuracies.append(correct.mean(axis=0))
    scores[f"{name}_accuracies"] = torch.from_numpy(np.stack(accuracies))
    return scores
