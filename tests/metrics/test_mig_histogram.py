import pytest
import torch

from priorbench.metrics import mig_histogram


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


def test_more_points_than_samples_are_drawn_with_the_seed(make_codes, grid):
    v = grid(3, 4).repeat(100, 1)

    def score(seed):
        return mig_histogram(
            make_codes(v @ torch.tensor([[1, 1], [1, 0]]), 1.0, v, (3, 4), seed=seed),
            num_samples=300,
        )["mig_histogram"]

    assert score(0) == score(0) != score(1)
