import math

import pytest
import torch

from priorbench.metrics.information.importances import (
    importance_completeness,
    importance_disentanglement,
    sum_over_groups,
)


def test_one_code_for_each_factor_scores_one():
    matrix = torch.eye(4).double()
    assert importance_disentanglement(matrix) == 1
    assert importance_completeness(matrix) == 1


def test_even_importances_score_zero():
    matrix = torch.ones(3, 5)
    assert importance_disentanglement(matrix) == pytest.approx(0, abs=1e-12)
    assert importance_completeness(matrix) == pytest.approx(0, abs=1e-12)


def test_two_factors_in_one_code():
    matrix = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    # half of the importance is that of a code with entropy log 2 of log 4
    assert importance_disentanglement(matrix) == pytest.approx(0.75)
    assert importance_completeness(matrix) == pytest.approx(1)


def test_one_factor_in_two_codes_each():
    matrix = torch.eye(4).repeat(2, 1) / 2
    assert importance_disentanglement(matrix) == pytest.approx(1)
    expected = 1 - math.log(2) / math.log(8)
    assert importance_completeness(matrix) == pytest.approx(expected)


def test_weights_are_shares_of_the_importance():
    # the second code, which is shared, has 2 of 5; the second factor has 3 of 5
    matrix = torch.tensor([[1.0, 2.0], [1.0, 1.0]])
    entropy = math.log(3) - 2 / 3 * math.log(2)
    expected = 3 / 5 * (1 - entropy / math.log(2))
    assert importance_disentanglement(matrix) == pytest.approx(expected)
    assert importance_completeness(matrix) == pytest.approx(expected)


def test_scale_and_order_change_nothing():
    matrix = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)).double()
    order = torch.tensor([3, 1, 4, 0, 2])
    for formula in (importance_disentanglement, importance_completeness):
        expected = pytest.approx(formula(matrix), abs=1e-12)
        assert formula(7 * matrix) == expected
        assert formula(matrix[order]) == expected
        assert formula(matrix[:, [2, 0, 1]]) == expected


def test_codes_of_no_importance_raise_completeness_only():
    matrix = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).double()
    padded = torch.cat([matrix, torch.zeros(2, 3)])
    d, c = importance_disentanglement(matrix), importance_completeness(matrix)
    assert importance_disentanglement(padded) == pytest.approx(d, abs=1e-12)
    assert 1 - importance_completeness(padded) == pytest.approx(
        (1 - c) * math.log(4) / math.log(6)
    )


def test_no_importance_scores_zero():
    assert importance_disentanglement(torch.zeros(3, 2)) == 0
    assert importance_completeness(torch.zeros(3, 2)) == 0


def test_factors_of_no_importance_do_not_count():
    matrix = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert importance_disentanglement(matrix) == 1
    assert importance_completeness(matrix) == 1


def test_scores_that_do_not_exist():
    assert importance_disentanglement(torch.ones(3, 1)) is None
    assert importance_completeness(torch.ones(1, 3)) is None
    assert importance_completeness(torch.ones(3, 1)) == pytest.approx(0, abs=1e-12)
    assert importance_disentanglement(torch.ones(1, 3)) == pytest.approx(0, abs=1e-12)


def test_groups_have_the_sum_of_their_importances():
    matrix = torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.0, 0.25]])
    summed = sum_over_groups(matrix, [[2, 1], [0]])
    assert summed.tolist() == [[0.0, 0.75], [1.0, 0.0]]


def test_zeros_that_rounding_made_negative_are_zeros():
    importances = torch.tensor([[0.5, 0.5], [-1e-17, 1.0]])
    assert importance_completeness(importances) == pytest.approx(
        importance_completeness(importances.clamp(min=0))
    )
    assert importance_disentanglement(importances) == pytest.approx(0.5)
