"""Records → one row per run, and one row per setting with its statistics."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from priorbench.bench.results.statistics import STATISTICS, summarise_columns
from priorbench.bench.results.store import Record
from priorbench.bench.study.beta import Beta, make_beta_cell, make_sort_key

SETTING = ("profile", "method", "beta")
RUN = (
    "id",
    "grid",
    "profile",
    "method",
    "prior",
    "objective",
    "beta",
    "seed",
    "status",
    "reason",
    "failed_step",
)
ORIGIN = ("device", "precision", "commit", "created")
MODEL_SCORES = ("reconstruction", "elbo", "kl")
"""Scores of every model, which come after the headlines."""


def make_runs_table(records: list[Record]) -> pd.DataFrame:
    """Make a table with one row per run, failed ones too.

    Rows are ordered by profile, method, β and seed. Columns: :data:`RUN`; the scores,
    in the order of :func:`list_scores`; learned values as ``learned_<name>_<i>``;
    ``time_<name>`` in seconds, ``images_per_second`` and ``seeds_in_block``;
    :data:`ORIGIN`. A score that has another column's name is written ``score_<name>``.
    """
    learned = sorted(
        {
            (name, i)
            for record in records
            for name, values in record.learned.items()
            for i in range(len(values))
        }
    )
    timings = _list_names(record.timings for record in records)
    columns = [
        *RUN,
        *map(_name_score_column, list_scores(records)),
        *(f"learned_{name}_{i}" for name, i in learned),
        *map(_name_timing_column, timings),
        *ORIGIN,
    ]
    rows = []
    for record in sorted(records, key=_make_order_key):
        row = {name: getattr(record, name) for name in (*RUN, *ORIGIN)}
        row["beta"] = make_beta_cell(record.beta)
        for name, value in record.scores.items():
            row[_name_score_column(name)] = value
        for name, value in record.timings.items():
            row[_name_timing_column(name)] = value
        for name, values in record.learned.items():
            row |= {f"learned_{name}_{i}": value for i, value in enumerate(values)}
        rows.append(row)
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"failed_step": "Int64"})


def make_settings_table(records: list[Record]) -> pd.DataFrame:
    """Make a table with one row per profile, method and β.

    Columns: profile, method, beta (a number, or text like "1/1/8" of a β for each
    group, as in :func:`make_runs_table`), ``n`` finished runs, ``failures``, then for
    each score ``<score>_mean``, ``_median``, ``_se``, ``_ci_low`` and ``_ci_high``,
    over the finished runs that have the score; see
    :func:`priorbench.bench.results.statistics.summarise_columns`.

    Args:
        records: those that count, from
            :func:`priorbench.bench.results.selection.select_newest`.
    """
    settings: dict[tuple[str, str, Beta], list[Record]] = {}
    for record in sorted(records, key=_make_order_key):
        setting = (record.profile, record.method, record.beta)
        settings.setdefault(setting, []).append(record)
    names = list_scores(records)
    rows = []
    for setting, members in settings.items():
        finished = [record for record in members if record.status == "finished"]
        row: dict[str, Any] = dict(zip(SETTING, setting, strict=True))
        row["beta"] = make_beta_cell(row["beta"])
        row["n"] = len(finished)
        row["failures"] = len(members) - len(finished)
        scores = [
            [record.scores.get(name, np.nan) for name in names] for record in finished
        ]
        values = np.array(scores, dtype=float).reshape(len(finished), len(names))
        statistics = summarise_columns(values)
        for i, name in enumerate(names):
            column = _name_score_column(name)
            row |= {f"{column}_{s}": statistics[s][i] for s in STATISTICS}
        rows.append(row)
    return pd.DataFrame(rows)


def list_headlines(records: Iterable[Record]) -> list[str]:
    """Return the headline scores of the records, in the order of first appearance."""
    named = (name for record in records for name in record.headlines)
    return list(dict.fromkeys(named))


def list_scores(records: list[Record]) -> list[str]:
    """Return the scores that any record has.

    The headlines come first, then :data:`MODEL_SCORES`, then the others by name.
    """
    names = _list_names(record.scores for record in records)
    leading = dict.fromkeys([*list_headlines(records), *MODEL_SCORES])
    return [
        *(name for name in leading if name in names),
        *(name for name in names if name not in leading),
    ]


def _make_order_key(record: Record) -> tuple:
    beta = make_sort_key(record.beta)
    return record.profile, record.method, beta, record.seed, record.id


def _list_names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({name for mapping in mappings for name in mapping})


def _name_score_column(score: str) -> str:
    taken = (*RUN, *ORIGIN, "n", "failures")
    return f"score_{score}" if score in taken else score


def _name_timing_column(timing: str) -> str:
    unitless = ("images_per_second", "seeds_in_block")
    return timing if timing in unitless else f"time_{timing}"
