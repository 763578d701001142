import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from priorbench.metrics import dci_fast
from priorbench.metrics.dci_fast import sum_gains
from tests.metrics.published_cases import make_case


@pytest.mark.parametrize(
    ("name", "disentanglement", "completeness"),
    [
        ("small/perfect", 1.000, 1.000),
        ("small/noisy", 0.643, 0.646),
        ("small/noise", 0.006, 0.007),
        pytest.param("large/noisy", 0.619, 0.627, marks=pytest.mark.slow),
        pytest.param("large/vae_like", 0.571, 0.588, marks=pytest.mark.slow),
    ],
)
def test_known_values(name, disentanglement, completeness):
    scores = dci_fast(make_case(name).make_codes())
    assert scores["dci_fast_disentanglement"] == pytest.approx(
        disentanglement, abs=1e-3
    )
    assert scores["dci_fast_completeness"] == pytest.approx(completeness, abs=1e-3)


@pytest.mark.parametrize("name", ["small/circle", "small/circle_turned"])
def test_circles_are_one_code(name):
    scores = dci_fast(make_case(name).make_codes(grouped=True))
    assert scores["dci_fast_disentanglement_groups"] == pytest.approx(1, abs=1e-4)
    assert scores["dci_fast_completeness_groups"] == pytest.approx(1, abs=1e-4)
    assert scores["dci_fast_completeness"] < 0.93


def test_gains_are_those_of_the_splits():
    # two rounds of one stump each: no split but one, on the only code that varies
    x = np.array([[7.0, 0.0], [7.0, 0.0], [7.0, 1.0], [7.0, 1.0]])
    y = np.array([0, 0, 1, 1])
    settings = {"learning_rate": 1.0, "max_depth": 1, "min_samples_leaf": 1}
    trees = HistGradientBoostingClassifier(max_iter=1, **settings).fit(x, y)
    # gradients are -1/2 or 1/2 and Hessians 1/4: each leaf has 1 ** 2 / (2 / 4)
    np.testing.assert_allclose(sum_gains(trees, 2), [0, 4], rtol=1e-5)
    more = HistGradientBoostingClassifier(max_iter=3, **settings).fit(x, y)
    gains = sum_gains(more, 2)
    assert gains[0] == 0
    assert gains[1] > 4


def test_importances_are_kept(make_codes, grid):
    v = grid(2, 3).repeat(20, 1)
    scores = dci_fast(make_codes(v[:, [1, 0, 0]], 1.0, v, (2, 3)))
    importances = scores["dci_fast_importances"]
    assert importances.shape == (3, 2)
    torch.testing.assert_close(importances.sum(0), torch.ones(2).double())
    assert importances[0, 1] == pytest.approx(1, abs=1e-4)
