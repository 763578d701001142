import numpy as np
import pytest
import torch

from priorbench.metrics import sap
from priorbench.metrics.rows.linear_svm import fit_lines
from tests.metrics.published_cases import list_values, make_case


def find_gap(case):
    """The score of a case's own training and test rows."""
    train, test = case.train, case.test
    gaps = []
    for values in case.factors.T:
        hits = [
            fit_lines(z[train], values[train]).predict(z[test]) == values[test]
            for z in case.z.T
        ]
        second, first = np.sort(np.mean(hits, axis=1))[-2:]
        gaps.append(first - second)
    return np.mean(gaps)


@pytest.mark.parametrize("published", list_values("sap_discrete"))
def test_published_values(published):
    gap = find_gap(make_case(published.case))
    published.check(gap)
    published.check(gap, 1e-4)


def test_rows_are_drawn_by_the_metric(make_codes, grid):
    v = grid(3, 4).repeat(50, 1)
    loc = torch.cat([torch.tensor([0.0, 5.0, 30.0]).double()[v[:, :1]], v[:, 1:]], 1)
    scores = sap(make_codes(loc, 1.0, v, (3, 4)), penalty=100.0)
    assert scores["sap_accuracy"].shape == (2, 2)
    assert scores["sap_accuracy"][0, 0] == 1.0
    gaps = (scores["sap_accuracy"][0] - scores["sap_accuracy"][1]).abs()
    assert scores["sap"] == pytest.approx(gaps.mean().item())


def test_a_perfect_code_of_many_values_scores_low(make_codes, grid):
    v = grid(3, 40)
    loc = (v - v.double().mean(0)) / v.double().std(0)
    assert sap(make_codes(loc, 1.0, v, (3, 40)))["sap"] < 0.5


def test_the_standard_error_is_zero_where_nothing_is_gained(make_codes, grid):
    v = grid(3, 4).repeat(5, 1)
    scores = sap(make_codes(v[:, [0, 1, 0, 1]], 1.0, v, (3, 4)))
    assert scores["sap"] == scores["sap_se"] == 0


def test_too_few_rows(make_codes):
    codes = make_codes([[0.0], [1.0]], 1.0, torch.tensor([[0], [1]]), (2,))
    with pytest.raises(ValueError, match="must vary among the 1 training rows"):
        sap(codes)
    with pytest.raises(ValueError, match="'num_test' must be at least 1"):
        sap(codes, num_test=0)
