"""From a study's results to its report: tables and figures in its folder.

The same results give the same files. Nothing here imports torch.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path

from matplotlib.figure import Figure

from priorbench.atomic_files import write_atomically
from priorbench.bench.report.comparisons import make_comparison_table
from priorbench.bench.report.figures import style
from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.likelihood import draw_likelihood
from priorbench.bench.report.figures.trade_off import draw_trade_off
from priorbench.bench.report.likelihoods import LIKELIHOOD, make_likelihood_files
from priorbench.bench.report.page.build import make_page
from priorbench.bench.report.plain_text import (
    format_csv,
    format_latex,
    format_mean,
)
from priorbench.bench.report.published import choose_reconstruction
from priorbench.bench.report.published_page import make_published_files
from priorbench.bench.report.study import Study, make_study
from priorbench.bench.results.load import load_chance, load_results
from priorbench.bench.results.manifest import read_manifest
from priorbench.bench.results.result import LEADING
from priorbench.bench.results.store import Store
from priorbench.bench.results.tables import (
    make_correlation_table,
    make_runs_table,
    make_scores_table,
)
from priorbench.errors import UserError

log = logging.getLogger("priorbench")

FORMATS = ("png", "pdf")
PAGE = "report.html"


def write_report(folder: Path, drawn: int = LEADING) -> list[Path]:
    """Write the tables and figures of the study in ``folder`` into ``folder``.

    They show what the manifest of the last command names, as far as it is done.
    ``runs.csv`` has a row for each run, ``settings.csv`` for each method and β,
    ``settings.tex`` the same of the headline scores for a paper,
    ``scores.csv`` for each value of each score; ``correlations.csv`` has the rank
    correlation of the headline scores over the runs, ``comparisons.csv`` says of each
    pair of methods which is better, and ``chance.csv`` what each metric gives for
    noise. ``report.html`` shows all of it. Each of the first headline scores has the
    figures ``<score>_vs_reconstruction`` and ``<score>_distribution``. Where the
    log-likelihood is a headline, there are the tables ``likelihoods`` and the figure
    ``likelihood``; where values are published for the grid, the tables ``published``. A
    figure whose scores no run has is left out, with a warning. Where all runs have
    failed, the tables are written, so that the reasons can be read, and then the error
    is raised.

    Args:
        folder: of one study, ``runs/<grid>``.
        drawn: how many headline scores have figures, the first ones of the grid.

    Returns:
        The files written, each whole.

    Raises:
        UserError: there is no such folder, no finished run in it, or it cannot be
            written.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    results = load_results(folder, manifest)
    if not results:
        raise UserError(f"no finished run of {folder} yet; run its grid first")
    study = make_study(manifest, results)
    comparisons = make_comparison_table(study, study.headlines)
    tables = {
        "runs.csv": format_csv(make_runs_table(results)),
        "settings.csv": format_csv(study.settings, "%.10g"),
        "scores.csv": format_csv(make_scores_table(results)),
        "settings.tex": format_latex(*list_cells(study)),
        "comparisons.csv": format_csv(comparisons, "%.6g"),
    }
    chance = load_chance(folder, manifest)
    if len(chance):
        tables["chance.csv"] = format_csv(chance, "%.10g")
    if len(study.headlines) > 1:
        correlations = make_correlation_table(results)
        tables["correlations.csv"] = format_csv(correlations, "%.4f")
    written = _write_files(folder, tables.items())
    if all(result.status == "failed" for result in results):
        reason = " ".join(str(results[0].reason).split())
        raise UserError(
            f"no finished run of {folder} yet; all {len(results)} failed, the "
            f"reasons are in {folder / 'runs.csv'}; one is: {reason}"
        )
    shown = replace(study, headlines=study.headlines[:drawn])
    page = make_page(study, manifest, comparisons, chance, Store(folder.parent))
    return [
        *written,
        *_write_files(folder, make_files(shown)),
        *_write_files(folder, [(PAGE, page)]),
    ]


def list_cells(study: Study) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table for a paper: headline scores."""
    scores = [*study.headlines, "reconstruction"]
    columns = ["method", "β", "n", *scores]
    rows = []
    for row in study.settings.to_dict("records"):
        beta = row["beta"]
        cells = [row["method"], beta if isinstance(beta, str) else f"{beta:g}"]
        cells.append(str(row["n"]))
        for score in scores:
            mean, se = (row.get(f"{score}_{name}", nan) for name in ("mean", "se"))
            cells.append(" ± ".join(filter(None, format_mean(mean, se))))
        rows.append(cells)
    return columns, rows


def make_files(study: Study) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file that shows one profile."""
    yield from make_likelihood_files(study).items()
    yield from make_published_files(study).items()
    for name, draw in list_figures(study):
        with style.use_style():
            figure = draw(study)
            images = {kind: style.encode_image(figure, kind) for kind in FORMATS}
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
            written.append(write_atomically(path, content))
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"cannot write {path}: {reason}") from error
    return written
