"""From the records in a folder to the report's files in it.

The same records give the same files. Nothing here imports torch.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from priorbench.atomic_files import write_atomically
from priorbench.bench.report.figures import style
from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.likelihood import draw_likelihood
from priorbench.bench.report.figures.trade_off import draw_trade_off
from priorbench.bench.report.likelihoods import LIKELIHOOD, make_likelihood_files
from priorbench.bench.report.plain_text import format_csv
from priorbench.bench.report.study import Study, make_study
from priorbench.bench.results.selection import number_methods, select_newest
from priorbench.bench.results.store import Record, load_records
from priorbench.bench.results.tables import make_runs_table, make_settings_table
from priorbench.errors import UserError
from priorbench.registry import suggest_names

log = logging.getLogger("priorbench")

FORMATS = ("png", "pdf")


def write_report(folder: Path) -> list[Path]:
    """Write the tables and figures of the runs in ``folder`` into ``folder``.

    ``runs.csv`` and ``settings.csv`` hold every profile; all else holds one, that of
    the newest finished run. Each headline score has the figures
    ``<score>_vs_reconstruction`` and ``<score>_distribution``. Where the log-likelihood
    is a headline, there are the tables ``likelihoods``, the figure ``likelihood`` and,
    where values are published for the grid, the tables ``published``. A figure whose
    scores no run has is left out, with a warning. Where all runs have failed, the first
    two tables are written, so that the reasons can be read, and then the error is
    raised.

    Args:
        folder: of one grid, ``runs/<grid>``.

    Returns:
        The files written, each whole.

    Raises:
        UserError: there is no such folder, no finished run in it, or it cannot be
            written.
    """
    folder = Path(folder)
    records = _load_records(folder)
    counted = select_newest(records)
    settings = make_settings_table(counted)
    tables = {
        "runs.csv": format_csv(make_runs_table(records)),
        "settings.csv": format_csv(settings, "%.10g"),
    }
    written = _write_files(folder, tables.items())
    if all(record.status == "failed" for record in counted):
        reason = " ".join(str(counted[0].reason).split())
        raise UserError(
            f"no finished run under {folder} yet; all {len(counted)} failed, the "
            f"reasons are in {folder / 'runs.csv'}; one is: {reason}"
        )
    study = make_study(counted, settings, number_methods(records))
    return written + _write_files(folder, make_files(study))


def make_files(study: Study) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file that shows one profile."""
    yield from make_likelihood_files(study).items()
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
            "no figure is drawn: no run of profile %s has a headline score; runs of "
            "older versions do not record theirs: run the grid again into another "
            "folder (--out). Otherwise, add a metric that has a headline to the grid",
            study.profile,
        )
    for headline in study.headlines:
        if headline == LIKELIHOOD:
            figures = [("likelihood", draw_likelihood, (headline,))]
        else:
            scores = (headline, "reconstruction")
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


def _load_records(folder: Path) -> list[Record]:
    """Load the records in ``folder``, of which there must be some."""
    if not folder.exists():
        parent = folder.parent
        near = sorted(p.name for p in parent.glob("[!.]*/")) if parent.is_dir() else []
        raise UserError(f"no folder {folder}; {suggest_names(folder.name, near)}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give the folder of a grid, runs/<grid>")
    try:
        records = load_records(folder)
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}") from error
    if not records:
        raise UserError(
            f"no finished run under {folder} yet; run its grid first, and give here "
            "the folder that holds one folder per run"
        )
    return records


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
