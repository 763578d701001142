"""The report of a dataset without factors: its tables, its pages, its figure, and when."""

import logging
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.beta import text
from bench.errors import UserError
from bench.record import RECORD, Record
from bench.report import (
    figures,
    layout,
    likelihood_figure,
    likelihoods,
    published,
    style,
    tables,
    write,
)

BASE = ["runs.csv", "settings.csv"]
OWN = ["likelihoods.csv", "likelihoods.md"]
THEIRS = ["published.csv", "published.md"]
FIGURE = ["likelihood.png", "likelihood.pdf"]
METHODS = [*dict.fromkeys(r.method for r in published.of("mnist_products"))]
CONFIG = {"dataset": {"name": "binarized_mnist"}, "importance_samples": 500,
          "importance_images": 10_000}


def record(method="S40", seed=0, ll=-93.0, beta=1.0, **changes):
    """A finished run; ``status="failed"`` makes it one without scores."""
    scores = {"log_likelihood": ll, "log_likelihood_se": 0.3, "elbo": ll - 6,
              "reconstruction": ll + 20, "kl": 26.0, "best_epoch": 200.0}
    failed = changes.get("status") == "failed"
    fields = {
        "id": f"{method}-{text(beta).replace('/', '_')}-{seed}", "grid": "mnist_products",
        "profile": "paper", "prior": "hypersphere", "objective": "beta_vae",
        "status": "finished", "scores": {} if failed else scores, "config": CONFIG,
        "device": "cpu", "precision": "float32", "created": "2025-01-01T00:00:00+00:00",
        "reason": "the loss is not finite" if failed else None}
    return Record(method=method, beta=beta, seed=seed, **(fields | changes))


def store(folder: Path, records: list[Record]) -> Path:
    for r in records:
        (folder / r.id).mkdir(parents=True)
        (folder / r.id / RECORD).write_text(r.model_dump_json(), encoding="utf-8")
    return folder


def study(records):
    return figures.Study.of(records, tables.settings(records), style.styles(records))


def files(records):
    return {name: content.decode() for name, content in likelihoods.files(study(records)).items()}


def compared(records):
    return published.comparison(study(records), published.of("mnist_products"))


def draw(records):
    with style.drawing():
        return likelihood_figure.likelihood(study(records))


def lines(figure, name):
    return [line for line in figure.axes[0].lines if line.get_gid() == name]


def names(written):
    return [path.name for path in written]


def test_files_of_a_published_grid(tmp_path, caplog):
    written = write(store(tmp_path / "runs", [record(), record("N40")]))
    assert names(written) == BASE + OWN + THEIRS + FIGURE
    assert not caplog.records  # nothing about MIG, which there cannot be


def test_same_records_give_same_bytes(tmp_path):
    folder = store(tmp_path / "runs", [record(m, s) for m in METHODS[:3] for s in range(2)])
    first = [path.read_bytes() for path in write(folder)]
    assert [path.read_bytes() for path in write(folder)] == first


def test_a_grid_of_another_name_has_no_published_table(tmp_path):
    assert names(write(store(tmp_path / "runs", [record(grid="mine")]))) == BASE + OWN + FIGURE


@pytest.mark.parametrize("score", ["mig", "mig_histogram", "mig_groups"])
def test_a_study_with_mig_is_none_of_likelihoods(score):
    runs = [record(), record("N40", scores={"log_likelihood": -90.0, score: 0.1})]
    assert not likelihoods.applies(study(runs))
    assert files(runs) == {}


def test_a_score_that_only_begins_like_mig_is_another():
    runs = [record(scores={"log_likelihood": -90.0, "migration": 1.0})]
    assert likelihoods.applies(study(runs))


def test_neither_mig_nor_likelihood_is_said_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        written = write(store(tmp_path / "runs", [record(scores={"elbo": -99.0})]))
    assert names(written) == BASE
    assert [r.getMessage() for r in caplog.records] == [
        "no figure is drawn: no run of profile paper has the score mig or log_likelihood"]


def test_columns_and_signs():
    runs = [record(seed=s, ll=ll) for s, ll in enumerate([-92.0, -93.0, -94.0])]
    table = likelihoods.likelihoods(study(runs), ())
    assert list(table.columns) == ["method", "beta", "n", "failures", "LL", "LL_se", "ELBO",
                                   "ELBO_se", "RE", "RE_se", "KL", "KL_se"]
    se = 1 / math.sqrt(3)
    assert table.loc[0, "n":].tolist() == pytest.approx(
        [3, 0, -93, se, -99, se, 73, se, 26, 0])


