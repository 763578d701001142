"""Statistics over seeds."""

import numpy as np
import pytest
from scipy import stats

from priorbench.bench.results.statistics import STATISTICS, summarise_columns


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=(40, 2))
    ours = summarise_columns(values)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        axis=0,
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours["ci_low"] == pytest.approx(theirs.low, abs=0.03)
    assert ours["ci_high"] == pytest.approx(theirs.high, abs=0.03)


def test_one_seed_has_no_spread():
    summary = summarise_columns(np.array([[0.25]]))
    assert (summary["mean"][0], summary["median"][0]) == (0.25, 0.25)
    assert np.isnan([summary[s][0] for s in ("se", "ci_low", "ci_high")]).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1234.567])
def test_equal_values_are_their_own_interval(value):
    summary = summarise_columns(np.full((7, 1), value))
    assert [summary[s][0] for s in STATISTICS] == [
        value,
        value,
        0,
        value,
        value,
        7,
    ]
