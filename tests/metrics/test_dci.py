from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from priorbench.metrics import Codes, dci
from priorbench.metrics.information.importances import (
    importance_completeness,
    importance_disentanglement,
)
from priorbench.metrics.rows.boosted_trees import score_trees
from priorbench.metrics.rows.split import SplitRows
from tests.metrics.published_cases import list_values, make_case

FAST = ("small/noisy", "small/constant", "small/shared")


def list_by_speed(metric, *words):
    """Values as parameters; trees of the other cases are slow."""
    marked = []
    for value in list_values(metric, *words):
        slow = () if value.values[0].case in FAST else pytest.mark.slow
        marked.append(pytest.param(*value.values, id=value.id, marks=slow))
    return marked


@cache
def score_case(name):
    return dci(make_case(name).make_codes())


@cache
def score_training_rows(name):
    """The accuracy among the rows that the trees are trained on."""
    from sklearn.ensemble import GradientBoostingClassifier

    def fit_trees(codes, values):
        trees = GradientBoostingClassifier(random_state=0).fit(codes, values)
        return trees, trees.feature_importances_

    codes = make_case(name).make_codes()
    rows = SplitRows.from_codes(codes, 10_000, 5_000)
    same = replace(rows, test_codes=rows.train_codes, test_values=rows.train_values)
    return score_trees(codes, same, fit_trees, "dci")["dci_informativeness"]


@pytest.mark.parametrize("published", list_by_speed("dci_disentanglement"))
def test_published_disentanglement(published):
    published.check(score_case(published.case)["dci_disentanglement"])


@pytest.mark.parametrize("published", list_by_speed("dci_completeness"))
def test_published_completeness(published):
    published.check(score_case(published.case)["dci_completeness"])


@pytest.mark.parametrize("published", list_by_speed("dci_informativeness_test"))
def test_published_informativeness(published):
    published.check(score_case(published.case)["dci_informativeness"])


@pytest.mark.parametrize("published", list_by_speed("dci_informativeness_train"))
def test_published_informativeness_of_training_rows(published):
    published.check(score_training_rows(published.case))


@pytest.mark.parametrize(
    "published", list_values("dci_completeness", "0.20.3", failed=True)
)
def test_old_trees_have_no_importances_of_constant_codes(published):
    # 0/0 in scikit-learn 0.20, and 0 since
    assert published.case == "small/constant"
    assert published.details["error"] == "NaN"
    assert score_case(published.case)["dci_completeness"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("published", list_values("dci_groups"))
def test_circles_are_one_code(published):
    scores = dci(make_case(published.case).make_codes(grouped=True))
    published.check(
        [scores["dci_disentanglement_groups"], scores["dci_completeness_groups"]]
    )
    assert scores["dci_completeness"] < 0.92


def test_groups(make_codes, grid):
    v = grid(2, 3, 2).repeat(20, 1)
    angle = 2.0 * v[:, 1]
    loc = torch.stack([v[:, 0], angle.cos(), angle.sin(), v[:, 2]], dim=1)

    def score_groups(groups):
        return dci(make_codes(loc, 1.0, v, (2, 3, 2), groups=groups))

    apart = score_groups([[0], [1], [2], [3]])
    together = score_groups([[0], [1, 2], [3]])
    assert not any("groups" in column for column in apart)
    assert together["dci_disentanglement_groups"] == pytest.approx(1, abs=1e-6)
    assert together["dci_completeness_groups"] == pytest.approx(1, abs=1e-6)
    assert together["dci_completeness"] == apart["dci_completeness"] < 0.95
    whole = score_groups([[0, 1, 2, 3]])
    assert not any("groups" in column for column in whole)


def test_importances_are_kept(make_codes, grid):
    v = grid(2, 3).repeat(20, 1)
    scores = dci(make_codes(v[:, [1, 0, 0]], 1.0, v, (2, 3)))
    importances = scores["dci_importances"]
    assert importances.shape == (3, 2)
    torch.testing.assert_close(importances.sum(0), torch.ones(2).double())
    assert importances[0, 1] == pytest.approx(1)


@cache
def fit_lasso(name):
    """|coefficients| (d, F) and 1 - 12 MSE (F,) of Lasso as Carbonneau et al. have it."""
    from sklearn.linear_model import Lasso
    from sklearn.model_selection import cross_val_score
    from sklearn.preprocessing import minmax_scale

    case = make_case(name)
    x = minmax_scale(case.z)
    importances = []
    informativeness = []
    for y in minmax_scale(case.factors.astype(float)).T:

        def find_loss(alpha, y=y):
            model = Lasso(alpha=alpha, max_iter=5_000)
            scoring = "neg_mean_squared_error"
            return -cross_val_score(model, x, y, cv=10, scoring=scoring).mean()

        # constant codes have the same loss at every strength: the first is taken
        alpha = min((0.0001, 0.001, 0.01, 0.1), key=find_loss)
        model = Lasso(alpha=alpha, max_iter=5_000).fit(x, y)
        importances.append(np.abs(model.coef_))
        error = np.square(model.predict(x) - y).mean()
        informativeness.append(max(0, 1 - 12 * error))
    return torch.tensor(np.array(importances).T), informativeness


@pytest.mark.parametrize("published", list_values("ubisoft_dci_lasso_disentanglement"))
def test_lasso_disentanglement(published):
    importances, _ = fit_lasso(published.case)
    published.check(importance_disentanglement(importances))


@pytest.mark.parametrize("published", list_values("ubisoft_dci_lasso_completeness"))
def test_lasso_completeness(published):
    # the plain mean over factors, 0 for one that no code is important for
    importances, _ = fit_lasso(published.case)
    of_factors = [importance_completeness(column[:, None]) for column in importances.T]
    published.check(np.mean(of_factors))


@pytest.mark.parametrize("published", list_values("ubisoft_dci_lasso_informativeness"))
def test_lasso_informativeness(published):
    _, informativeness = fit_lasso(published.case)
    published.check(np.mean(informativeness))


def fit_forests(name):
    """Importances (d, F) and 1 - 12 MSE (F,) of deep regression forests."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import minmax_scale

    case = make_case(name)
    x = minmax_scale(case.z)
    importances = []
    informativeness = []
    # their settings are cross-validated: on noise the trees stay flat
    depth = 8 if case.name.endswith("noise") else 10
    for y in minmax_scale(case.factors.astype(float)).T:
        forest = RandomForestRegressor(
            n_estimators=30, max_depth=depth, max_features=0.9, random_state=0
        )
        forest.fit(x, y)
        importances.append(forest.feature_importances_)
        error = np.square(forest.predict(x) - y).mean()
        informativeness.append(max(0, 1 - 12 * error))
    return torch.tensor(np.array(importances).T), informativeness


@pytest.mark.slow
@pytest.mark.parametrize(
    "score", ["disentanglement", "completeness", "informativeness"]
)
def test_forests(score):
    for parameter in list_values(f"ubisoft_dci_random_forest_{score}"):
        (published,) = parameter.values
        importances, informativeness = fit_forests(published.case)
        scores = {
            "disentanglement": importance_disentanglement(importances),
            "completeness": importance_completeness(importances),
            "informativeness": np.mean(informativeness),
        }
        published.check(scores[score])


def test_codes_without_densities():
    case = make_case("small/constant")
    scores = dci(Codes.from_arrays(case.z, case.factors))
    assert scores["dci_informativeness"] == pytest.approx(0.21458, abs=1e-4)