def test_the_page_as_it_is():
    page = files([record("N40", seed=s, ll=ll) for s, ll in enumerate([-92.0, -94.0])]
                 + [record("S40", ll=-93.456)])["likelihoods.md"]
    assert page == """\
# Likelihoods: mnist_products, profile paper, 1–2 seeds

Nats per image, mean ± standard error over n seeds. RE = −E[log p(x|z)] and ELBO = −(RE + KL).
LL: importance-weighted, K = 500, of 10,000 images (all if there are fewer).

| method |            LL |          ELBO |           RE |           KL |   n |
|:-------|--------------:|--------------:|-------------:|-------------:|----:|
| N40    | -93.00 ± 1.00 | -99.00 ± 1.00 | 73.00 ± 1.00 | 26.00 ± 0.00 |   2 |
| S40    |        -93.46 |        -99.46 |        73.46 |        26.00 |   1 |
"""


def test_a_configuration_that_says_nothing_of_k():
    page = files([record(config={})])["likelihoods.md"]
    assert "\nLL: importance-weighted.\n" in page


def test_methods_go_as_published_after_those_that_are_not():
    runs = [record(m) for m in [*sorted(METHODS), "N40", "A mine"]]
    expected = ["A mine", "N40", *METHODS]
    assert likelihoods.methods(study(runs), published.of("mnist_products")) == expected
    table = likelihoods.likelihoods(study(runs), published.of("mnist_products"))
    assert table["method"].tolist() == expected
    labels = [t.get_text().replace("\n", "") for t in draw(runs).axes[0].get_yticklabels()]
    assert labels == expected


def test_failed_runs_are_counted_and_a_method_of_failures_is_a_row_of_blanks():
    runs = [record(), record(seed=1, status="failed"), record("N40", status="failed")]
    page = files(runs)["likelihoods.md"]
    assert "| n | failed |" in " ".join(page.split())
    assert "| N40 | | | | | 0 | 1 |" in " ".join(page.split())
    assert "| S40 | -93.00 | -99.00 | 73.00 | 26.00 | 1 | 1 |" in " ".join(page.split())
    table = likelihoods.likelihoods(study(runs), ())
    assert table.set_index("method").loc["N40", "LL":].isna().all()
    assert "failed" not in files(runs[:1])["likelihoods.md"]


def test_beta_is_a_column_where_there_are_several():
    runs = [record(grid="mine", beta=b) for b in (4.0, 1.0, (1.0, 2.0))]
    page = " ".join(files(runs)["likelihoods.md"].split())
    assert "| method | β |" in page
    assert page.index("| S40 | 1 |") < page.index("| S40 | 1/2 |") < page.index("| S40 | 4 |")
    assert "β |" not in files(runs[:1])["likelihoods.md"]
    labels = [t.get_text() for t in draw(runs).axes[0].get_yticklabels()]
    assert labels == ["S40, β = 1", "S40, β = 1/2", "S40, β = 4"]


def test_a_run_without_some_of_the_scores():
    runs = [record(), record("N40", scores={"elbo": -95.0})]
    table = likelihoods.likelihoods(study(runs), ()).set_index("method")
    assert table.loc["N40", "ELBO"] == -95
    assert math.isnan(table.loc["N40", "LL"])
    runs = [record(scores={"log_likelihood": -90.0})]
    assert "| S40 | -90.00 | | | | 1 |" in " ".join(files(runs)["likelihoods.md"].split())


def test_names_cannot_break_the_pages():
    runs = [record("a|b\n# c", grid="mine", profile="x\n# y")]
    page = files(runs)["likelihoods.md"]
    assert r"| a\|b # c |" in page
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Likelihoods: mine, profile x # y, 1 seed"]


def test_comparison_by_hand():
    runs = [record("S38×S1", seed=s, ll=ll) for s, ll in enumerate([-95.0, -96.0, -97.0])]
    table = compared(runs)
    assert list(table.columns) == ["method", "score", "table", "ours", "se", "n", "published",
                                   "difference", "difference_in_se", "note"]
    assert table["score"].tolist() == ["log_likelihood", "elbo", "reconstruction", "kl"]
    se = 1 / math.sqrt(3)
    assert table.loc[0, "ours":"difference_in_se"].tolist() == pytest.approx(
        [-96, se, 3, -95.69, -0.31, -0.31 / se])
    # equal runs have no spread to measure the difference by
    kl = table.loc[3, "ours":"difference_in_se"].tolist()
    assert kl[:-1] == pytest.approx([26, 0, 3, 32.01, -6.01])
    assert math.isnan(kl[-1])


def test_one_seed_has_a_difference_and_no_error():
    [row] = compared([record("[S10]×4", scores={"elbo": -98.0})]).to_dict("records")
    assert (row["n"], row["published"]) == (1, -98.26)
    assert row["difference"] == pytest.approx(0.26)
    assert math.isnan(row["se"])
    assert math.isnan(row["difference_in_se"])
    page = files([record("[S10]×4")])["published.md"]
    assert "| [S10]×4 | elbo | Table 5 | -99.00 | 1 | -98.26 | -0.74 | | |" in " ".join(
        page.split())


