import math

import numpy as np
import pytest
import torch

from priorbench.metrics import mig_histogram
from priorbench.metrics.mig_histogram import discrete_information, equal_width_bins


@pytest.mark.parametrize(("size", "cap"), [(32, 0.8500), (40, 0.8121), (20, 1.0)])
def test_noiseless_codes_are_capped_by_the_bins(make_codes, size, cap):
    v = torch.arange(size).repeat(10)[:, None]
    loc = torch.cat([v, torch.zeros_like(v)], dim=1)
    assert mig_histogram(make_codes(loc, 1.0, v, (size,)))[
        "mig_histogram"
    ] == pytest.approx(cap, abs=5e-5)


def test_perfect_constant_duplicated(make_codes, grid):
    v = grid(3, 4)

    def score(loc):
        return mig_histogram(make_codes(loc, 1.0, v, (3, 4)))["mig_histogram"]

    assert score(v) == pytest.approx(1)
    assert score(torch.zeros(12, 2)) == 0
    assert score(v[:, [0, 0]]) == 0
    assert score(0.001 * v - 5) == pytest.approx(1)


def test_all_factors_count(make_codes, grid):
    v = grid(3, 4)
    loc = torch.stack([v[:, 0], torch.zeros(12)], dim=1)
    codes = make_codes(loc, 1.0, v, (3, 4), excluded=("b",))
    assert mig_histogram(codes)["mig_histogram"] == pytest.approx(0.5)


def test_bins_are_numpys():
    values = torch.randn(500, generator=torch.Generator().manual_seed(0)).double()
    edges = np.histogram(values.numpy(), 20)[1]
    expected = np.digitize(values.numpy(), edges[:-1]) - 1
    assert equal_width_bins(values, 20).tolist() == expected.tolist()


def test_information_of_known_tables():
    first = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    second = torch.tensor([0, 0, 1, 1, 1, 1, 1, 0])
    table = torch.tensor([[2.0, 1.0], [1.0, 4.0]]).double() / 8
    product = table.sum(1, keepdim=True) * table.sum(0)
    expected = (table * (table / product).log()).sum()
    torch.testing.assert_close(discrete_information(first, second), expected)
    assert discrete_information(first, torch.zeros_like(first)) == 0


def test_more_points_than_samples_are_drawn_with_the_seed(make_codes, grid):
    v = grid(3, 4).repeat(100, 1)

    def score(seed):
        return mig_histogram(
            make_codes(v @ torch.tensor([[1, 1], [1, 0]]), 1.0, v, (3, 4), seed=seed),
            num_samples=300,
        )["mig_histogram"]

    assert score(0) == score(0) != score(1)


def test_upper_bound_of_bins_on_coarse_codes():
    codes = torch.arange(32).double()
    bits = discrete_information(equal_width_bins(codes, 20), torch.arange(32))
    assert bits.item() < math.log(20)
