import numpy as np
import pytest
from sklearn.svm import LinearSVC

from priorbench.metrics.rows.linear_svm import fit_lines
from tests.metrics.published_cases import make_case

DRAW = np.random.default_rng(0)


def fit_liblinear(x, labels, dual, penalty=0.01):
    """Slopes and intercepts of scikit-learn, to its tightest tolerance."""
    model = LinearSVC(
        C=penalty,
        class_weight="balanced",
        dual=dual,
        tol=1e-10,
        max_iter=1_000_000,
    ).fit(x[:, None], labels)
    return model.coef_[:, 0], model.intercept_, model.predict(x[:, None])


@pytest.mark.parametrize("dual", [True, False])
@pytest.mark.parametrize("case", ["perfect", "noisy", "nonlinear", "noise", "constant"])
def test_the_optimum_is_liblinears(case, dual):
    case = make_case(f"small/{case}")
    x = case.z[case.train, 0]
    for values in case.factors[case.train].T:
        lines = fit_lines(x, values)
        slope, intercept, predicted = fit_liblinear(x, values, dual)
        np.testing.assert_allclose(lines.slope, slope, atol=1e-6)
        np.testing.assert_allclose(lines.intercept, intercept, atol=1e-6)
        if np.ptp(x) > 0:  # otherwise classes of equal size tie
            np.testing.assert_array_equal(lines.predict(x), predicted)


@pytest.mark.parametrize("penalty", [1e-4, 0.01, 10.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_two_classes_have_one_line(scale, penalty):
    labels = (DRAW.random(300) < 0.2).astype(np.int64)
    x = scale * (DRAW.standard_normal(300) + labels)
    lines = fit_lines(x, labels, penalty)
    slope, intercept, predicted = fit_liblinear(x, labels, False, penalty)
    np.testing.assert_allclose(lines.slope, [-slope[0], slope[0]], rtol=1e-5)
    np.testing.assert_allclose(lines.intercept[1], intercept[0], atol=1e-6)
    height = abs(slope[0] * x + intercept[0])
    far = height > 1e-3 * height.max()
    np.testing.assert_array_equal(lines.predict(x)[far], predicted[far])


def objective(x, y, weights, w, b):
    margins = np.maximum(0, 1 - y * (w * x + b))
    return (w * w + b * b) / 2 + (weights * margins**2).sum()


@pytest.mark.parametrize("shift", [0.0, 30.0, 1e4])
def test_no_step_improves_the_objective(shift):
    labels = DRAW.integers(0, 5, 400)
    x = DRAW.standard_normal(400) * np.exp(labels) + shift
    lines = fit_lines(x, labels, 0.3)
    for c in range(5):
        y = np.where(labels == c, 1.0, -1.0)
        weights = np.where(labels == c, 0.3 * 400 / (5 * (labels == c).sum()), 0.3)
        w, b = lines.slope[c], lines.intercept[c]
        best = objective(x, y, weights, w, b)
        for step in (1e-4, -1e-4):
            assert objective(x, y, weights, w + step / (1 + shift), b) > best
            assert objective(x, y, weights, w, b + step) > best


def test_order_of_the_rows_does_not_matter():
    x = DRAW.standard_normal(200).round(1)  # with equal values
    labels = DRAW.integers(0, 4, 200)
    order = DRAW.permutation(200)
    first, second = fit_lines(x, labels), fit_lines(x[order], labels[order])
    np.testing.assert_allclose(first.slope, second.slope, atol=1e-12)
    np.testing.assert_allclose(first.intercept, second.intercept, atol=1e-12)
