"""The report: its files, errors and command line."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from priorbench.bench.report import __main__ as command
from priorbench.bench.report import write_report
from priorbench.bench.results.store import Store
from priorbench.errors import UserError
from tests.bench.synthetic_results import make_result, make_results, save_results

FILES = [
    "runs.csv",
    "settings.csv",
    "scores.csv",
    "comparisons.csv",
    "aggregates.csv",
    "settings.tex",
    "mig_vs_reconstruction.png",
    "mig_vs_reconstruction.pdf",
    "mig_distribution.png",
    "mig_distribution.pdf",
    "report.html",
]
TABLES, FIGURES, PAGE = FILES[:6], FILES[6:-1], FILES[-1]


def test_writes_every_file_and_nothing_else(tmp_path):
    folder = save_results(tmp_path / "study", make_results())
    assert [p.name for p in write_report(folder)] == FILES
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted(
        [*FILES, "manifest.json"]
    )
    assert all((folder / name).stat().st_size > 5000 for name in FIGURES)


def test_the_table_for_a_paper(tmp_path):
    """Names are text; the columns are the headlines' means and standard errors."""
    results = [make_result("a_b & c", seed=s, mig=m) for s, m in enumerate((0.1, 0.2))]
    folder = save_results(tmp_path / "study", results)
    write_report(folder)
    lines = (folder / "settings.tex").read_text(encoding="utf-8").splitlines()
    assert r"method & $\beta$ & n & mig & reconstruction \\" in lines
    assert r"a\_b \& c & $1$ & $2$ & $0.150 \pm 0.050$ & $-30 \pm 0$ \\" in lines


def test_no_text_is_a_formula_in_a_spreadsheet(tmp_path):
    reason = '=HYPERLINK("http://x")'
    results = [make_result(), make_result(seed=1, status="failed", reason=reason)]
    folder = save_results(tmp_path / "study", results)
    write_report(folder)
    reasons = pd.read_csv(folder / "runs.csv")["reason"].dropna().tolist()
    assert reasons == [f"'{reason}"]


def test_same_records_give_same_bytes(tmp_path):
    folder = save_results(tmp_path / "study", make_results())
    first = [p.read_bytes() for p in write_report(folder)]
    assert [p.read_bytes() for p in write_report(folder)] == first


def test_a_beta_for_each_group(tmp_path):
    """Its column is text, rows go by the mean, and every file is written."""
    betas = (8.0, (1.0, 1.0, 8.0), 1.0, (1.0, 1.0, 2.5))
    folder = save_results(tmp_path / "study", make_results(betas=betas))
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


