import numpy as np
import pytest
import torch

from priorbench.metrics.rows.split import SplitRows, draw_split
from tests.metrics.published_cases import make_case


def test_the_published_split_is_that_of_seed_zero():
    case = make_case("small/noisy")
    train, test = draw_split(case.make_codes(), 10_000, 5_000)
    np.testing.assert_array_equal(train, case.train)
    np.testing.assert_array_equal(test, case.test)


def test_rows_are_drawn_without_replacement():
    codes = make_case("small/noisy").make_codes(seed=3)
    train, test = draw_split(codes, 200, 100)
    assert (len(train), len(test)) == (200, 100)
    assert len({*train, *test}) == 300
    again, _ = draw_split(codes, 200, 100)
    np.testing.assert_array_equal(train, again)
    other, _ = draw_split(make_case("small/noisy").make_codes(seed=4), 200, 100)
    assert not np.array_equal(train, other)


def test_too_few_rows_are_shared_out_in_the_ratio():
    codes = make_case("small/noisy").make_codes()
    train, test = draw_split(codes, 3_000, 1_000)
    assert (len(train), len(test)) == (270, 90)
    assert len({*train, *test}) == 360


def test_numbers_that_cannot_be():
    codes = make_case("small/noisy").make_codes()
    with pytest.raises(ValueError, match="'num_train' must be at least 1; got 0"):
        draw_split(codes, 0, 10)
    with pytest.raises(ValueError, match="'num_test' must be at least 1; got -1"):
        draw_split(codes, 10, -1)


def test_one_data_point_cannot_be_split(make_codes):
    codes = make_codes([[0.0]], 1.0, torch.zeros(1, 1, dtype=torch.int64), (2,))
    with pytest.raises(ValueError, match=r"must have enough data points .* got 1"):
        draw_split(codes, 10, 5)


def test_factors_that_vary_are_kept(make_codes, grid):
    v = grid(3, 1, 4).repeat(5, 1)
    codes = make_codes(v, 1.0, v, (3, 2, 4), nuisance=("a",))
    rows = SplitRows.from_codes(codes, 40, 20)
    assert rows.factors == (2,)
    assert rows.train_values.shape == (40, 1)
    assert rows.test_codes.shape == (20, 3)
    np.testing.assert_array_equal(rows.train_codes[:, 2], rows.train_values[:, 0])


def test_factors_must_vary_among_the_training_rows(make_codes):
    v = torch.zeros(100, 1, dtype=torch.int64)
    v[draw_split(make_codes(v, 1.0, v, (2,)), 60, 40)[1][0]] = 1
    codes = make_codes(v, 1.0, v, (2,))
    with pytest.raises(
        ValueError, match=r"\['a'\] must vary among the 60 training rows"
    ):
        SplitRows.from_codes(codes, 60, 40)


def test_standardised_codes():
    case = make_case("small/padded")
    z = 3 * case.z + 5
    z[case.test[0], 5] += 1
    codes = case.make_codes().from_arrays(z, case.factors)
    rows = SplitRows.from_codes(codes, 10_000, 5_000).standardise()
    np.testing.assert_allclose(rows.train_codes.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(rows.train_codes[:, :4].std(0), 1, atol=1e-12)
    # a code that is constant among the training rows is not known to vary
    assert not rows.train_codes[:, 4:].any()
    assert not rows.test_codes[:, 4:].any()
