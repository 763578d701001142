"""The separated attribute predictability score, by linear support vector machines."""

import numpy as np
import torch

from priorbench.metrics.arguments import Count, Positive, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import compute_gaps
from priorbench.metrics.rows.linear_svm import fit_lines
from priorbench.metrics.rows.split import SplitRows


@register("sap", headline="sap", needs=("factors",))
def sap(
    codes: Codes,
    num_train: Sample = 10_000,
    num_test: Count = 5_000,
    penalty: Positive = 0.01,
) -> Scores:
    r"""Return the gap between the two latents that best predict each factor.

    .. math:: SAP = \frac1F \sum_k (S_{(1)k} - S_{(2)k})

    with :math:`S_{jk}` the test accuracy of a linear support vector machine that
    predicts the value of factor k from latent j alone, from 0 to 1. It is 0 at chance,
    for constant codes and for codes in two copies. The lines are the optimum that
    scikit-learn approaches, see :mod:`priorbench.metrics.rows.linear_svm`.

    A perfect code does not score 1: lines cannot mark the middle values of a factor, so
    that it scores 0.25 on dSprites. The score depends on the scale of the codes, and an
    invertible code that spreads the values unevenly can beat a perfect one. ``sap_r2``
    has none of this, but takes factors as ordered. A constant latent has the accuracy
    of one class and may be the second. With one latent there is no second: it counts
    as one of accuracy 0, as in :func:`priorbench.metrics.mig.mig`.

    Published: Kumar et al. 2018, section 3, balanced accuracy for discrete factors and
    R² for continuous ones; disentanglement_lib (Locatello et al. 2019) takes the plain
    accuracy for all factors, as here. The group of a circle or sphere has no column
    here: ``sap_r2_groups`` has.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_train: rows that the lines are fitted to, drawn without replacement; of
            disentanglement_lib, which draws with replacement.
        num_test: other rows, on which the accuracy is measured.
        penalty: C, the weight of the losses against the squared slope; of
            disentanglement_lib.

    Returns:
        ``sap``, and ``sap_se``, its standard error over the test rows for the lines and
        the top two latents held fixed; ``sap_accuracy``, S of the factors that are
        counted, (latent_dim, factors).

    Raises:
        ValueError: there are too few rows, or no factor that is counted varies among
            the training rows.
    """
    rows = SplitRows.from_codes(codes, num_train, num_test)
    latent_dim, num_factors = rows.train_codes.shape[1], len(rows.factors)
    accuracy = np.empty((latent_dim, num_factors))
    # of each test row, averaged over the factors
    gaps = np.zeros(len(rows.test_codes))
    for k in range(num_factors):
        values, labels = np.unique(rows.train_values[:, k], return_inverse=True)
        hits = []
        for train, test in zip(rows.train_codes.T, rows.test_codes.T, strict=True):
            predicted = values[fit_lines(train, labels, penalty).predict(test)]
            hits.append(predicted == rows.test_values[:, k])
        accuracy[:, k] = np.mean(hits, axis=1)
        best, *others = np.argsort(-accuracy[:, k], kind="stable")
        gaps += hits[best] / num_factors
        if others:
            gaps -= hits[others[0]] / num_factors
    scores = torch.from_numpy(accuracy)
    gap = compute_gaps(scores, torch.ones(num_factors, dtype=torch.float64))
    return {
        "sap": gap.mean().item(),
        "sap_se": float(gaps.std() / len(gaps) ** 0.5),
        "sap_accuracy": scores,
    }
