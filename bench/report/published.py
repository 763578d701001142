"""Values that papers published for a grid, and the runs beside them.

``bench/published/<grid>.csv`` has a row for each value: ``method`` (the grid's name for
it), ``score`` and ``value`` (our names and signs), ``table``, ``source``, ``note``.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from priorbench.errors import UserError
from priorbench.registry import suggest_names

if TYPE_CHECKING:
    from priorbench.bench.report.study import Study

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
"""The strength at which published values are compared: the ELBO's own."""


@dataclass(frozen=True)
class Published:
    """One published value, in nats per image.

    Attributes:
        method: the grid's name for it.
        score: one of :data:`SCORES`.
        value: with our sign (``reconstruction`` is E[log p(x|z)], negative).
        table: where it is in the source.
        source: the citation.
        note: what to know about it; may be empty.
    """

    method: str
    score: str
    value: float
    table: str
    source: str
    note: str


@cache
def find_published(grid: str) -> tuple[Published, ...]:
    """Return what is published for ``grid``; nothing for a grid of one's own."""
    known = {path.stem: path for path in FOLDER.glob("*.csv")}
    return load_published(known[grid]) if grid in known else ()


def load_published(path: Path) -> tuple[Published, ...]:
    """Read and check a file of published values.

    Raises:
        UserError: another header, a missing entry, an unknown score, a value that is
            not a finite number, or the same score of the same table twice; the message
            names file and line.
    """
    published: dict[tuple[str, str, str], Published] = {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        if header != HEADER:
            raise UserError(
                f"{path}, line 1: the columns must be {','.join(HEADER)}; "
                f"got {','.join(header)}"
            )
        for line in lines:
            try:
                row = _parse_line(line)
                key = (row.method, row.score, row.table)
                if key in published:
                    raise ValueError(
                        f"{row.score} of {row.method} in {row.table} is there twice"
                    )
            except ValueError as error:
                raise UserError(f"{path}, line {lines.line_num}: {error}") from error
            published[key] = row
    return tuple(published.values())


def _parse_line(line: list[str]) -> Published:
    if len(line) != len(HEADER):
        raise ValueError(f"expected {len(HEADER)} columns; got {len(line)}")
    entries = dict(zip(HEADER, line, strict=True))
    for name in HEADER[:-1]:
        if not entries[name].strip():
            raise ValueError(f"{name!r} is empty")
    score = entries["score"]
    if score not in SCORES:
        raise ValueError(f"unknown score {score!r}; {suggest_names(score, SCORES)}")
    try:
        value = float(entries["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"'value' must be a finite number; got {entries['value']!r}")
    return Published(**(entries | {"value": value}))


def compare_published(study: "Study", published: Sequence[Published]) -> pd.DataFrame:
    """Compare our means with the published values, in the order of these.

    Columns: :data:`COLUMNS`. ``n`` is the number of finished runs that have the score,
    ``se`` the standard error of their mean, ``difference`` ours − published,
    ``difference_in_se`` the same in units of ``se`` (blank with one run, or equal
    ones). Only runs at β = 1 are compared, and methods that have none are left out. The
    published means have an error too, which is not known.
    """
    settings = study.settings[study.settings["beta"] == BETA].set_index("method")
    rows = []
    for row in published:
        n = len(study.list_values(row.method, BETA, row.score))
        if n == 0:
            continue
        ours = float(settings.at[row.method, f"{row.score}_mean"])
        se = float(settings.at[row.method, f"{row.score}_se"])
        difference = ours - row.value
        rows.append(
            {
                "method": row.method,
                "score": row.score,
                "table": row.table,
                "ours": ours,
                "se": se,
                "n": n,
                "published": row.value,
                "difference": difference,
                "difference_in_se": difference / se if se > 0 else np.nan,
                "note": row.note,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
