import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from priorbench.metrics.rows.roc_curve import one_vs_rest_auc


def draw_scores(rng, num_rows=400, num_classes=5):
    labels = rng.integers(0, num_classes, num_rows)
    is_class = labels[:, None] == np.arange(num_classes)
    # rounded, so that many are tied
    scores = np.round(is_class + rng.standard_normal(is_class.shape), 1)
    return scores, is_class


def test_area_is_that_of_scikit_learn():
    scores, is_class = draw_scores(np.random.default_rng(0))
    areas, _ = one_vs_rest_auc(scores, is_class)
    expected = roc_auc_score(is_class, scores, average=None)
    np.testing.assert_allclose(areas, expected, atol=1e-12)


def test_extremes():
    is_class = np.array([[True], [True], [False]])
    scores = np.array([[2.0], [1.0], [0.0]])
    assert one_vs_rest_auc(scores, is_class)[0] == 1
    assert one_vs_rest_auc(-scores, is_class)[0] == 0
    assert one_vs_rest_auc(0 * scores, is_class)[0] == 0.5


def test_influences_give_the_spread_of_a_mean():
    rng = np.random.default_rng(1)
    means = []
    variances = []
    for _ in range(300):
        areas, influences = one_vs_rest_auc(*draw_scores(rng))
        means.append(areas.mean())
        variances.append(np.square(influences.mean(axis=1)).sum())
    assert np.sqrt(np.mean(variances)) == pytest.approx(np.std(means), rel=0.12)
    np.testing.assert_allclose(influences.sum(axis=0), 0, atol=1e-12)