def test_rows_are_as_published_and_methods_without_runs_are_named():
    runs = [record("[S10]×4"), record("S40"), record("N40"), record("S20×S19", status="failed")]
    table = compared(runs)
    assert table["method"].tolist() == ["S40"] * 4 + ["[S10]×4"] * 2
    assert table["published"].tolist() == [-93.37, -93.38, -96.32, -98.88, -92.62, -98.26]
    page = files(runs)["published.md"]
    assert "No finished run at β = 1 of: S20×S19, S38×S1, S10×[S9]×3," in page
    assert "1. best single S_m, m ≤ 40; the paper does not say which m\n2. best" in page
    assert "- another version of Davidson" in page


def test_only_beta_one_is_compared():
    runs = [record(beta=4.0, ll=-120.0), record("S20×S19", beta=(1.0, 2.0))]
    assert compared(runs).empty
    pages = files(runs)
    assert pages["published.csv"].splitlines() == [",".join(published.COLUMNS)]
    assert "No finished run at β = 1 of: S40" in pages["published.md"]
    assert not lines(draw(runs), "published")
    assert compared([*runs, record()])["ours"].tolist() == [-93] * 3 + [-99]


def test_n_counts_the_runs_that_have_the_score():
    runs = [record(), record(seed=1, scores={"log_likelihood": -94.0})]
    table = compared(runs)
    assert table["n"].tolist() == [2, 2, 2, 1]


def test_a_profile_that_is_not_the_papers_is_warned_of():
    page = files([record(profile="demo")])["published.md"]
    assert "**These are runs of profile demo, not of paper: the differences say nothing" in page
    assert "say nothing" not in files([record()])["published.md"]


def test_of_several_profiles_the_newest_is_shown(tmp_path):
    old = record("S20×S19", ll=-92.0)
    new = record(ll=-130.0, profile="demo", config=CONFIG | {"training": {"epochs": 2}},
                 created="2025-01-02T00:00:00+00:00")
    folder = store(tmp_path / "runs", [old, new])
    write(folder)
    assert pd.read_csv(folder / "likelihoods.csv")["method"].tolist() == ["S40"]
    assert pd.read_csv(folder / "published.csv")["ours"].tolist() == [-130, -130, -130, -136]
    assert "profile demo, 1 seed" in (folder / "likelihoods.md").read_text(encoding="utf-8")
    assert len(pd.read_csv(folder / "settings.csv")) == 2


def test_failures_only_leave_the_first_tables(tmp_path):
    folder = store(tmp_path / "runs", [record(status="failed")])
    with pytest.raises(UserError, match="all 1 failed"):
        write(folder)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == BASE


def test_seeds_means_and_published_are_drawn():
    runs = [record(seed=s, ll=ll) for s, ll in enumerate([-92.0, -93.0, -97.0])]
    figure = draw([*runs, record("N40", seed=1, status="failed"), record("N40")])
    none, ours = lines(figure, "seeds")
    assert list(none.get_xdata()) == [-93]
    assert list(ours.get_xdata()) == [-92, -93, -97]
    assert len(set(ours.get_ydata())) == 3
    assert list(lines(figure, "mean")[1].get_xdata()) == [-94, -94]
    [theirs] = lines(figure, "published")
    assert list(theirs.get_xdata()) == [-93.37, -93.38, -96.32]
    assert set(theirs.get_ydata()) == {1}
    assert theirs.get_markerfacecolor() == "none"


def test_legend_and_caption_say_what_is_there():
    def said(records):
        figure = draw(records)
        legend = [t.get_text() for t in figure.legends[0].get_texts()]
        return legend, " ".join(t.get_text() for t in figure.texts).replace("\n", " ")

    assert said([record(grid="mine")])[0] == ["seed", "mean"]
    legend, caption = said([record(), record(seed=1, status="failed")])
    assert legend == ["seed", "mean", "published"]
    assert "1 of 2 runs failed." in caption
    assert "says nothing" not in caption
    _, caption = said([record(profile="demo")])
    assert "Not profile paper: the distance to published values says nothing." in caption


@pytest.mark.parametrize("methods", [
    ["N40", *METHODS], ["N40"], ["a very long name " * 4, "x" * 90], ["先验 $x$", "_hidden"]])
def test_nothing_lies_outside_the_page_or_over_another(methods):
    rng = np.random.default_rng(0)
    figure = draw([record(m, s, rng.normal(-95, 2)) for m in methods for s in range(3)])
    with style.drawing():
        tight = figure.get_tightbbox()
        boxes = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    assert tight.x0 > -0.02
    assert tight.x1 < layout.WIDTH + 0.02
    assert tight.y0 > -0.02
    assert tight.y1 < figure.get_figheight() + 0.02
    assert figure.axes[0].get_position().width > 0.4
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_a_likelihood_that_is_not_finite_is_no_point():
    """Nor does a study draw badly where no other is left."""
    runs = [record(ll=-math.inf), record(seed=1), record("N40", ll=math.nan)]
    figure = draw(runs)
    [points] = lines(figure, "seeds")
    assert list(points.get_xdata()) == [-93]
    assert compared(runs)["n"].tolist() == [1] * 3 + [1]
    with style.drawing():
        assert style.image(draw(runs[:1]), "png").startswith(b"\x89PNG")
