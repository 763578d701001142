"""β as a number, or as one for each group: its text, its cell in tables, its order."""

import pytest

from priorbench.bench.study import beta


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.0, "0"),
        (2.5, "2.5"),
        (1e-7, "1e-07"),
        ((4.0,), "4"),
        ((1.0, 1.0, 8.0), "1/1/8"),
        ((1.0, 0.5, 1.0, 0.5), "1/0.5/1/0.5"),
        ((2.0,) * 3, "2/2/2"),
        ((2.0,) * 4, "2×4"),
        ((1.0,) * 5 + (8.0, 8.0) + (1.0,) * 4, "1×5/8/8/1×4"),
    ],
)
def test_text(value, text):
    assert beta.format_beta(value) == text


def test_cells_are_numbers_where_there_is_one():
    assert beta.make_beta_cell(4.0) == 4.0
    assert isinstance(beta.make_beta_cell(4.0), float)
    assert beta.make_beta_cell((1.0, 1.0, 8.0)) == "1/1/8"


def test_order_is_by_the_mean_and_then_by_the_text():
    expected = [
        0.5,
        (1.0,),
        (0.5, 2.0),
        (2.0, 0.5),
        (1.0, 1.0, 2.0),
        4.0,
        (1.0, 1.0, 16.0),
    ]
    shuffled = [expected[i] for i in (3, 6, 0, 5, 2, 4, 1)]
    assert sorted(shuffled, key=beta.make_sort_key) == expected
