"""The report of a dataset without factors: its files, tables and pages, and when there are any."""

import math

import pytest

from priorbench.bench.report import write_report
from priorbench.bench.report.likelihoods import (
    make_likelihood_files,
    make_likelihood_table,
    order_methods,
)
from priorbench.bench.report.published import find_published
from priorbench.errors import UserError
from tests.bench.synthetic_results import make_likelihood_result as make_result
from tests.bench.synthetic_results import make_study, save_results

TABLES = ("runs", "settings", "scores", "comparisons", "aggregates")
BASE = [*(f"{name}.csv" for name in TABLES), "settings.tex"]
PAGE = ["report.html"]
OWN = ["likelihoods.csv", "likelihoods.md"]
THEIRS = ["published.csv", "published.md"]
FIGURE = ["likelihood.png", "likelihood.pdf"]
METHODS = [*dict.fromkeys(r.method for r in find_published("mnist_products"))]


def format_files(records):
    return {
        name: content.decode()
        for name, content in make_likelihood_files(make_study(records)).items()
    }


def list_names(written):
    return [path.name for path in written]


def test_files_of_a_published_grid(tmp_path, caplog):
    written = write_report(
        save_results(tmp_path / "runs", [make_result(), make_result("N40")])
    )
    assert list_names(written) == BASE + OWN + THEIRS + FIGURE + PAGE
    assert not caplog.records  # nothing about MIG, which there cannot be


def test_same_records_give_same_bytes(tmp_path):
    folder = save_results(
        tmp_path / "runs", [make_result(m, s) for m in METHODS[:3] for s in range(2)]
    )
    first = [path.read_bytes() for path in write_report(folder)]
    assert [path.read_bytes() for path in write_report(folder)] == first


def test_a_grid_of_another_name_has_no_published_table(tmp_path):
    assert (
        list_names(
            write_report(save_results(tmp_path / "runs", [make_result(grid="mine")]))
        )
        == BASE + OWN + FIGURE + PAGE
    )


def test_no_tables_where_the_likelihood_is_no_headline():
    assert format_files([make_result(headlines=("mig",))]) == {}


def test_no_tables_where_no_run_has_the_likelihood():
    assert format_files([make_result(scores={"elbo": -99.0})]) == {}


def test_another_headline_has_its_figures_beside_the_likelihoods(tmp_path):
    runs = [make_result(grid="mine", headlines=("log_likelihood", "elbo"))]
    written = write_report(save_results(tmp_path / "runs", runs))
    assert list_names(written) == [
        *BASE[:-1],
        "correlations.csv",
        BASE[-1],
        *OWN,
        *FIGURE,
        "elbo_vs_reconstruction.png",
        "elbo_vs_reconstruction.pdf",
        "elbo_distribution.png",
        "elbo_distribution.pdf",
        *PAGE,
    ]


def test_columns_and_signs():
    runs = [make_result(seed=s, ll=ll) for s, ll in enumerate([-92.0, -93.0, -94.0])]
    table = make_likelihood_table(make_study(runs), ())
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
    page = format_files(
        [make_result("N40", seed=s, ll=ll) for s, ll in enumerate([-92.0, -94.0])]
        + [make_result("S40", ll=-93.456)]
    )["likelihoods.md"]
    assert (
        page
        == """\
# Likelihoods: mnist_products, profile paper, 1–2 seeds

Nats per image, mean ± standard error over n seeds with an LL. RE = −E[log p(x|z)] and ELBO = −(RE + KL).
LL: importance-weighted, K = 500, of 10,000 images (all if there are fewer).

| method |            LL |          ELBO |           RE |           KL |   n |
|:-------|--------------:|--------------:|-------------:|-------------:|----:|
| N40    | -93.00 ± 1.00 | -99.00 ± 1.00 | 73.00 ± 1.00 | 26.00 ± 0.00 |   2 |
| S40    |        -93.46 |        -99.46 |        73.46 |        26.00 |   1 |
"""
    )


def test_a_likelihood_that_says_nothing_of_k(monkeypatch):
    monkeypatch.setattr("tests.bench.synthetic_results.ESTIMATOR", {})
    page = format_files([make_result()])["likelihoods.md"]
    assert "\nLL: importance-weighted.\n" in page


def test_methods_go_as_published_after_those_that_are_not():
    runs = [make_result(m) for m in [*sorted(METHODS), "A mine", "N40"]]
    expected = ["A mine", "N40", *METHODS]
    assert order_methods(make_study(runs), find_published("mnist_products")) == expected
    table = make_likelihood_table(make_study(runs), find_published("mnist_products"))
    assert table["method"].tolist() == expected


def test_failed_runs_are_counted_and_a_method_of_failures_is_a_row_of_blanks():
    runs = [
        make_result(),
        make_result(seed=1, status="failed"),
        make_result("N40", status="failed"),
    ]
    page = format_files(runs)["likelihoods.md"]
    assert "| n | failed |" in " ".join(page.split())
    assert "| N40 | | | | | 0 | 1 |" in " ".join(page.split())
    assert "| S40 | -93.00 | -99.00 | 73.00 | 26.00 | 1 | 1 |" in " ".join(page.split())
    table = make_likelihood_table(make_study(runs), ())
    assert table.set_index("method").loc["N40", "LL":].isna().all()
    assert "failed" not in format_files(runs[:1])["likelihoods.md"]


def test_beta_is_a_column_where_there_are_several():
    runs = [make_result(grid="mine", beta=b) for b in (4.0, 1.0, (1.0, 2.0))]
    page = " ".join(format_files(runs)["likelihoods.md"].split())
    assert "| method | β |" in page
    assert (
        page.index("| S40 | 1 |")
        < page.index("| S40 | 1/2 |")
        < page.index("| S40 | 4 |")
    )
    assert "β |" not in format_files(runs[:1])["likelihoods.md"]


def test_a_run_without_some_of_the_scores():
    runs = [make_result(), make_result("N40", scores={"elbo": -95.0})]
    table = make_likelihood_table(make_study(runs), ()).set_index("method")
    assert table.loc["N40", "ELBO"] == -95
    assert math.isnan(table.loc["N40", "LL"])
    runs = [make_result(scores={"log_likelihood": -90.0})]
    assert "| S40 | -90.00 | | | | 1 |" in " ".join(
        format_files(runs)["likelihoods.md"].split()
    )


def test_names_cannot_break_the_pages():
    runs = [make_result("a|b\n# c", grid="mine", profile="x\n# y")]
    page = format_files(runs)["likelihoods.md"]
    assert r"| a\|b # c |" in page
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Likelihoods: mine, profile x # y, 1 seed"
    ]


def test_failures_only_leave_the_first_tables(tmp_path):
    folder = save_results(tmp_path / "runs", [make_result(status="failed")])
    with pytest.raises(UserError, match="all 1 failed"):
        write_report(folder)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted(
        [*BASE, "manifest.json"]
    )
