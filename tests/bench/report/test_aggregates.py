"""Each method by one number."""

import numpy as np
import pytest
from scipy import stats

from priorbench.bench.report.aggregates import (
    average_middle,
    estimate_interquartile_mean,
    make_aggregate_table,
)
from tests.bench.synthetic_results import make_result, make_results, make_study


@pytest.mark.parametrize("n", [4, 8, 40])
def test_the_middle_half_is_scipys_where_it_is_whole(n):
    values = np.random.default_rng(n).normal(size=n)
    expected = stats.trim_mean(values, 0.25)
    assert average_middle(values) == pytest.approx(expected, rel=1e-12)


def test_an_edge_counts_in_part():
    """Of three values the middle half has the second, and a quarter of the others."""
    assert average_middle(np.array([9.0, 0.0, 3.0])) == pytest.approx(3.5)
    assert average_middle(np.array([7.0])) == 7.0


@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_holds_where_a_seeds_values_belong_together(seeds):
    generator = np.random.default_rng(0)
    betas, studies, held = np.array([-1.0, 0.0, 1.0]), 300, 0
    for _ in range(studies):
        own = generator.normal(size=(seeds, 1))
        values = betas + own + generator.normal(size=(seeds, 3))
        _, (low, high) = estimate_interquartile_mean(list(values))
        held += low <= 0 <= high
    assert held / studies > 0.91


def test_a_row_for_each_score_and_method():
    study = make_study(make_results(seeds=4))
    table = make_aggregate_table(study, ["mig", "reconstruction"])
    assert table[["score", "method"]].to_numpy().tolist() == [
        ["mig", "β-VAE"],
        ["mig", "ISA-VAE"],
        ["reconstruction", "β-VAE"],
        ["reconstruction", "ISA-VAE"],
    ]
    assert table["seeds"].eq(4).all()
    assert table["n"].eq(8).all()
    values = [r.scores["mig"] for r in study.results if r.method == "β-VAE"]
    row = table.iloc[0]
    assert row["mean"] == pytest.approx(np.mean(values))
    assert row["interquartile_mean"] == pytest.approx(stats.trim_mean(values, 0.25))
    assert row["low"] < row["interquartile_mean"] < row["high"]


def test_methods_are_compared_at_the_betas_that_all_have():
    results = [
        *make_results(("a",), (1.0, 4.0), 3),
        *make_results(("b",), (4.0, 16.0), 3),
    ]
    table = make_aggregate_table(make_study(results), ["mig"])
    assert table["n"].tolist() == [3, 3]
    failed = [make_result("a", 4.0, s, status="failed") for s in range(3)]
    more = [*make_results(("a",), (1.0,), 3), *failed, *make_results(("b",), seeds=3)]
    assert make_aggregate_table(make_study(more), ["mig"])["n"].tolist() == [3, 3]
    none = [make_result("a", b, 0, status="failed") for b in (1.0, 4.0)]
    rest = [*none, *make_results(("b",), (1.0, 4.0)), *make_results(("c",), (4.0,))]
    assert make_aggregate_table(make_study(rest), ["mig"])["n"].tolist() == [3, 3]
    apart = [*make_results(("a",), (1.0,), 3), *make_results(("b",), (4.0,), 3)]
    assert len(make_aggregate_table(make_study(apart), ["mig"])) == 2


def test_one_seed_has_no_interval():
    table = make_aggregate_table(make_study(make_results(seeds=1)), ["mig"])
    assert table[["low", "high"]].isna().all(axis=None)
