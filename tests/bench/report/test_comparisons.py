"""The verdict's statistics, against SciPy's and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from priorbench.bench.report import comparisons
from priorbench.bench.report.comparisons import (
    COLUMNS,
    EQUAL_RECONSTRUCTION,
    EVERY_BETA,
    Pair,
    compare_pairs,
    compute_bootstrap_intervals,
    compute_cohen_d,
    compute_detectable,
    compute_improvement,
    compute_t_interval,
    correct_holm,
    count_seeds_needed,
    make_comparison_table,
    permute_signs,
)
from priorbench.bench.results.store import Store
from tests.bench.synthetic_results import make_result, make_study

RANDOM = np.random.default_rng(0)


def average(values, axis):
    return values.mean(axis=axis)


@pytest.mark.parametrize("n", [2, 3, 6, 10, 14])
def test_the_permutation_test_is_scipys_where_it_is_exact(n):
    tests = [RANDOM.normal(0.3, 1, n) for _ in range(4)]
    expected = [
        stats.permutation_test(
            (values,), average, permutation_type="samples", n_resamples=np.inf
        ).pvalue
        for values in tests
    ]
    np.testing.assert_allclose(permute_signs(tests), expected)


def test_the_permutation_test_is_near_the_t_test_with_many_seeds():
    tests = [RANDOM.normal(0.3, 1, 50) for _ in range(20)]
    expected = [stats.ttest_1samp(values, 0).pvalue for values in tests]
    np.testing.assert_allclose(permute_signs(tests), expected, atol=0.02)


def test_p_of_tests_of_different_sizes_are_in_their_order():
    tests = [RANDOM.normal(size=n) for n in (5, 20, 1, 5, 3)]
    together = permute_signs(tests)
    np.testing.assert_array_equal(together, [permute_signs([t])[0] for t in tests])
    assert together[2] == 1.0
    assert permute_signs([np.zeros(6)])[0] == 1.0


def test_holm_by_hand():
    p = np.array([0.04, 0.001, 0.02, 0.5])
    np.testing.assert_allclose(correct_holm(p), [0.08, 0.004, 0.06, 0.5])
    assert len(correct_holm(np.array([]))) == 0


def test_the_t_interval_is_scipys():
    values = RANDOM.normal(size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(compute_t_interval(values), tuple(expected))
    assert np.isnan(compute_t_interval(values[:1])).all()


def test_the_bootstrap_interval_is_scipys_up_to_chance():
    values = RANDOM.exponential(size=40)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=1, n_resamples=20_000
    ).confidence_interval
    (found,) = compute_bootstrap_intervals([values])
    np.testing.assert_allclose(found, tuple(expected), atol=0.03)
    assert np.isnan(compute_bootstrap_intervals([values[:1]])).all()


def test_the_probability_of_improvement_is_that_of_mann_and_whitney():
    a, b = RANDOM.integers(0, 5, 12).astype(float), RANDOM.integers(0, 5, 9) + 0.0
    expected = stats.mannwhitneyu(a, b).statistic / (12 * 9)
    assert compute_improvement(a, b) == pytest.approx(expected)
    assert compute_improvement(a + 10, b) == 1.0
    assert compute_improvement(a, a) == 0.5


def test_cohens_d_by_hand():
    a, b = np.array([2.0, 4.0]), np.array([0.0, 2.0])
    assert compute_cohen_d(a, b) == pytest.approx(2 / np.sqrt(2))
    assert np.isnan(compute_cohen_d(a[:1], b[:1]))
    assert np.isnan(compute_cohen_d(np.ones(3), np.ones(3)))


@pytest.mark.parametrize(("n", "tests"), [(6, 1), (10, 1), (10, 6), (10, 21), (16, 6)])
def test_the_detectable_difference_is_found_in_four_of_five_studies(n, tests):
    sd = 0.7
    spread = RANDOM.normal(size=n)
    wanted = compute_detectable(sd * spread / spread.std(ddof=1), tests)
    studies = RANDOM.normal(wanted, sd, (2000, n))
    found = (permute_signs(list(studies)) * tests < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("tests", [1, 3, 6, 21, 36, 136, 325, 450])
def test_too_few_seeds_detect_nothing(tests):
    n = count_seeds_needed(tests)
    assert compute_detectable(RANDOM.normal(size=n + 1), tests) > 0
    differences = RANDOM.normal(size=n)
    assert compute_detectable(differences, tests) > 0
    assert np.isnan(compute_detectable(differences[1:], tests))
    p = permute_signs([np.ones(n), np.ones(n - 1)])
    assert p[0] * tests < 0.05 <= p[1] * tests


def test_of_too_many_pairs_no_number_of_seeds_shows_a_difference():
    assert count_seeds_needed(500) is None
    assert np.isnan(compute_detectable(RANDOM.normal(size=20), 500))


@pytest.fixture
def quick_bootstrap(monkeypatch):
    """The verdict takes no resamples; a thousand studies would."""
    monkeypatch.setattr(
        comparisons, "draw_bootstrap_means", lambda v: v.mean(0, keepdims=True)
    )


def say_verdicts(difference, seeds, studies, methods=2):
    """Return the verdict on the first pair of each of some simulated studies."""
    generator = np.random.default_rng(seeds)
    names = [f"m{i}" for i in range(methods)]
    verdicts = []
    for _ in range(studies):
        common = generator.normal(size=seeds)  # seeds are common to all methods
        values = [
            0.5 * common + generator.normal(0, np.sqrt(0.75), seeds) for _ in names
        ]
        values[0] = values[0] + difference
        pairs = [
            Pair(names[i], names[j], values[i], values[j])
            for i in range(methods)
            for j in range(i + 1, methods)
        ]
        verdicts.append([row["verdict"] for row in compare_pairs(pairs)])
    return verdicts


@pytest.mark.parametrize("seeds", [3, 8, 20])
def test_equal_methods_are_seldom_called_better(seeds, quick_bootstrap):
    verdicts = say_verdicts(0.0, seeds, 1000)
    wrong = sum(verdict != ["not distinguishable"] for verdict in verdicts)
    assert wrong <= 50 + 3 * np.sqrt(1000 * 0.05 * 0.95)
    assert wrong == 0 if seeds < 6 else wrong > 20  # nor is it never said


def test_of_many_equal_methods_none_is_called_better_more_often(quick_bootstrap):
    verdicts = say_verdicts(0.0, 10, 300, methods=4)
    wrong = sum(set(verdict) != {"not distinguishable"} for verdict in verdicts)
    assert wrong <= 15 + 3 * np.sqrt(300 * 0.05 * 0.95)


def test_a_difference_of_one_standard_deviation_is_seen_with_twenty_seeds(
    quick_bootstrap,
):
    verdicts = say_verdicts(1.0, 20, 1000)
    assert sum(verdict == ["better"] for verdict in verdicts) >= 800
    assert sum(verdict == ["worse"] for verdict in verdicts) == 0


def make_curve(method, seed, points, **scores):
    """Make the runs of one seed of a method: β, reconstruction and MIG."""
    return [
        make_result(method, beta, seed, mig, reconstruction)
        for beta, reconstruction, mig in points
    ]


def test_curves_are_compared_at_equal_beta_and_at_equal_reconstruction():
    """B's curve is A's, but every β is elsewhere on it."""
    results = []
    for seed in range(8):
        noise = 0.01 * seed
        line = lambda x, noise=noise: -0.02 * x + noise  # noqa: E731
        results += make_curve(
            "A", seed, [(b, -10.0 * b, line(-10.0 * b)) for b in (1.0, 2.0, 4.0)]
        )
        results += make_curve(
            "B", seed, [(b, -5.0 * b, line(-5.0 * b)) for b in (1.0, 2.0, 4.0)]
        )
    table = make_comparison_table(make_study(results), ["mig"])
    assert list(table.columns) == COLUMNS
    assert table["at"].tolist() == [
        "β = 1",
        "β = 2",
        "β = 4",
        EVERY_BETA,
        EQUAL_RECONSTRUCTION,
    ]
    rows = table.set_index("at")
    assert rows.loc["β = 4", "difference"] == pytest.approx(0.02 * 20)
    assert rows.loc[EVERY_BETA, "difference"] == pytest.approx(0.02 * 35 / 3)
    assert rows.loc[EVERY_BETA, "verdict"] == "better"
    assert rows.loc[EQUAL_RECONSTRUCTION, "difference"] == pytest.approx(0, abs=1e-12)
    assert rows.loc[EQUAL_RECONSTRUCTION, "verdict"] == "not distinguishable"
    assert (rows["n"] == 8).all()


def test_a_beta_for_each_group_is_not_on_a_curve():
    plain = [
        make_result(m, b, s, 0.1 * b + 0.01 * s, -10 * b - i)
        for i, m in enumerate("AB")
        for b in (1.0, 4.0)
        for s in range(7)
    ]
    apart = [make_result("B", (1.0, 8.0), s, 0.9, -20.0) for s in range(7)]
    rows = [
        make_comparison_table(make_study(results), ["mig"]).set_index("at")
        for results in (plain, [*plain, *apart])
    ]
    before, after = (row.loc[EQUAL_RECONSTRUCTION] for row in rows)
    assert before.equals(after)


def test_only_seeds_that_both_have_are_paired():
    results = [make_result("A", 1.0, seed, mig=0.3 + seed) for seed in (0, 1, 2)]
    results += [make_result("B", 1.0, seed, mig=0.1 + seed) for seed in (1, 2, 5)]
    results += [make_result("B", 1.0, 0, status="failed")]
    (row,) = make_comparison_table(make_study(results), ["mig"]).to_dict("records")
    assert (row["n"], row["at"]) == (2, "β = 1")
    assert row["difference"] == pytest.approx(0.2)


def test_one_seed_gives_a_difference_and_nothing_to_be_sure_by():
    results = [make_result("A", mig=0.3), make_result("B", mig=0.1)]
    (row,) = make_comparison_table(make_study(results), ["mig"]).to_dict("records")
    assert row["difference"] == pytest.approx(0.2)
    assert row["verdict"] == "not distinguishable"
    assert np.isnan([row[c] for c in ("t_low", "bootstrap_low", "detectable")]).all()


def test_gaps_between_groups_are_compared_among_methods_of_as_many(tmp_path):
    results = [
        make_result(
            method,
            headlines=("mig", "mig_groups"),
            scores={"mig": 0.1, "mig_groups": 0.1},
        )
        for method in ("A", "two groups", "B")
    ]
    store = Store(tmp_path)
    stored = []
    for groups, result in zip((3, 2, 3), results, strict=True):
        array = {"group_mutual_information": np.zeros((groups, 5))}
        for name, record in result.records.items():
            store.save_score(record, array if name == "mig_groups" else {})
        records = store.load_scores(result.id, result.records)
        stored.append(replace(result, store=store, records=records))
    table = make_comparison_table(make_study(stored), ["mig", "mig_groups"])
    pairs = table.groupby("score")[["a", "b"]].apply(lambda rows: rows.values.tolist())
    assert len(pairs["mig"]) == 3
    assert pairs["mig_groups"] == [["A", "B"]]


def test_one_method_has_nothing_to_be_compared_with():
    table = make_comparison_table(make_study([make_result()]), ["mig"])
    assert list(table.columns) == COLUMNS
    assert len(table) == 0
