"""Values that papers published for a grid, and the runs beside them.

``bench/published/<grid>.csv`` has a row for each value: ``method`` (the grid's name for
it), ``beta``, ``score`` and ``value`` (our names and signs), ``models``, ``table``,
``source``, ``note``.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from priorbench.bench.results.result import Result
from priorbench.bench.study.grid_file import read_grid_file
from priorbench.errors import UserError
from priorbench.registry import suggest_names

if TYPE_CHECKING:
    from priorbench.bench.report.study import Study

FOLDER = Path(__file__).parents[1] / "published"
HEADER = ["method", "beta", "score", "value", "models", "table", "source", "note"]
COLUMNS = [
    "method",
    "beta",
    "score",
    "models",
    "table",
    "ours",
    "se",
    "n",
    "published",
    "difference",
    "difference_in_se",
    "note",
]
EVERY = "all"
"""The ``beta`` of a value over every β, and the ``models`` of one over every seed."""

UPPER_HALF = "upper half"
"""The ``models`` of a value of those that are best by the first headline score."""

MODELS = (EVERY, UPPER_HALF)
PAPER = "paper"
"""The profile whose runs are those of the paper."""

RECONSTRUCTION = "reconstruction"


@dataclass(frozen=True)
class Published:
    """One published value.

    Attributes:
        method: the grid's name for it.
        beta: the strength, or :data:`EVERY`.
        score: our name for it.
        value: with our sign (``reconstruction`` is E[log p(x|z)], negative).
        models: which runs ours is the mean of, one of :data:`MODELS`.
        table: where it is in the source.
        source: the citation.
        note: what to know about it; may be empty.
    """

    method: str
    beta: float | str
    score: str
    value: float
    models: str
    table: str
    source: str
    note: str

    @property
    def place(self) -> tuple[str, float | str, str, str]:
        """What the scores of one published model, or mean, have in common."""
        return self.method, self.beta, self.models, self.table


@cache
def find_published(grid: str) -> tuple[Published, ...]:
    """Return what is published for ``grid``; nothing for a grid of one's own."""
    known = {path.stem: path for path in FOLDER.glob("*.csv")}
    return load_published(known[grid]) if grid in known else ()


def list_published(study: "Study") -> list[Published]:
    """Return what is published for the grids that a study's runs are of.

    That is nothing for runs on other images than those of the grid as it stands, as a
    demo's part of a data set is.
    """
    grids = dict.fromkeys(
        result.grid
        for result in study.results
        if find_published(result.grid)
        and result.model.config["dataset"] == _read_dataset(result.grid)
    )
    return [row for grid in grids for row in find_published(grid)]


@cache
def _read_dataset(grid: str) -> dict[str, Any]:
    """Return the data set of a grid of the project: its name and arguments."""
    return read_grid_file(grid).values["dataset"]


def load_published(path: Path) -> tuple[Published, ...]:
    """Read and check a file of published values.

    Raises:
        UserError: another header, a missing entry, a number that is none, unknown
            models, or the same score of the same place twice; the message names file
            and line.
    """
    published: dict[tuple, Published] = {}
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
                key = (row.place, row.score)
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
    if entries["models"] not in MODELS:
        hint = suggest_names(entries["models"], MODELS)
        raise ValueError(f"unknown models {entries['models']!r}; {hint}")
    numbers: dict[str, float | str] = {"value": _parse_number("value", entries)}
    if entries["beta"] != EVERY:
        numbers["beta"] = _parse_number("beta", entries)
    return Published(**(entries | numbers))


def _parse_number(name: str, entries: dict[str, str]) -> float:
    try:
        number = float(entries[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name!r} must be a finite number; got {entries[name]!r}")
    return number


def compare_published(study: "Study", published: Sequence[Published]) -> pd.DataFrame:
    """Compare our means with the published values, in the order of these.

    Columns: :data:`COLUMNS`. ``n`` is the number of seeds of the same method, β and
    models that have the score, ``se`` the standard error of their mean,
    ``difference`` ours − published, ``difference_in_se`` the same in units of ``se``
    (blank with one seed, or equal ones, and where the published value is of one model,
    which lies further from a mean). What has no run is left out. The published values
    have an error too, which is not known.
    """
    rows = []
    for row in published:
        values = _list_ours(study, row)
        n = len(values)
        if n == 0:
            continue
        ours = values.mean()
        se = values.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
        difference = ours - row.value
        known = se > 0 and row.models == EVERY
        rows.append(
            {
                "method": row.method,
                "beta": row.beta,
                "score": row.score,
                "models": row.models,
                "table": row.table,
                "ours": ours,
                "se": se,
                "n": n,
                "published": row.value,
                "difference": difference,
                "difference_in_se": difference / se if known else math.nan,
                "note": row.note,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def choose_reconstruction(study: "Study") -> str:
    """Return the reconstruction that figures show: that of the published values.

    It is ``reconstruction``, over all images, where nothing is published for the grid,
    or no run has the published one.
    """
    names = [row.score for row in list_published(study)]
    theirs = [n for n in names if n.startswith(RECONSTRUCTION) and study.has_score(n)]
    return theirs[0] if theirs else RECONSTRUCTION


def list_points(study: "Study", x: str, y: str) -> list[tuple[Published, float, float]]:
    """Return what is published of ``y`` beside ``x``, of methods that are drawn.

    Returns:
        The row of ``y``, and the values of ``x`` and ``y`` of the same place.
    """
    rows = [r for r in list_published(study) if r.method in study.methods]
    across = {row.place: row.value for row in rows if row.score == x}
    return [
        (row, across[row.place], row.value)
        for row in rows
        if row.score == y and row.place in across
    ]


def explain_hollow(study: "Study") -> list[str]:
    """Return the lines of a caption on hollow marks, the published values."""
    lines = ["Hollow: published, see published.md."]
    if study.profile != PAPER:
        lines.append(
            f"Not profile {PAPER}: the distance to published values says nothing."
        )
    return lines


def _list_ours(study: "Study", row: Published) -> np.ndarray:
    """Return our values that a published value is compared with: one of each seed."""
    runs = [
        result
        for result in study.results
        if result.method == row.method and row.beta in (EVERY, result.beta)
    ]
    if row.models == UPPER_HALF:
        runs = _select_upper_half(runs, study.headlines)
    seeds: dict[int, list[float]] = {}
    for run in runs:
        value = run.scores.get(row.score, math.nan)
        if math.isfinite(value):
            seeds.setdefault(run.seed, []).append(value)
    return np.array([np.mean(values) for values in seeds.values()])


def _select_upper_half(
    runs: Sequence[Result], headlines: Sequence[str]
) -> list[Result]:
    """Return the upper half of the runs by the first headline score, ties as they come.

    The middle one of an odd number is in it. References: Stühmer et al. 2019, A.5.
    """
    score = headlines[0] if headlines else ""
    ranked = sorted(
        (run for run in runs if score in run.scores), key=lambda run: run.scores[score]
    )
    return ranked[len(ranked) // 2 :]