def test_failed_runs_are_rows_with_empty_scores(tmp_path):
    folder = save_results(
        tmp_path / "study",
        [*make_results(seeds=2), make_result(seed=9, status="failed")],
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


def test_one_run_is_enough(tmp_path):
    assert [
        p.name for p in write_report(save_results(tmp_path / "study", [make_result()]))
    ] == FILES


def test_figures_without_their_scores_are_left_out(tmp_path, caplog):
    written = write_report(
        save_results(tmp_path / "study", [make_result(scores={"mig": 0.3})])
    )
    assert [p.name for p in written] == [*TABLES, *FIGURES[2:], PAGE]
    assert "mig_vs_reconstruction is not drawn" in caplog.text


def test_a_headline_has_its_figures_and_leads_the_tables(tmp_path):
    scores = {"reconstruction": -30.0, "my_score": 0.5, "mig": 0.1, "kl": 3.0}
    run = make_result(scores=scores, headlines=("my_score", "mig"))
    written = write_report(save_results(tmp_path / "study", [run]))
    assert [p.name for p in written] == [
        *TABLES[:-1],
        "correlations.csv",
        TABLES[-1],
        "my_score_vs_reconstruction.png",
        "my_score_vs_reconstruction.pdf",
        "my_score_distribution.png",
        "my_score_distribution.pdf",
        *FIGURES,
        PAGE,
    ]
    columns = list(pd.read_csv(tmp_path / "study" / "runs.csv").columns)
    first = columns.index("my_score")
    assert columns[first : first + 4] == ["my_score", "mig", "reconstruction", "kl"]


def test_runs_without_headlines_have_tables_and_one_warning(tmp_path, caplog):
    runs = [make_result(headlines=()), make_result(seed=1, headlines=())]
    written = write_report(save_results(tmp_path / "study", runs))
    assert [p.name for p in written] == [*TABLES, PAGE]
    [warning] = [r.getMessage() for r in caplog.records]
    assert warning.startswith(
        "no figure is drawn: no run of profile quick has a headline"
    )


@pytest.mark.slow
def test_two_thousand_runs(tmp_path):
    folder = save_results(
        tmp_path / "study", make_results(betas=(1.0, 2.0, 4.0, 6.0, 8.0), seeds=200)
    )
    write_report(folder)
    assert len(pd.read_csv(folder / "runs.csv")) == 2000
    assert pd.read_csv(folder / "settings.csv")["n"].tolist() == [200] * 10


def test_no_records(tmp_path):
    with pytest.raises(UserError, match=r"no manifest.json in .+; run its grid first"):
        write_report(tmp_path)


def test_runs_of_an_older_version_are_said(tmp_path):
    old = tmp_path / "study" / "0123456789abcdef"
    old.mkdir(parents=True)
    (old / "record.json").write_text("{}")
    with pytest.raises(UserError, match=r"runs of an older version.*another folder"):
        write_report(tmp_path / "study")


def test_a_manifest_that_is_damaged_is_said(tmp_path):
    folder = save_results(tmp_path / "study", [make_result()])
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"quick", b"quack"))
    with pytest.raises(UserError, match=r"manifest.json is damaged.*again"):
        write_report(folder)


def test_the_manifest_decides_what_is_shown(tmp_path):
    """Other models of the store, of another grid or of an edited one, are not."""
    one, other = make_results(("a", "b"), (1.0,), 2), make_results(("c",), (1.0,), 2)
    save_results(tmp_path / "first", [*one, *other])
    folder = save_results(tmp_path / "second", one)
    write_report(folder)
    assert set(pd.read_csv(folder / "runs.csv")["method"]) == {"a", "b"}


def test_a_score_that_failed_is_a_row_with_its_reason(tmp_path):
    results = make_results(("a",), (1.0,), 3)
    failed = (
        results[0]
        .records["mig"]
        .model_copy(
            update={"status": "failed", "reason": "ValueError: no", "values": {}}
        )
    )
    folder = save_results(tmp_path / "study", results)
    Store(tmp_path).save_score(failed, {})
    write_report(folder)
    scores = pd.read_csv(folder / "scores.csv").set_index("metric")
    assert scores.loc["mig", "reason"].dropna().tolist() == ["ValueError: no"]
    assert scores.loc["others", "value"].notna().all()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "mig of a β = 1 seed 0: ValueError: no" in page
    assert "In 1 of 3 runs a score failed" in page
    assert "(n = 2)" in page
    assert "$ (n = 2) & $" in (folder / "settings.tex").read_text(encoding="utf-8")


def test_correlations_are_of_ranks(tmp_path):
    runs = [
        make_result(seed=s, headlines=("mig", "dci"), scores={"mig": x, "dci": y})
        for s, (x, y) in enumerate([(0.1, 1.0), (0.2, 0.9), (0.9, 0.1), (0.3, 0.95)])
    ]
    folder = save_results(tmp_path / "study", runs)
    write_report(folder)
    table = pd.read_csv(folder / "correlations.csv", index_col="score")
    assert table.loc["mig", "dci"] == pytest.approx(-0.8)
    assert table.loc["mig", "mig"] == 1


def test_only_failures_leave_the_tables(tmp_path):
    folder = save_results(tmp_path / "study", [make_result(status="failed")])
    with pytest.raises(
        UserError, match=r"no finished run .* all 1 failed.*the loss is not finite"
    ):
        write_report(folder)
    assert (folder / "runs.csv").exists()


