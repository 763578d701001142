"""The tables of runs and of settings."""

import pytest

from priorbench.bench.results.tables import (
    list_compared_scores,
    make_runs_table,
    make_settings_table,
)
from tests.bench.synthetic_results import make_result, make_results


def test_columns_of_runs():
    scores = {
        "zeta": 1.0,
        "active_units": 5.0,
        "kl": 3.0,
        "elbo": -33.0,
        "reconstruction": -30.0,
        "mig_all_factors": 0.1,
        "mig": 0.2,
        "seed": 7.0,
    }
    run = make_result(
        scores=scores,
        learned={"p": [1.0, 2.0], "exponents": [0.5]},
        timings={"train": 9.0, "images_per_second": 800.0},
        commit="abc",
    )
    assert list(make_runs_table([run]).columns) == [
        "id",
        "grid",
        "profile",
        "method",
        "prior",
        "objective",
        "beta",
        "seed",
        "status",
        "reason",
        "failed_step",
        "mig",
        "reconstruction",
        "elbo",
        "kl",
        "active_units",
        "mig_all_factors",
        "score_seed",
        "sorted_exponents_1",
        "sorted_p_1",
        "sorted_p_2",
        "zeta",
        "learned_exponents_0",
        "learned_p_0",
        "learned_p_1",
        "images_per_second",
        "time_mig_seconds",
        "time_others_seconds",
        "time_train",
        "device",
        "precision",
        "commit",
        "created",
    ]


def test_columns_of_settings():
    assert list(make_settings_table([make_result()]).columns) == [
        "profile",
        "method",
        "beta",
        "n",
        "failures",
        "mig_mean",
        "mig_median",
        "mig_se",
        "mig_ci_low",
        "mig_ci_high",
        "mig_n",
        "reconstruction_mean",
        "reconstruction_median",
        "reconstruction_se",
        "reconstruction_ci_low",
        "reconstruction_ci_high",
        "reconstruction_n",
    ]


def test_numbers_stay_numbers():
    assert (
        make_runs_table(make_results())["beta"].dtype
        == make_settings_table(make_results())["beta"].dtype
        == float
    )


def test_statistics_by_hand():
    [row] = make_settings_table(
        [make_result(seed=s, mig=m) for s, m in enumerate([0.1, 0.2, 0.6])]
    ).to_dict("records")
    assert row["n"] == 3
    assert row["mig_mean"] == pytest.approx(0.3)
    assert row["mig_median"] == 0.2
    # Deviations -0.2, -0.1, 0.3: variance 0.14 / 2, over 3 seeds.
    assert row["mig_se"] == pytest.approx((0.07 / 3) ** 0.5)
    reach = 4.302653 * (0.07 / 3) ** 0.5  # Student's t of 2 degrees of freedom, 97.5%
    assert row["mig_ci_low"] == pytest.approx(0.3 - reach)
    assert row["mig_ci_high"] == pytest.approx(0.3 + reach)


def test_a_score_that_some_runs_lack():
    runs = [
        make_result(seed=0),
        make_result(seed=1, mig=0.4),
        make_result(seed=2, scores={"mig": 0.6}),
    ]
    [row] = make_settings_table(runs).to_dict("records")
    assert row["n"] == 3
    assert row["mig_mean"] == pytest.approx(0.4)
    assert row["reconstruction_mean"] == -30
    assert (row["mig_n"], row["reconstruction_n"]) == (3, 2)


def test_numbers_of_how_a_score_was_computed_are_not_compared():
    scores = {"mig": 0.1, "mig_se": 0.01, "valid_epochs": 3.0}
    run = make_result(scores=scores, headlines=("mig",))
    assert list_compared_scores([run]) == ["mig"]
    named = {"used_latents": 4.0, "others_se": 1.0}
    run = make_result(scores=named, headlines=("used_latents",))
    assert list_compared_scores([run]) == ["used_latents"]


def test_a_setting_of_failures_only():
    [row] = make_settings_table([make_result(status="failed")]).to_dict("records")
    assert (row["n"], row["failures"]) == (0, 1)


def test_what_a_prior_learned_is_in_ascending_order():
    """For its groups may be exchanged: only their order says which is which."""
    run = make_result(learned={"exponents": [2.3, 1.9, 2.1]})
    found = [run.scores[f"sorted_exponents_{i}"] for i in (1, 2, 3)]
    assert found == [1.9, 2.1, 2.3]
    assert "sorted_exponents_2_mean" in make_settings_table([run])
