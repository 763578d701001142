import pytest
import torch

from priorbench.metrics.information.factor_table import FactorTable


@pytest.fixture
def table():
    """Two factors of sizes 2 and 4, with a value that does not occur."""
    factors = torch.tensor([[0, 3], [1, 0], [1, 1], [1, 3]])
    return FactorTable.from_factors(factors, (2, 4))


def test_columns_and_counts(table):
    assert table.columns.tolist() == [[0, 5], [1, 2], [1, 3], [1, 5]]
    assert table.counts.tolist() == [1, 3, 1, 1, 0, 2]
    assert table.sizes == (2, 4)


def test_indicators_add_up_to_the_counts(table):
    indicators = table.indicate_values(torch.arange(4))
    assert indicators.sum(0).tolist() == table.counts.tolist()
    assert indicators.sum(1).tolist() == [2, 2, 2, 2]
    assert table.indicate_values(torch.tensor([3]))[0].nonzero()[:, 0].tolist() == [
        1,
        5,
    ]


def test_every_factor_gives_the_sum_over_the_data(table):
    numbers = torch.tensor([[1.0, 2.0, 4.0, 8.0]]).double()
    sums = numbers @ table.indicate_values(torch.arange(4))
    assert table.sum_over_data(sums).tolist() == [15]
    assert sums[:, 2:].sum(-1).tolist() == [15]


def test_average_weighs_the_values_by_their_counts(table):
    numbers = torch.tensor([4.0, 8.0, 1.0, 2.0, 100.0, 4.0]).double()
    assert table.average_over_values(numbers).tolist() == [7.0, 2.75]
    assert table.average_over_values(numbers.expand(3, 2, 6)).shape == (3, 2, 2)
