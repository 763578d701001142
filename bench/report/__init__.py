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

from bench.errors import UserError
from bench.record import Record, load
from bench.registry import suggest
from bench.report import figures, likelihood_figure, likelihoods, style, tables, text

log = logging.getLogger("priorbench")

__all__ = ["write"]

Draw = Callable[[figures.Study], Figure]

FIGURES: dict[str, Draw] = {
    "mig_vs_reconstruction": figures.mig_vs_reconstruction,
    "mig_distribution": figures.mig_distribution,
}
LIKELIHOODS: dict[str, Draw] = {"likelihood": likelihood_figure.likelihood}


def write(folder: Path) -> list[Path]:
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
    records = _records(folder)
    counted = tables.of_newest_settings(records)
    settings = tables.settings(counted)
    written = [_write(folder / "runs.csv", text.csv(tables.runs(records))),
               _write(folder / "settings.csv", text.csv(settings, "%.10g"))]
    if all(r.status == "failed" for r in counted):
        raise UserError(f"no finished run under {folder} yet; all {len(counted)} failed, the "
                        f"reasons are in {folder / 'runs.csv'}; one is: {_reason(counted)}")
    study = figures.Study.of(counted, settings, style.styles(records))
    written += [_write(folder / n, content) for n, content in likelihoods.files(study).items()]
    for name, draw in _figures(study).items():
        written += _figure(folder, name, draw, study)
    return written


def _records(folder: Path) -> list[Record]:
    if not folder.exists():
        parent = folder.parent
        near = sorted(p.name for p in parent.glob("[!.]*/")) if parent.is_dir() else []
        raise UserError(f"no folder {folder}; {suggest(folder.name, near)}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give the folder of a grid, runs/<grid>")
    try:
        records = load(folder)
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}") from error
    if not records:
        raise UserError(f"no finished run under {folder} yet; run its grid first, and give here "
                        "the folder that holds one folder per run")
    return records


def _reason(records: list[Record]) -> str:
    return " ".join(str(records[0].reason).split())


def _figures(study: figures.Study) -> dict[str, Draw]:
    """The figures whose scores the study has, and a warning for each that is left out."""
    if likelihoods.applies(study):
        return LIKELIHOODS
    if not likelihoods.has_mig(study):
        log.warning("no figure is drawn: no run of profile %s has the score mig or log_likelihood",
                    study.profile)
        return {}
    missing = {name: [s for s in figures.NEEDS[name] if not study.has(s)] for name in FIGURES}
    for name, scores in missing.items():
        if scores:
            log.warning("%s is not drawn: no run of profile %s has the score %s",
                        name, study.profile, " and ".join(scores))
    return {name: draw for name, draw in FIGURES.items() if not missing[name]}


def _figure(folder: Path, name: str, draw: Draw, study: figures.Study) -> list[Path]:
    with style.drawing():
        figure = draw(study)
        images = {kind: style.image(figure, kind) for kind in ("png", "pdf")}
    return [_write(folder / f"{name}.{kind}", image) for kind, image in images.items()]


def _write(path: Path, content: bytes) -> Path:
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
