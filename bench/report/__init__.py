"""Records → tables and figures. A pure function of the records in a folder; no torch.

The same records give the same files. ``write`` is called after every round of runs, and by
``python -m bench.report FOLDER``.
"""

import logging
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure

from priorbench.errors import UserError
from priorbench.bench.results.store import Record, load_records
from priorbench.registry import suggest_names
from priorbench.bench.report.figures import study_figures, likelihood, style
from priorbench.bench.report import likelihoods, plain_text
from priorbench.bench.results import tables

log = logging.getLogger("priorbench")

__all__ = ["write"]

Draw = Callable[[study_figures.Study], Figure]

FIGURES: dict[str, Draw] = {
    "mig_vs_reconstruction": study_figures.draw_trade_off,
    "mig_distribution": study_figures.draw_distribution,
}
LIKELIHOODS: dict[str, Draw] = {"likelihood": likelihood.draw_likelihood}


def write_report(folder: Path) -> list[Path]:
    """Write ``runs.csv``, ``settings.csv`` and the figures into ``folder``, each whole or not.

    These tables hold every profile; all else holds one, that of the newest finished run. A
    figure whose scores no run has is left out, with a warning. A study that has log-likelihoods
    and no MIG gets the tables ``likelihoods`` and, where figures are published for its grid,
    ``published``, and the figure ``likelihood`` instead. Where all runs have failed the first
    tables are written, so that the reasons can be read, and then the error is raised.

    Args:
        folder: of one grid, ``runs/<grid>``.

    Returns:
        The files written.

    Raises:
        UserError: no such folder, no finished run in it, or it cannot be written.
    """
    folder = Path(folder)
    records = _load_records(folder)
    counted = tables.select_newest(records)
    settings = tables.make_settings_table(counted)
    written = [
        _write_file(
            folder / "runs.csv", plain_text.format_csv(tables.make_runs_table(records))
        ),
        _write_file(folder / "settings.csv", plain_text.format_csv(settings, "%.10g")),
    ]
    if all(r.status == "failed" for r in counted):
        raise UserError(
            f"no finished run under {folder} yet; all {len(counted)} failed, the "
            f"reasons are in {folder / 'runs.csv'}; one is: {_first_reason(counted)}"
        )
    study = study_figures.Study.of(counted, settings, style.assign_styles(records))
    written += [
        _write_file(folder / n, content)
        for n, content in likelihoods.make_files(study).items()
    ]
    for name, draw in _choose_figures(study).items():
        written += _draw_figure(folder, name, draw, study)
    return written


def _load_records(folder: Path) -> list[Record]:
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


def _first_reason(records: list[Record]) -> str:
    return " ".join(str(records[0].reason).split())


def _choose_figures(study: study_figures.Study) -> dict[str, Draw]:
    """The figures whose scores the study has, and a warning for each that is left out."""
    if likelihoods.has_likelihoods(study):
        return LIKELIHOODS
    if not likelihoods.has_mig(study):
        log.warning(
            "no figure is drawn: no run of profile %s has the score mig or log_likelihood",
            study.profile,
        )
        return {}
    missing = {
        name: [s for s in study_figures.NEEDS[name] if not study.has(s)]
        for name in FIGURES
    }
    for name, scores in missing.items():
        if scores:
            log.warning(
                "%s is not drawn: no run of profile %s has the score %s",
                name,
                study.profile,
                " and ".join(scores),
            )
    return {name: draw for name, draw in FIGURES.items() if not missing[name]}


def _draw_figure(
    folder: Path, name: str, draw: Draw, study: study_figures.Study
) -> list[Path]:
    with style.use_style():
        figure = draw(study)
        images = {kind: style.encode_image(figure, kind) for kind in ("png", "pdf")}
    return [
        _write_file(folder / f"{name}.{kind}", image) for kind, image in images.items()
    ]


def _write_file(path: Path, content: bytes) -> Path:
    unfinished = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return path
