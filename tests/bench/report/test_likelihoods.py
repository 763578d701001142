"""The report of a dataset without factors: its files, tables and pages, and when there are any."""

import logging
import math

import pandas as pd
import pytest

from priorbench.errors import UserError
from priorbench.bench.report import likelihoods, published, write_report
from tests.bench.report.likelihood_records import CONFIG, record, store, study

BASE = ["runs.csv", "settings.csv"]
OWN = ["likelihoods.csv", "likelihoods.md"]
THEIRS = ["published.csv", "published.md"]
FIGURE = ["likelihood.png", "likelihood.pdf"]
METHODS = [*dict.fromkeys(r.method for r in published.find_published("mnist_products"))]


def files(records):
    return {
        name: content.decode()
        for name, content in likelihoods.make_files(study(records)).items()
    }


def names(written):
    return [path.name for path in written]


def test_files_of_a_published_grid(tmp_path, caplog):
    written = write_report(store(tmp_path / "runs", [record(), record("N40")]))
    assert names(written) == BASE + OWN + THEIRS + FIGURE
    assert not caplog.records  # nothing about MIG, which there cannot be


def test_same_records_give_same_bytes(tmp_path):
    folder = store(
        tmp_path / "runs", [record(m, s) for m in METHODS[:3] for s in range(2)]
    )
    first = [path.read_bytes() for path in write_report(folder)]
    assert [path.read_bytes() for path in write_report(folder)] == first


def test_a_grid_of_another_name_has_no_published_table(tmp_path):
    assert (
        names(write_report(store(tmp_path / "runs", [record(grid="mine")])))
        == BASE + OWN + FIGURE
    )


@pytest.mark.parametrize("score", ["mig", "mig_histogram", "mig_groups"])
def test_a_study_with_mig_is_none_of_likelihoods(score):
    runs = [record(), record("N40", scores={"log_likelihood": -90.0, score: 0.1})]
    assert not likelihoods.has_likelihoods(study(runs))
    assert files(runs) == {}


def test_a_score_that_only_begins_like_mig_is_another():
    runs = [record(scores={"log_likelihood": -90.0, "migration": 1.0})]
    assert likelihoods.has_likelihoods(study(runs))


def test_neither_mig_nor_likelihood_is_said_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        written = write_report(
            store(tmp_path / "runs", [record(scores={"elbo": -99.0})])
        )
    assert names(written) == BASE
    assert [r.getMessage() for r in caplog.records] == [
        "no figure is drawn: no run of profile paper has the score mig or log_likelihood"
    ]


def test_columns_and_signs():
    runs = [record(seed=s, ll=ll) for s, ll in enumerate([-92.0, -93.0, -94.0])]
    table = likelihoods.make_table(study(runs), ())
    assert list(table.columns) == [
        "method",
        "beta",
        "n",
        "failures",
        "LL",
        "LL_se",
        "ELBO",
        "ELBO_se",
        "RE",
        "RE_se",
        "KL",
        "KL_se",
    ]
    se = 1 / math.sqrt(3)
    assert table.loc[0, "n":].tolist() == pytest.approx(
        [3, 0, -93, se, -99, se, 73, se, 26, 0]
    )


def test_the_page_as_it_is():
    page = files(
        [record("N40", seed=s, ll=ll) for s, ll in enumerate([-92.0, -94.0])]
        + [record("S40", ll=-93.456)]
    )["likelihoods.md"]
    assert (
        page
        == """\
# Likelihoods: mnist_products, profile paper, 1–2 seeds

Nats per image, mean ± standard error over n seeds. RE = −E[log p(x|z)] and ELBO = −(RE + KL).
LL: importance-weighted, K = 500, of 10,000 images (all if there are fewer).

| method |            LL |          ELBO |           RE |           KL |   n |
|:-------|--------------:|--------------:|-------------:|-------------:|----:|
| N40    | -93.00 ± 1.00 | -99.00 ± 1.00 | 73.00 ± 1.00 | 26.00 ± 0.00 |   2 |
| S40    |        -93.46 |        -99.46 |        73.46 |        26.00 |   1 |
"""
    )


def test_a_configuration_that_says_nothing_of_k():
    page = files([record(config={})])["likelihoods.md"]
    assert "\nLL: importance-weighted.\n" in page


def test_methods_go_as_published_after_those_that_are_not():
    runs = [record(m) for m in [*sorted(METHODS), "N40", "A mine"]]
    expected = ["A mine", "N40", *METHODS]
    assert (
        likelihoods.order_methods(
            study(runs), published.find_published("mnist_products")
        )
        == expected
    )
    table = likelihoods.make_table(
        study(runs), published.find_published("mnist_products")
    )
    assert table["method"].tolist() == expected


def test_failed_runs_are_counted_and_a_method_of_failures_is_a_row_of_blanks():
    runs = [record(), record(seed=1, status="failed"), record("N40", status="failed")]
    page = files(runs)["likelihoods.md"]
    assert "| n | failed |" in " ".join(page.split())
    assert "| N40 | | | | | 0 | 1 |" in " ".join(page.split())
    assert "| S40 | -93.00 | -99.00 | 73.00 | 26.00 | 1 | 1 |" in " ".join(page.split())
    table = likelihoods.make_table(study(runs), ())
    assert table.set_index("method").loc["N40", "LL":].isna().all()
    assert "failed" not in files(runs[:1])["likelihoods.md"]


def test_beta_is_a_column_where_there_are_several():
    runs = [record(grid="mine", beta=b) for b in (4.0, 1.0, (1.0, 2.0))]
    page = " ".join(files(runs)["likelihoods.md"].split())
    assert "| method | β |" in page
    assert (
        page.index("| S40 | 1 |")
        < page.index("| S40 | 1/2 |")
        < page.index("| S40 | 4 |")
    )
    assert "β |" not in files(runs[:1])["likelihoods.md"]


def test_a_run_without_some_of_the_scores():
    runs = [record(), record("N40", scores={"elbo": -95.0})]
    table = likelihoods.make_table(study(runs), ()).set_index("method")
    assert table.loc["N40", "ELBO"] == -95
    assert math.isnan(table.loc["N40", "LL"])
    runs = [record(scores={"log_likelihood": -90.0})]
    assert "| S40 | -90.00 | | | | 1 |" in " ".join(
        files(runs)["likelihoods.md"].split()
    )


def test_names_cannot_break_the_pages():
    runs = [record("a|b\n# c", grid="mine", profile="x\n# y")]
    page = files(runs)["likelihoods.md"]
    assert r"| a\|b # c |" in page
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Likelihoods: mine, profile x # y, 1 seed"
    ]


def test_of_several_profiles_the_newest_is_shown(tmp_path):
    old = record("S20×S19", ll=-92.0)
    new = record(
        ll=-130.0,
        profile="demo",
        config=CONFIG | {"training": {"epochs": 2}},
        created="2025-01-02T00:00:00+00:00",
    )
    folder = store(tmp_path / "runs", [old, new])
    write_report(folder)
    assert pd.read_csv(folder / "likelihoods.csv")["method"].tolist() == ["S40"]
    assert pd.read_csv(folder / "published.csv")["ours"].tolist() == [
        -130,
        -130,
        -130,
        -136,
    ]
    assert "profile demo, 1 seed" in (folder / "likelihoods.md").read_text(
        encoding="utf-8"
    )
    assert len(pd.read_csv(folder / "settings.csv")) == 2


def test_failures_only_leave_the_first_tables(tmp_path):
    folder = store(tmp_path / "runs", [record(status="failed")])
    with pytest.raises(UserError, match="all 1 failed"):
        write_report(folder)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == BASE
