"""Figures that papers published for a grid, and the runs beside them.

``bench/published/<grid>.csv`` has a row for each number: ``method`` (the grid's name for it),
``score`` and ``value`` (our names and signs), ``table``, ``source``, ``note``.
"""

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from priorbench.errors import UserError
from priorbench.registry import suggest_names
from priorbench.bench.report.figures.study_figures import Study

FOLDER = Path(__file__).parents[1] / "published"
HEADER = ["method", "score", "value", "table", "source", "note"]
SCORES = ("log_likelihood", "elbo", "reconstruction", "kl")
COLUMNS = [
    "method",
    "score",
    "table",
    "ours",
    "se",
    "n",
    "published",
    "difference",
    "difference_in_se",
    "note",
]
BETA = 1.0
"""The strength that published figures are compared at: the ELBO's own."""


@dataclass(frozen=True)
class Published:
    """One published number, in nats per image.

    Attributes:
        method: the grid's name for it.
        score: one of :data:`SCORES`.
        value: with our sign (``reconstruction`` is E[log p(x|z)], negative).
        table: where in the source.
        source: the citation.
        note: what to know about it, may be empty.
    """

    method: str
    score: str
    value: float
    table: str
    source: str
    note: str


@cache
def find_published(grid: str) -> tuple[Published, ...]:
    """What is published for ``grid``; nothing for a grid that is not the project's."""
    known = {path.stem: path for path in FOLDER.glob("*.csv")}
    return load_published(known[grid]) if grid in known else ()


def load_published(path: Path) -> tuple[Published, ...]:
    """Read and check a file of published figures.

    Raises:
        UserError: naming file and line: another header, a missing cell, an unknown score, a value
            that is not a finite number, or the same number of the same table twice.
    """
    rows: dict[tuple[str, str, str], Published] = {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        if (header := next(lines, [])) != HEADER:
            raise UserError(
                f"{path}, line 1: the columns must be {','.join(HEADER)}; "
                f"got {','.join(header)}"
            )
        for cells in lines:
            try:
                row = _read_row(cells)
                key = (row.method, row.score, row.table)
                if key in rows:
                    raise ValueError(
                        f"{' of '.join(key[:2][::-1])} in {row.table} is there twice"
                    )
            except ValueError as error:
                raise UserError(f"{path}, line {lines.line_num}: {error}") from error
            rows[key] = row
    return tuple(rows.values())


def _read_row(cells: list[str]) -> Published:
    if len(cells) != len(HEADER):
        raise ValueError(f"expected {len(HEADER)} cells; got {len(cells)}")
    named = dict(zip(HEADER, cells, strict=True))
    for name in HEADER[:-1]:
        if not named[name].strip():
            raise ValueError(f"{name!r} is empty")
    if named["score"] not in SCORES:
        raise ValueError(
            f"unknown score {named['score']!r}; "
            f"{suggest_names(named['score'], list(SCORES))}"
        )
    try:
        value = float(named["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"'value' must be a finite number; got {named['value']!r}")
    return Published(**(named | {"value": value}))


def compare_published(study: Study, rows: tuple[Published, ...]) -> pd.DataFrame:
    """Our means beside the published figures, in these figures' order.

    Columns: :data:`COLUMNS`. ``n`` is the number of finished runs that have the score, ``se``
    their standard error, ``difference`` ours − published, ``difference_in_se`` the same in units
    of ``se`` (blank with one run, or equal ones). Only runs at β = 1 are compared, and figures of
    methods that have none are left out. The published means have an error too, which is not known.
    """
    settings = study.settings[study.settings["beta"] == BETA].set_index("method")
    compared = []
    for row in rows:
        if n := len(study.values(row.method, BETA, row.score)):
            ours, se = (
                float(settings.at[row.method, f"{row.score}_{s}"])
                for s in ("mean", "se")
            )
            difference = ours - row.value
            compared.append(
                [
                    row.method,
                    row.score,
                    row.table,
                    ours,
                    se,
                    n,
                    row.value,
                    difference,
                    difference / se if se > 0 else np.nan,
                    row.note,
                ]
            )
    return pd.DataFrame(compared, columns=COLUMNS)
