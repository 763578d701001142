import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from priorbench.metrics.rows.logistic_regression import regress_classes


@pytest.mark.parametrize("num_classes", [2, 5])
def test_losses_are_those_of_scikit_learn(num_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, 400)
    x = rng.standard_normal((400, 3))
    x[:, 0] += labels
    weights = rng.random(400)
    model = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000)
    model.fit(x, labels, sample_weight=weights * 400)
    expected = -model.predict_log_proba(x)[np.arange(400), labels]
    losses = regress_classes(x, labels, weights / weights.sum())
    np.testing.assert_allclose(losses, expected, atol=2e-5)


def test_without_inputs_the_weights_decide():
    labels = np.array([0, 0, 0, 1])
    losses = regress_classes(np.zeros((4, 0)), labels, np.array([1, 1, 1, 3]) / 6)
    np.testing.assert_allclose(losses, np.log(2), atol=1e-6)
