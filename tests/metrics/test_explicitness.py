from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import minmax_scale

from priorbench.metrics import explicitness
from priorbench.metrics.explicitness import score_explicitness
from priorbench.metrics.rows.roc_curve import one_vs_rest_auc
from priorbench.metrics.rows.split import SplitRows
from tests.metrics.published_cases import list_values, make_case


def list_by_speed(metric, *words):
    """Values as parameters; those of the large grid are slow."""
    marked = []
    for value in list_values(metric, *words):
        slow = pytest.mark.slow if "large" in value.id else ()
        marked.append(pytest.param(*value.values, id=value.id, marks=slow))
    return marked


def split_case(case, training=False):
    rows = SplitRows.from_codes(case.make_codes(), 10_000, 5_000)
    if not training:
        return rows
    return replace(rows, test_codes=rows.train_codes, test_values=rows.train_values)


def average_areas(probabilities, values):
    is_class = values[:, None] == np.unique(values)
    return one_vs_rest_auc(probabilities, is_class)[0].mean()


@pytest.mark.parametrize("published", list_by_speed("explicitness_test", "1.9.1"))
def test_published_values(published):
    codes = make_case(published.case).make_codes()
    published.check(explicitness(codes)["explicitness"], tolerance=1e-8)


@pytest.mark.parametrize("published", list_by_speed("explicitness_train", "1.9.1"))
def test_published_values_of_training_rows(published):
    rows = split_case(make_case(published.case), training=True)
    published.check(score_explicitness(rows)[0], tolerance=1e-8)


@pytest.mark.parametrize(
    "published",
    [
        *list_values("explicitness_test", "0.20.3"),
        *list_values("explicitness_train", "0.20.3"),
    ],
)
def test_old_regressions_are_one_against_the_rest(published):
    training = published.metric == "explicitness_train"
    rows = split_case(make_case(published.case), training).standardise()
    areas = []
    for train_values, values in zip(
        rows.train_values.T, rows.test_values.T, strict=True
    ):
        classifier = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
        classifier.fit(rows.train_codes, train_values)
        probabilities = classifier.predict_proba(rows.test_codes)
        areas.append(average_areas(probabilities, values))
    published.check(np.mean(areas), tolerance=1e-8)


@pytest.mark.parametrize(
    "published",
    [
        *list_values("explicitness_test", failed=True),
        *list_values("explicitness_train", failed=True),
    ],
)
def test_constant_codes_are_no_failure(published):
    # published code divides by their standard deviation of 0
    assert "ValueError" in published.details["error"]
    grid, _, recipe = published.case.partition("/")
    if grid == "large":
        return
    score = explicitness(make_case(published.case).make_codes())["explicitness"]
    if recipe == "constant":
        assert score == 0.5
    else:
        perfect = make_case(f"{grid}/perfect").make_codes()
        assert recipe == "padded"
        assert score == explicitness(perfect)["explicitness"]


@pytest.mark.parametrize("published", list_by_speed("ubisoft_explicitness"))
def test_balanced_regressions_of_scaled_codes(published):
    # 2 AUC - 1 of the rows that are trained on, one value against the others
    case = make_case(published.case)
    x = minmax_scale(case.z)
    areas = []
    for values in case.factors.T:
        regression = LogisticRegression(class_weight="balanced", max_iter=1_000)
        classifier = OneVsRestClassifier(regression).fit(x, values)
        areas.append(average_areas(classifier.predict_proba(x), values))
    published.check(2 * np.mean(areas) - 1)


def test_rotations_are_not_seen():
    codes = make_case("small/rotated_random").make_codes()
    assert explicitness(codes)["explicitness"] == pytest.approx(1, abs=1e-6)


def test_values_of_no_training_row_do_not_count(make_codes):
    v = torch.arange(60)[:, None] % 3
    rows = SplitRows.from_codes(make_codes(v, 1.0, v, (4,)), 40, 20)
    score, _ = score_explicitness(rows)
    unseen = rows.test_values.copy()
    unseen[0] = 3
    assert score_explicitness(replace(rows, test_values=unseen))[0] > 0.9 * score


def test_test_rows_of_one_value_are_refused(make_codes):
    v = torch.arange(60)[:, None] % 2
    rows = SplitRows.from_codes(make_codes(v, 1.0, v, (2,)), 40, 20)
    constant = replace(rows, test_values=np.zeros_like(rows.test_values))
    with pytest.raises(ValueError, match="do not vary among the 20 test rows"):
        score_explicitness(constant)
