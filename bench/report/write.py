"""From a study's results to its report: tables and figures in its folder.

The same results give the same files. Nothing here imports torch.
"""

import importlib.util
import io
import logging
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from priorbench.atomic_files import write_atomically
from priorbench.bench.report.aggregates import make_aggregate_table
from priorbench.bench.report.comparisons import make_comparison_table
from priorbench.bench.report.figures import style
from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.likelihood import draw_likelihood
from priorbench.bench.report.figures.trade_off import draw_trade_off
from priorbench.bench.report.likelihoods import LIKELIHOOD, make_likelihood_files
from priorbench.bench.report.page.build import make_page
from priorbench.bench.report.plain_text import (
    describe_fewer,
    format_csv,
    format_latex,
    format_mean,
)
from priorbench.bench.report.published import choose_reconstruction
from priorbench.bench.report.published_page import make_published_files
from priorbench.bench.report.study import Study, make_study
from priorbench.bench.results.combine import load_studies
from priorbench.bench.results.load import load_chance
from priorbench.bench.results.result import LEADING
from priorbench.bench.results.tables import (
    list_compared_scores,
    make_correlation_table,
    make_runs_table,
    make_scores_table,
)
from priorbench.errors import UserError
from priorbench.registry import suggest_names

log = logging.getLogger("priorbench")

IMAGES = ("png", "pdf")
FORMATS = ("html", "csv", "tex", "md", *IMAGES)
"""What is written unless other formats are asked for."""

WIDEST = 6
"""Scores beside each other on a page of paper."""

PARQUET = "parquet"
PAGE = "report.html"
TOGETHER = "comparison"
"""Folder of the report of several studies, beside the first of them."""


def parse_formats(names: str) -> tuple[str, ...]:
    """Return the formats in a list with commas.

    Raises:
        UserError: one is unknown, or parquet is asked for without pyarrow.
    """
    formats = tuple(name.strip() for name in names.split(","))
    known = (*FORMATS, PARQUET)
    for name in formats:
        if name not in known:
            raise UserError(
                f"--format: unknown format {name!r}; {suggest_names(name, known)}"
            )
    if PARQUET in formats and importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "--format parquet needs pyarrow; install it with: pip install pyarrow"
        )
    return formats


def write_report(
    *folders: Path,
    out: Path | None = None,
    drawn: int = LEADING,
    formats: Collection[str] = FORMATS,
) -> list[Path]:
    """Write the tables, the figures and the page of a study, or of several together.

    They show what the manifest of the last command names, as far as it is done.
    Several studies are joined by :mod:`priorbench.bench.results.combine`.
    ``runs.csv`` has a row for each run, ``settings.csv`` for each method and β,
    ``settings.tex`` the same of the headline scores for a paper,
    ``scores.csv`` for each value of each score; ``comparisons.csv`` says of each pair
    of methods which is better, ``aggregates.csv`` has each method's means over all its
    runs, ``chance.csv`` what each metric gives for noise, and ``correlations.csv`` the
    rank correlation of the headline scores over the runs. Each of the first headline
    scores has the figures ``<score>_vs_reconstruction`` and ``<score>_distribution``.
    Where the log-likelihood is a headline, there are the tables ``likelihoods``, the
    figure ``likelihood``; where values are published for the grid, the tables
    ``published``. ``report.html`` shows all of it. A figure whose scores no run has is
    left out, with a warning. Where all runs have failed, the tables are written, so
    that the reasons can be read, and then the error is raised.

    Args:
        *folders: of the studies, ``runs/<grid>`` each.
        out: folder for what is written; the study's own, or for several
            :data:`TOGETHER` beside the first.
        drawn: how many headline scores have figures, the first ones of the grid.
        formats: of :data:`FORMATS` and "parquet", what is written.

    Returns:
        The files written, each whole.

    Raises:
        UserError: there is no such folder, no finished run in it, or it cannot be
            written.
    """
    manifest, results = load_studies(folders)
    if out is None:
        out = folders[0] if len(folders) == 1 else folders[0].parent / TOGETHER
    names = " and ".join(map(str, folders))
    if not results:
        raise UserError(f"no finished run of {names} yet; run its grid first")
    study = make_study(manifest, results)
    comparisons = make_comparison_table(study, study.headlines)
    chance = load_chance(folders[0], manifest)
    aggregates = make_aggregate_table(study, list_compared_scores(results))
    tables = {
        "runs": (make_runs_table(results), None),
        "settings": (study.settings, "%.10g"),
        "scores": (make_scores_table(results), None),
        "comparisons": (comparisons, "%.6g"),
        "aggregates": (aggregates, "%.6g"),
    }
    if len(chance):
        tables["chance"] = (chance, "%.10g")
    if len(study.headlines) > 1:
        tables["correlations"] = (make_correlation_table(results), "%.4f")
    written = _write_files(out, make_tables(tables, formats))
    if "tex" in formats:
        written += _write_files(out, [("settings.tex", make_latex(study))])
    if all(result.status == "failed" for result in results):
        reason = " ".join(str(results[0].reason).split())
        raise UserError(
            f"no finished run of {names} yet; all {len(results)} failed, the "
            f"reasons are in {out / 'runs.csv'}; one is: {reason}"
        )
    shown = replace(study, headlines=study.headlines[:drawn])
    written += _write_files(out, make_files(shown, formats))
    if "html" in formats:
        beside = [path.name for path in written]
        page = make_page(study, manifest, comparisons, aggregates, chance, beside)
        written += _write_files(out, [(PAGE, page)])
    return written


