"""Accuracy of logistic regressions of each factor."""

from collections.abc import Sequence

import numpy as np

from priorbench.metrics.arguments import Count
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.rows.penalised_logistic import fit_logistic
from priorbench.metrics.rows.probes import score_probe


@register("linear_probe", headline="linear_probe_1000", needs=("factors",))
def linear_probe(
    codes: Codes,
    labels: Sequence[Count] = (100, 1_000, 10_000),
    num_test: Count = 5_000,
) -> Scores:
    r"""Return how well logistic regressions predict the factors, from 0 to 1.

    .. math:: \frac1F \sum_k \frac1m \sum_{i=1}^m [\hat v_{ik} = v_{ik}]

    for a multinomial logistic regression of each factor on all standardised codes, see
    :mod:`priorbench.metrics.rows.penalised_logistic`, trained with n labels and tested
    on m other data points. Noise and constant codes score about the mean share of the
    factors' most frequent values, 0.12 on dSprites. The scores say what a user of the
    representation gets from few labels, not whether it is disentangled: a rotation
    changes them by the penalty only. On a line, regressions cannot tell all middle
    values of a factor apart, so that a perfect code stays below 1. Constant latents and
    the order and sign of latents change nothing. Groups need no column of their own,
    for all coordinates are read.

    References: Locatello et al. 2019, section 5.5, who train with 10 to 10,000 labels.

    Args:
        codes: of any posterior; its ``representation`` is read.
        labels: numbers n of labels. Those that there are not enough data points for are
            left out.
        num_test: m, data points that the accuracy is of.

    Returns:
        ``linear_probe_<n>`` for each n, the mean over the factors, with its standard
        error over the test points ``linear_probe_<n>_se``; ``linear_probe_accuracies``
        (labels, F), of each factor that is counted.

    Raises:
        ValueError: there are not enough data points for any n, no factor can be
            counted, or an argument is out of its range.
    """
    return score_probe(codes, predict_linearly, labels, num_test, "linear_probe")


def predict_linearly(
    train_codes: np.ndarray,
    train_values: np.ndarray,
    test_codes: np.ndarray,
) -> np.ndarray:
    """Return the values (m, F) that a logistic regression of each factor predicts.

    Of a factor with one value among the labels it predicts that value. Arguments are
    those of :data:`priorbench.metrics.rows.probes.Probe`.
    """
    predicted = np.empty((len(test_codes), train_values.shape[1]), dtype=np.int64)
    for f, values in enumerate(train_values.T):
        if np.ptp(values) > 0:
            predicted[:, f] = fit_logistic(train_codes, values).predict(test_codes)
        else:
            predicted[:, f] = values[0]
    return predicted
