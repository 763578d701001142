import math
import warnings
from datetime import date

import numpy as np
import pandas as pd
import pytest
import torch

from priorbench import metrics
from priorbench.metrics.arrays import bin_continuous_factors, rank_factors
from priorbench.metrics.base import Codes
from priorbench.priors import Gaussian, ProductFamily, VonMisesFisher
from priorbench.priors.posteriors.gaussian import GaussianPosterior


@pytest.mark.parametrize(
    ("values", "levels", "sizes"),
    [
        ([1.5, -2.0, 1.5], [[1], [0], [1]], (2,)),
        (["red", "blue", "red"], [[1], [0], [1]], (2,)),
        ([True, False, True], [[1], [0], [1]], (2,)),
        ([[10, 3], [20, 3], [30, 3]], [[0, 0], [1, 0], [2, 0]], (3, 1)),
        ([["b", 10.0], ["a", 9.0], ["b", 2.0]], [[1, 2], [0, 1], [1, 0]], (2, 3)),
        (np.array([2, 250, 2], dtype=np.uint8), [[0], [1], [0]], (2,)),
        (torch.tensor([[5], [4], [4]]), [[1], [0], [0]], (2,)),
        (
            pd.DataFrame({"size": [0.5, 1.0, 0.5], "kind": ["x", "x", "y"]}),
            [[0, 0], [1, 0], [0, 1]],
            (2, 2),
        ),
        ([date(2020, 1, 2), date(2020, 1, 1), date(2021, 1, 1)], [[1], [0], [2]], (3,)),
        (np.array(["2020-02", "2020-01", "2020-02"], "M8[M]"), [[1], [0], [1]], (2,)),
        (None, [[], [], []], ()),
    ],
)
def test_levels_of_values_of_any_type(values, levels, sizes):
    got, got_sizes = rank_factors(values, 3)
    assert got.dtype == torch.int64
    assert (got.tolist(), got_sizes) == (levels, sizes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], r"shape \(3, factors\), a row for each row of 'means'; got \(2, 1\)"),
        (np.zeros((3, 1, 1)), r"got \(3, 1, 1\)"),
        (
            [[0, 1.0], [0, np.nan], [1, np.nan]],
            "nan in 2 rows of column 1, first in row 1",
        ),
        ([["a", 1], ["b", 1], [1, 1]], "values of one type in column 0"),
        ([[1], [1, 2], [1]], "'factors' must have rows of one length"),
    ],
)
def test_values_that_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        rank_factors(values, 3)


def make_levels(counts):
    """One factor, with as many data points of each level as ``counts`` says."""
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[:, None]


def bin_one(levels):
    size = int(levels.max()) + 1
    with pytest.warns(UserWarning, match=f"factor 'angle' has {size} different values"):
        return bin_continuous_factors(levels, [size], ["angle"])