def test_missing_folder_suggests_its_siblings(tmp_path):
    save_results(tmp_path / "dsprites_beta", [make_result()])
    with pytest.raises(
        UserError, match=r"no folder .*dsprites_bta; did you mean 'dsprites_beta'"
    ):
        write_report(tmp_path / "dsprites_bta")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(UserError, match="x is a file"):
        write_report(tmp_path / "x")


def test_unwritable_names_the_file_and_leaves_nothing(tmp_path):
    folder = save_results(tmp_path / "study", [make_result()])
    (folder / "settings.csv").mkdir()
    with pytest.raises(
        UserError, match=r"cannot write .*settings\.csv: Is a directory"
    ):
        write_report(folder)
    assert not list(folder.glob(".*"))


def test_command_line(tmp_path):
    folder = save_results(tmp_path / "study", [make_result()])
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


def test_command_line_takes_plugins(tmp_path):
    """So that one command line is right for every command."""
    folder = save_results(tmp_path / "study", [make_result()])
    failed = CliRunner().invoke(command.app, [str(folder), "--plugin", "none.py"])
    assert failed.exit_code == 2
    assert "plug-in 'none.py': there is no such file" in failed.stderr


def test_imports_neither_torch_nor_pyplot():
    code = (
        "import sys, bench.report, bench.report.__main__ as m; "
        "sys.exit(bool({'torch', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_several_studies_share_a_page(tmp_path):
    one = save_results(tmp_path / "runs" / "one", make_results(("a",), seeds=2))
    config = {"latent_dim": 3, "dataset": {"name": "dsprites"}}
    others = make_results(("b",), seeds=2, config=config, grid="other")
    two = save_results(tmp_path / "runs" / "two", others)
    done = CliRunner().invoke(command.app, [str(one), str(two)])
    assert done.exit_code == 0
    together = tmp_path / "runs" / "comparison"
    assert [Path(line) for line in done.stdout.split()] == [together / f for f in FILES]
    assert set(pd.read_csv(together / "comparisons.csv")["a"]) == {"a"}
    assert set(pd.read_csv(together / "comparisons.csv")["b"]) == {"b"}
    page = (together / "report.html").read_text(encoding="utf-8")
    assert "study + other" in page
    assert not (one / "report.html").exists()


def test_what_is_written_and_where(tmp_path):
    folder = save_results(tmp_path / "study", make_results())
    written = write_report(folder, out=tmp_path / "out", formats=("csv", "png"))
    wanted = [name for name in FILES if name.endswith((".csv", ".png"))]
    assert written == [tmp_path / "out" / name for name in wanted]
    (page,) = write_report(folder, formats=("html",))
    assert 'href="runs.csv"' not in page.read_text(encoding="utf-8")


def test_a_table_of_numbers_and_text_is_a_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    runs = [make_result(beta=1.0), make_result(beta=(1.0, 8.0))]
    folder = save_results(tmp_path / "study", runs)
    write_report(folder, formats=("parquet",))
    table = pd.read_parquet(folder / "runs.parquet")
    assert table["beta"].tolist() == ["1.0", "1/8"]
    assert table["mig"].tolist() == [0.2, 0.2]


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ("csv,jpeg", "--format: unknown format 'jpeg'; "),
        ("html,parquet", "--format parquet needs pyarrow; install it with: pip"),
    ],
)
def test_formats_that_cannot_be_written(tmp_path, monkeypatch, formats, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    folder = save_results(tmp_path / "study", [make_result()])
    failed = CliRunner().invoke(command.app, [str(folder), "--format", formats])
    assert failed.exit_code == 2
    assert failed.stderr.startswith(f"error: {message}")
    assert not (folder / "runs.csv").exists()


def test_a_wide_table_for_a_paper_is_broken(tmp_path):
    names = [f"score_{i}" for i in range(8)]
    scores = dict.fromkeys(names, 1.0) | {"reconstruction": -1.0}
    folder = save_results(
        tmp_path / "study", [make_result(scores=scores, headlines=tuple(names))]
    )
    write_report(folder, drawn=0, formats=("tex",))
    text = (folder / "settings.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{tabular}{lrrrrrrrr}") == 1
    assert text.count(r"\begin{tabular}{lrrrrr}") == 1
