import numpy as np
import pytest

from priorbench.datasets.factor_grid import (
    check_grid_order,
    choose_levels,
    find_distinct_rows,
    find_grid_rows,
    find_row_levels,
    list_first_combinations,
)

SIZES = {"shape": 3, "scale": 6}
LABELS = {"shape": ("square", "ellipse", "heart")}


def chosen(**factors):
    return choose_levels(SIZES, factors, LABELS)


def test_levels_ascend_whatever_the_order_given():
    assert chosen(shape=["heart", "square"], scale=[4, np.int64(0)]) == ((0, 2), (0, 4))
    assert chosen(shape=(1,), scale=range(2)) == ((1,), (0, 1))
    assert chosen() == ((0, 1, 2), (0, 1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"shapes": ["heart"]}, "no factor 'shapes'; did you mean 'shape'"),
        ({"shape": ["hart"]}, "no shape 'hart'; did you mean 'heart'"),
        (
            {"shape": [3]},
            "'shape' integers from 0 to 2 or one of square, ellipse, heart; got 3",
        ),
        ({"scale": [-1]}, "'scale' integers from 0 to 5; got -1"),
        ({"scale": ["big"]}, "'scale' integers from 0 to 5; got 'big'"),
        ({"scale": [0.5]}, "got 0.5"),
        ({"scale": [True]}, "got True"),
        ({"scale": []}, "'scale' a list of at least one level"),
        ({"scale": 3}, "'scale' a list of at least one level; got 3"),
        ({"shape": "heart"}, "'shape' a list of at least one level; got 'heart'"),
        ({"shape": ["heart", 2]}, "each level of 'shape' once"),
        ({"scale": [1, 1]}, "each level of 'scale' once"),
    ],
)
def test_bad_choices_are_named(factors, message):
    with pytest.raises(ValueError, match=message):
        chosen(**factors)


def test_factors_must_be_a_mapping():
    with pytest.raises(ValueError, match="must give lists of levels by factor"):
        choose_levels(SIZES, ["shape"], LABELS)


def test_rows_are_those_of_the_full_grid():
    assert np.array_equal(
        find_grid_rows((2, 3, 4), [[0, 1], [2], [1, 3]]), [9, 11, 21, 23]
    )


def test_the_order_of_a_grid_is_checked():
    levels = find_row_levels((2, 3), np.arange(6))
    assert check_grid_order("levels", levels, (2, 3)) is None
    levels[[3, 4]] = levels[[4, 3]]
    message = r"expected the levels \[1, 0\] in row 3 of 'levels', got \[1, 1\]"
    with pytest.raises(ValueError, match=message):
        check_grid_order("levels", levels, (2, 3))


def test_distinct_rows_of_a_grid_that_no_integer_can_count():
    generator = np.random.default_rng(0)
    sizes = [7] * 60
    few = generator.integers(0, 7, (50, 60))
    levels = few[generator.integers(0, 50, 4000)]
    rows, counts = find_distinct_rows(levels, sizes)
    expected, expected_counts = np.unique(levels, axis=0, return_counts=True)
    np.testing.assert_array_equal(levels[rows], expected)
    np.testing.assert_array_equal(counts, expected_counts)
    first = [int(np.argmax((levels == row).all(axis=1))) for row in expected]
    assert rows.tolist() == first


def test_first_combinations_are_those_of_the_grid():
    np.testing.assert_array_equal(
        list_first_combinations((2, 3, 4), 24),
        find_row_levels((2, 3, 4), np.arange(24)),
    )