def test_continuous_factors_become_bins_of_equal_count():
    levels = torch.randperm(1000)[:, None]
    binned, sizes = bin_one(levels)
    assert sizes == (20,)
    assert binned.flatten().bincount().tolist() == [50] * 20
    assert torch.equal(binned, levels // 50)


def test_equal_values_stay_together():
    levels = make_levels([1] * 50 + [60] + [1] * 50)
    binned, _ = bin_one(levels)
    pairs = torch.cat([levels, binned], dim=1).unique(dim=0)
    assert len(pairs) == 101
    assert (pairs[1:, 1] >= pairs[:-1, 1]).all()
    counts = binned.flatten().bincount(minlength=20)
    assert counts.max() < 60 + 2 * 160 / 20


@pytest.mark.parametrize(
    "counts",
    [[1] * 20, [2] * 21, [2] * 500, [1, 3] * 15],
    ids=["few values", "two of each", "many values", "two of each on average"],
)
def test_what_is_not_continuous_stays(counts):
    levels = make_levels(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        binned, sizes = bin_continuous_factors(levels, [len(counts)], ["angle"])
    assert binned is levels
    assert sizes == (len(counts),)


def test_levels_without_data_points_do_not_count():
    # 25 of 1000 levels, one data point each
    levels = 40 * torch.arange(25)[:, None]
    with pytest.warns(UserWarning, match="25 different values in 25 data points"):
        binned, sizes = bin_continuous_factors(levels, [1000], ["angle"])
    assert sizes == (20,)
    assert binned.flatten().unique().tolist() == list(range(20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bin_continuous_factors(levels[:20], [1000], ["angle"])


def test_a_perfect_code_of_a_continuous_factor_scores_well():
    values = torch.rand(2000, 2).double()
    with pytest.warns(UserWarning, match="factor 'factor[01]' .* binned into 20 bins"):
        codes = Codes.from_arrays(values, values, np.full((2000, 2), -4.0))
    assert codes.factor_sizes == (20, 20)
    assert metrics.mig(codes)["mig"] > 0.7
    assert metrics.mig_histogram(codes)["mig_histogram"] > 0.7


def test_codes_from_arrays():
    means = [[0.0, 1.0], [2.0, -1.0], [4.0, 1.0]]
    codes = Codes.from_arrays(
        means,
        [["a", 1], ["b", 1], ["a", 0]],
        np.zeros((3, 2), np.float32),
        factor_names=["letter", "number"],
        groups=[[0, 1]],
        seed=5,
    )
    assert isinstance(codes.posterior, GaussianPosterior)
    assert codes.representation.tolist() == means
    assert codes.representation.dtype == codes.z.dtype == torch.float64
    assert codes.log_prior is None
    assert codes.factors.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert (codes.factor_names, codes.factor_sizes) == (("letter", "number"), (2, 2))
    assert (codes.groups, codes.seed) == ([[0, 1]], 5)
    again = Codes.from_arrays(means, None, np.zeros((3, 2)), seed=5)
    assert torch.equal(again.z, codes.z)
    other = Codes.from_arrays(means, None, np.zeros((3, 2)), seed=6)
    assert not torch.equal(other.z, codes.z)
    assert (other.factor_names, other.groups) == ((), [[0], [1]])


def test_scores_from_arrays_are_those_of_a_model(toy):
    codes = toy()
    q = codes.posterior
    made = Codes.from_arrays(q.loc, codes.factors, q.log_scale)
    expected, got = metrics.mig(codes), metrics.mig(made)
    assert got["mig"] == pytest.approx(expected["mig"], abs=1e-12)
    torch.testing.assert_close(
        got["mutual_information"], expected["mutual_information"]
    )
    with pytest.raises(
        ValueError, match="'elbo_decomposition' needs the prior's density"
    ):
        metrics.registry.get("elbo_decomposition")(made)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"means": [1.0, 2.0]},
            r"'means' must have shape \(data points, latents\); got \(2,\)",
        ),
        ({"means": np.zeros((0, 2))}, r"got \(0, 2\)"),
        ({"means": [["a"], ["b"]]}, "'means' must be numbers; got an array of"),
        ({"means": np.zeros((2, 2), complex)}, "'means' must be numbers"),
        (
            {"means": [[1.0, np.nan], [0, 1]]},
            "'representation' must be finite; .* 1 of 2",
        ),
        (
            {"log_scales": [0.0, 1.0]},
            r"'log_scales' must have shape \(2, 2\); got \(2,\)",
        ),
        ({"log_scales": np.full((2, 2), 800.0)}, "'scale' must be positive and finite"),
        ({"log_scales": np.full((2, 2), -800.0)}, "'scale' .* 2 of 2 data points"),
        ({"factors": [1, 2, 3]}, r"'factors' must have shape \(2, factors\)"),
        ({"factor_names": ["a", "b"]}, "one for each of the 1 columns .* got"),
        ({"groups": [[0]]}, "'groups' must partition the 2 latents"),
    ],
)
def test_arrays_that_are_refused(arguments, message):
    given = {"means": [[0.0, 1.0], [1.0, 1.0]], "factors": [0, 1], **arguments}
    with pytest.raises(ValueError, match=message):
        Codes.from_arrays(given.pop("means"), given.pop("factors"), **given)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_must_be_finite(toy, bad):
    codes = toy()
    fields = ("posterior", "z", "log_prior")
    for field in fields:
        value = getattr(codes, field)
        if field == "posterior":
            params = value.params.clone()
            params[[7, 30], 1] = bad
            changed, name = value.family(params), "representation"
        else:
            changed, name = value.clone(), field
            changed[[7, 30]] = bad
        with pytest.raises(
            ValueError,
            match=f"'{name}' must be finite; it is not in 2 of 240 data points, the "
            "first of them 7: the model .* diverged",
        ):
            replace_field(codes, field, changed)


@pytest.mark.parametrize(
    ("name", "column"), [("scale", 1), ("scale", 6), ("concentration", 4)]
)
def test_every_part_of_a_product_is_checked(make_codes, name, column):
    circle = VonMisesFisher(dims=(1,))
    family = ProductFamily(((Gaussian(), 1), (circle, 2), (Gaussian(), 1)))
    params = torch.randn(9, 7).double()
    params[5, column] = -math.inf if name == "scale" else math.nan
    q = family(params)
    codes = make_codes(torch.zeros(9, 4), 1.0, torch.zeros(9, 0).long(), ())
    with pytest.raises(ValueError, match=f"'{name}' must be .* 1 of 9 .* them 5"):
        replace_field(codes, "posterior", q)


def replace_field(codes, name, value):
    fields = {f: getattr(codes, f) for f in codes.__dataclass_fields__ if f != "memo"}
    return Codes(**{**fields, name: value})