def make_tables(
    tables: Mapping[str, tuple[pd.DataFrame, str | None]], formats: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each table, in each format that is wanted.

    Args:
        tables: each with the format of its floats in a CSV file, by name.
        formats: of which CSV and parquet are tables.
    """
    for name, (table, digits) in tables.items():
        if "csv" in formats:
            yield f"{name}.csv", format_csv(table, digits)
        if PARQUET in formats:
            yield f"{name}.{PARQUET}", encode_parquet(table)


def make_latex(study: Study) -> bytes:
    """Return headline scores as tables for a paper, :data:`WIDEST` in each."""
    scores = [*study.headlines, "reconstruction"]
    parts = [scores[i : i + WIDEST] for i in range(0, len(scores), WIDEST)]
    return b"\n".join(format_latex(*list_cells(study, part)) for part in parts)


def list_cells(
    study: Study, scores: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table of mean scores."""
    columns = ["method", "β", "n", *scores]
    rows = []
    for row in study.settings.to_dict("records"):
        beta = row["beta"]
        cells = [row["method"], beta if isinstance(beta, str) else f"{beta:g}"]
        cells.append(str(row["n"]))
        for score in scores:
            mean, se = (row.get(f"{score}_{name}", nan) for name in ("mean", "se"))
            estimate = " ± ".join(filter(None, format_mean(mean, se)))
            cells.append(f"{estimate} {describe_fewer(row, score)}".rstrip())
        rows.append(cells)
    return columns, rows


def encode_parquet(table: pd.DataFrame) -> bytes:
    """Return ``table`` as a parquet file; a column of numbers and text is text."""
    mixed = [name for name in table if table[name].dtype == object]
    file = io.BytesIO()
    text = {name: table[name].astype("string") for name in mixed}
    table.assign(**text).to_parquet(file, index=False)
    return file.getvalue()


def make_files(
    study: Study, formats: Collection[str] = FORMATS
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file for print, or of likelihoods."""
    tables = make_likelihood_files(study) | make_published_files(study)
    for name, content in tables.items():
        if name.rpartition(".")[-1] in formats:
            yield name, content
    kinds = [kind for kind in IMAGES if kind in formats]
    for name, draw in list_figures(study) if kinds else ():
        with style.use_style():
            figure = draw(study)
            images = {kind: style.encode_image(figure, kind) for kind in kinds}
        for kind, image in images.items():
            yield f"{name}.{kind}", image


def list_figures(study: Study) -> Iterator[tuple[str, Callable[[Study], Figure]]]:
    """Yield the name of each figure and the function that draws it.

    A warning names each figure that is left out because no run has its scores.
    """
    if not study.headlines:
        log.warning(
            "no figure is drawn: no run of profile %s has a headline score; add a "
            "metric that has one to the grid",
            study.profile,
        )
    for headline in study.headlines:
        if headline == LIKELIHOOD:
            figures = [("likelihood", draw_likelihood, (headline,))]
        else:
            scores = (headline, choose_reconstruction(study))
            trade_off = partial(draw_trade_off, score=headline)
            distribution = partial(draw_distribution, score=headline)
            figures = [
                (f"{headline}_vs_reconstruction", trade_off, scores),
                (f"{headline}_distribution", distribution, (headline,)),
            ]
        for name, draw, needed in figures:
            missing = [score for score in needed if not study.has_score(score)]
            if not missing:
                yield name, draw
                continue
            log.warning(
                "%s is not drawn: no run of profile %s has the score %s",
                name,
                study.profile,
                " and ".join(missing),
            )


def _write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write each file into ``folder`` as soon as it is made; return their paths."""
    written = []
    for name, content in files:
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written.append(write_atomically(path, content))
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"cannot write {path}: {reason}") from error
    return written
