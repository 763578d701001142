"""The report: its files, tables, errors and command line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from priorbench.bench.study.beta import make_sort_key, format_beta
from priorbench.errors import UserError
from priorbench.bench.results.store import RECORD, Record
from priorbench.bench.report import __main__ as command
from priorbench.bench.results import statistics, tables
from priorbench.bench.report import write_report

FILES = [
    "runs.csv",
    "settings.csv",
    "mig_vs_reconstruction.png",
    "mig_vs_reconstruction.pdf",
    "mig_distribution.png",
    "mig_distribution.pdf",
]


def record(method="β-VAE", beta=1.0, seed=0, mig=0.2, reconstruction=-30.0, **changes):
    """A finished run; ``status="failed"`` makes it one without scores."""
    failed = changes.get("status") == "failed"
    scores = {} if failed else {"mig": mig, "reconstruction": reconstruction}
    fields = {
        "id": f"{method}-{format_beta(beta).replace('/', '_')}-{seed}",
        "grid": "study",
        "profile": "quick",
        "prior": "normal",
        "objective": "beta_vae",
        "status": "finished",
        "scores": scores,
        "config": {"latent_dim": 2},
        "device": "cpu",
        "precision": "float32",
        "created": "2025-01-01T00:00:00+00:00",
        "reason": "the loss is not finite" if failed else None,
        "failed_step": 12 if failed else None,
    }
    return Record(method=method, beta=beta, seed=seed, **(fields | changes))


def store(folder: Path, records: list[Record]) -> Path:
    for r in records:
        (folder / r.id).mkdir(parents=True)
        (folder / r.id / RECORD).write_text(r.model_dump_json(), encoding="utf-8")
    return folder


def grid(methods=("β-VAE", "ISA-VAE"), betas=(1.0, 4.0), seeds=3, **changes):
    rng = np.random.default_rng(0)
    return [
        record(
            m,
            b,
            s,
            rng.uniform(0, 0.5),
            rng.normal(-10 * make_sort_key(b)[0], 1),
            **changes,
        )
        for m in methods
        for b in betas
        for s in range(seeds)
    ]


def test_writes_every_file_and_nothing_else(tmp_path):
    folder = store(tmp_path / "study", grid())
    assert [p.name for p in write_report(folder)] == FILES
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted(FILES)
    assert all((folder / name).stat().st_size > 5000 for name in FILES[2:])


def test_same_records_give_same_bytes(tmp_path):
    folder = store(tmp_path / "study", grid())
    first = [p.read_bytes() for p in write_report(folder)]
    assert [p.read_bytes() for p in write_report(folder)] == first


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
    run = record(
        scores=scores,
        learned={"p": [1.0, 2.0], "exponents": [0.5]},
        timings={"train": 9.0, "images_per_second": 800.0},
        commit="abc",
    )
    assert list(tables.make_runs_table([run]).columns) == [
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
        "mig_all_factors",
        "reconstruction",
        "elbo",
        "kl",
        "active_units",
        "score_seed",
        "zeta",
        "learned_exponents_0",
        "learned_p_0",
        "learned_p_1",
        "images_per_second",
        "time_train",
        "device",
        "precision",
        "commit",
        "created",
    ]


def test_columns_of_settings():
    assert list(tables.make_settings_table([record()]).columns) == [
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
        "reconstruction_mean",
        "reconstruction_median",
        "reconstruction_se",
        "reconstruction_ci_low",
        "reconstruction_ci_high",
    ]


def test_a_beta_for_each_group(tmp_path):
    """Its column is text, rows go by the mean, and every file is written."""
    betas = (8.0, (1.0, 1.0, 8.0), 1.0, (1.0, 1.0, 2.5))
    folder = store(tmp_path / "study", grid(betas=betas))
    assert [p.name for p in write_report(folder)] == FILES
    settings = pd.read_csv(folder / "settings.csv", dtype={"beta": str})
    assert settings["beta"].tolist() == 2 * ["1.0", "1/1/2.5", "1/1/8", "8.0"]
    assert settings["n"].tolist() == [3] * 8
    runs = pd.read_csv(folder / "runs.csv", dtype={"beta": str})
    assert runs["beta"].value_counts().to_dict() == {
        "1.0": 6,
        "1/1/2.5": 6,
        "1/1/8": 6,
        "8.0": 6,
    }


def test_numbers_stay_numbers():
    assert (
        tables.make_runs_table(grid())["beta"].dtype
        == tables.make_settings_table(grid())["beta"].dtype
        == float
    )


def test_failed_runs_are_rows_with_empty_scores(tmp_path):
    folder = store(
        tmp_path / "study", [*grid(seeds=2), record(seed=9, status="failed")]
    )
    write_report(folder)
    runs = pd.read_csv(folder / "runs.csv")
    failed = runs[runs["status"] == "failed"]
    assert len(runs) == 9
    assert failed["failed_step"].tolist() == [12]
    assert failed["reason"].tolist() == ["the loss is not finite"]
    assert failed[["mig", "reconstruction"]].isna().all(axis=None)
    assert ",12," in (folder / "runs.csv").read_text(encoding="utf-8")
    setting = pd.read_csv(folder / "settings.csv").query(
        "method == 'β-VAE' and beta == 1"
    )
    assert setting[["n", "failures"]].to_numpy().tolist() == [[2, 1]]


def test_statistics_by_hand():
    [row] = tables.make_settings_table(
        [record(seed=s, mig=m) for s, m in enumerate([0.1, 0.2, 0.6])]
    ).to_dict("records")
    assert row["n"] == 3
    assert row["mig_mean"] == pytest.approx(0.3)
    assert row["mig_median"] == 0.2
    # Deviations -0.2, -0.1, 0.3: variance 0.14 / 2, over 3 seeds.
    assert row["mig_se"] == pytest.approx((0.07 / 3) ** 0.5)
    # A resample is all 0.1 once in 27, 3.7% > 2.5%: both ends are the extremes.
    assert (row["mig_ci_low"], row["mig_ci_high"]) == pytest.approx((0.1, 0.6))


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=(40, 2))
    ours = statistics.summarise_columns(values)
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
    summary = statistics.summarise_columns(np.array([[0.25]]))
    assert (summary["mean"][0], summary["median"][0]) == (0.25, 0.25)
    assert np.isnan([summary[s][0] for s in ("se", "ci_low", "ci_high")]).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1234.567])
def test_equal_values_are_their_own_interval(value):
    summary = statistics.summarise_columns(np.full((7, 1), value))
    assert [summary[s][0] for s in statistics.STATISTICS] == [
        value,
        value,
        0,
        value,
        value,
    ]


def test_a_score_that_some_runs_lack():
    runs = [
        record(seed=0),
        record(seed=1, mig=0.4),
        record(seed=2, scores={"mig": 0.6}),
    ]
    [row] = tables.make_settings_table(runs).to_dict("records")
    assert row["n"] == 3
    assert row["mig_mean"] == pytest.approx(0.4)
    assert row["reconstruction_mean"] == -30


def test_a_setting_of_failures_only():
    [row] = tables.make_settings_table([record(status="failed")]).to_dict("records")
    assert (row["n"], row["failures"]) == (0, 1)


def test_profiles_are_settings_of_their_own():
    table = tables.make_settings_table(
        [record(profile="quick"), record(profile="paper")]
    )
    assert table["profile"].tolist() == ["paper", "quick"]


def test_runs_of_the_newest_configuration_count(caplog):
    old = [record(id=f"old{s}", seed=s, config={"p": 2.2}) for s in range(3)]
    new = record(
        id="new", seed=0, config={"p": 2.3}, created="2025-01-01T02:00:00+01:00"
    )
    assert [r.id for r in tables.select_newest([new, *old])] == ["new"]
    assert "3 of 4 runs share" in caplog.text


def test_profiles_that_share_a_study_are_one(tmp_path):
    """Seeds 0 and 1 were run under "quick", 2 under "paper": three seeds of one setting."""
    shared = [
        record(id="a", seed=0, profile="quick"),
        record(id="b", seed=1, profile="quick"),
        record(id="c", seed=2, profile="paper", created="2025-01-01T00:00:01+00:00"),
        record(id="d", seed=0, profile="demo", config={"latent_dim": 9}),
    ]
    table = tables.make_settings_table(tables.select_newest(shared))
    assert table[["profile", "n"]].to_numpy().tolist() == [["demo", 1], ["paper", 3]]


def test_another_precision_is_another_configuration(caplog):
    old = record(id="old", precision="fp32", created="2025-01-01T00:00:00+00:00")
    new = record(
        id="new", precision="bf16", created="2024-12-31T23:59:00-01:00"
    )  # 00:59 UTC
    assert [r.id for r in tables.select_newest([new, old])] == ["new"]
    assert "1 of 2 runs share" in caplog.text


def test_one_run_is_enough(tmp_path):
    assert [
        p.name for p in write_report(store(tmp_path / "study", [record()]))
    ] == FILES


def test_figures_without_their_scores_are_left_out(tmp_path, caplog):
    written = write_report(store(tmp_path / "study", [record(scores={"mig": 0.3})]))
    assert [p.name for p in written] == [*FILES[:2], *FILES[4:]]
    assert "mig_vs_reconstruction is not drawn" in caplog.text


def test_two_thousand_runs(tmp_path):
    folder = store(tmp_path / "study", grid(betas=(1.0, 2.0, 4.0, 6.0, 8.0), seeds=200))
    write_report(folder)
    assert len(pd.read_csv(folder / "runs.csv")) == 2000
    assert pd.read_csv(folder / "settings.csv")["n"].tolist() == [200] * 10


def test_no_records(tmp_path):
    with pytest.raises(
        UserError, match=r"no finished run under .+ yet; run its grid first"
    ):
        write_report(tmp_path)


def test_only_failures_leave_the_tables(tmp_path):
    folder = store(tmp_path / "study", [record(status="failed")])
    with pytest.raises(
        UserError, match=r"no finished run .* all 1 failed.*the loss is not finite"
    ):
        write_report(folder)
    assert (folder / "runs.csv").exists()


def test_missing_folder_suggests_its_siblings(tmp_path):
    (tmp_path / "dsprites_beta").mkdir()
    with pytest.raises(
        UserError, match=r"no folder .*dsprites_bta; did you mean 'dsprites_beta'"
    ):
        write_report(tmp_path / "dsprites_bta")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(UserError, match="x is a file"):
        write_report(tmp_path / "x")


def test_unwritable_names_the_file_and_leaves_nothing(tmp_path):
    folder = store(tmp_path / "study", [record()])
    (folder / "settings.csv").mkdir()
    with pytest.raises(
        UserError, match=r"cannot write .*settings\.csv: Is a directory"
    ):
        write_report(folder)
    assert not list(folder.glob(".settings*"))


def test_command_line(tmp_path):
    folder = store(tmp_path / "study", [record()])
    done = CliRunner().invoke(command.app, [str(folder)])
    assert done.exit_code == 0
    assert [Path(line).name for line in done.stdout.split()] == FILES


def test_command_line_errors_in_one_line(tmp_path):
    failed = CliRunner().invoke(command.app, [str(tmp_path / "nowhere")])
    assert failed.exit_code == 2
    assert failed.stderr.startswith("error: no folder")
    assert failed.stderr.count("\n") == 1
    debug = CliRunner().invoke(command.app, [str(tmp_path / "nowhere"), "--debug"])
    assert isinstance(debug.exception, UserError)


def test_imports_neither_torch_nor_pyplot():
    code = (
        "import sys, bench.report, bench.report.__main__ as m; "
        "sys.exit(bool({'torch', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
