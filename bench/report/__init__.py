"""Records → tables and figures. A pure function of the records in a folder; no torch.

The same records give the same files. ``write`` is called after every round of runs, and by
``python -m bench.report FOLDER``.
"""

import io
import logging
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench.errors import UserError
from bench.record import Record, load
from bench.registry import suggest
from bench.report import figures, style, tables

log = logging.getLogger("priorbench")

__all__ = ["write"]

FIGURES: dict[str, Callable[[figures.Study], Figure]] = {
    "mig_vs_reconstruction": figures.mig_vs_reconstruction,
    "mig_distribution": figures.mig_distribution,
}


def write(folder: Path) -> list[Path]:
    """Write ``runs.csv``, ``settings.csv`` and the figures into ``folder``, each whole or not.

    The tables hold every profile; the figures hold one, that of the newest finished run. A
    figure whose scores no run has is left out, with a warning. Where all runs have failed the
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
    written = [_write(folder / "runs.csv", _csv(tables.runs(records))),
               _write(folder / "settings.csv", _csv(settings, "%.10g"))]
    if all(r.status == "failed" for r in counted):
        raise UserError(f"no finished run under {folder} yet; all {len(counted)} failed, the "
                        f"reasons are in {folder / 'runs.csv'}; one is: {_reason(counted)}")
    study = figures.Study.of(counted, settings, style.styles(records))
    for name, draw in FIGURES.items():
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


def _figure(
    folder: Path, name: str, draw: Callable[[figures.Study], Figure], study: figures.Study
) -> list[Path]:
    missing = [s for s in figures.NEEDS[name] if not study.has(s)]
    if missing:
        log.warning("%s is not drawn: no run of profile %s has the score %s",
                    name, study.profile, " and ".join(missing))
        return []
    with style.drawing():
        figure = draw(study)
        images = {kind: style.image(figure, kind) for kind in ("png", "pdf")}
    return [_write(folder / f"{name}.{kind}", image) for kind, image in images.items()]


def _csv(table: pd.DataFrame, digits: str | None = None) -> bytes:
    text = io.StringIO()
    table.to_csv(text, index=False, float_format=digits, lineterminator="\n")
    return text.getvalue().encode()


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
