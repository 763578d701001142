"""Explicitness: how well logistic regressions tell each value of a factor."""

import math

import numpy as np

from priorbench.metrics.arguments import Count, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.rows.penalised_logistic import fit_logistic
from priorbench.metrics.rows.roc_curve import one_vs_rest_auc
from priorbench.metrics.rows.split import SplitRows


@register("explicitness", headline="explicitness", needs=("factors",))
def explicitness(
    codes: Codes, num_train: Sample = 10_000, num_test: Count = 5_000
) -> Scores:
    r"""Return the mean area under the ROC curve of logistic regressions, from 0 to 1.

    .. math:: \frac1F \sum_k \frac{1}{n_k} \sum_v \mathrm{AUC}_{kv}

    with AUC_kv the area for value v of factor k against its other values, by the
    probability that a multinomial logistic regression on all standardised codes gives
    to v, among the test rows. Chance is 0.5, and constant codes score it. It says
    whether a factor can be read off linearly, not where from: rotations leave it as it
    is up to the penalty, and it comes close to 1 for most codes that keep the factors.
    Groups need no column of their own, for all coordinates are read. Constant latents,
    and relabelled values of factors, change nothing.

    Settings are those of disentanglement_lib, see
    :mod:`priorbench.metrics.rows.penalised_logistic`, which breaks down on constant
    codes. With scikit-learn before 0.22 its regressions are one against the rest, which
    changes scores by up to 0.06. Others report 2 AUC - 1, of balanced regressions on
    the training rows (Carbonneau et al. 2022). References: Ridgeway and Mozer 2018,
    section 3; Locatello et al. 2019.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_train: data points that the regressions are fitted to.
        num_test: other data points, that the areas are of. Where there are too few for
            both, all are shared out in this ratio.

    Returns:
        ``explicitness``, and ``explicitness_se``, its standard error over the test rows
        for the fitted regressions (DeLong et al. 1988). Values that do not occur among
        the training rows do not count, nor do those of no or all test rows.

    Raises:
        ValueError: no factor can be counted, or none varies among the training rows, or
            among the test rows.
    """
    rows = SplitRows.from_codes(codes, num_train, num_test)
    score, error = score_explicitness(rows)
    return {"explicitness": score, "explicitness_se": error}


def score_explicitness(rows: SplitRows) -> tuple[float, float]:
    """Return the explicitness of the test rows and its standard error.

    Raises:
        ValueError: no factor that is counted varies among the test rows.
    """
    rows = rows.standardise()
    areas = []
    influences = []
    for f in range(len(rows.factors)):
        classifier = fit_logistic(rows.train_codes, rows.train_values[:, f])
        is_class = rows.test_values[:, [f]] == classifier.classes_
        counted = is_class.any(axis=0) & ~is_class.all(axis=0)
        if counted.any():
            probabilities = classifier.predict_proba(rows.test_codes)
            of_values, of_rows = one_vs_rest_auc(
                probabilities[:, counted], is_class[:, counted]
            )
            areas.append(of_values.mean())
            influences.append(of_rows.mean(axis=1))
    if not areas:
        raise ValueError(
            f"'factors' do not vary among the {len(rows.test_codes)} test rows"
        )
    of_mean = np.mean(influences, axis=0)
    return float(np.mean(areas)), math.sqrt(np.square(of_mean).sum())
