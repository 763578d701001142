"""Records → one row per run, and one row per setting with its statistics."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from priorbench.bench.study.beta import Beta, make_beta_cell, make_sort_key
from priorbench.bench.results.store import Record, encode_json
from priorbench.bench.results.statistics import STATISTICS, summarise_columns
from priorbench.bench.report.figures.style import get_moment

log = logging.getLogger("priorbench")

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
FIRST_SCORES = ("mig", "mig_all_factors", "reconstruction", "elbo", "kl")


def make_runs_table(records: list[Record]) -> pd.DataFrame:
    """One row per run, failed ones too, ordered by profile, method, β and seed.

    Columns: :data:`RUN`; the scores, :data:`FIRST_SCORES` first, the others by name; learned
    values as ``learned_<name>_<i>``; ``time_<name>`` in seconds, ``images_per_second`` and
    ``seeds_in_block``; :data:`ORIGIN`. A score that has another column's name is written
    ``score_<name>``.
    """
    ordered = sorted(
        records,
        key=lambda r: (r.profile, r.method, make_sort_key(r.beta), r.seed, r.id),
    )
    rows = [_make_row(r) for r in ordered]
    columns = [
        *RUN,
        *map(_score_column, list_scores(records)),
        *_list_learned_columns(records),
        *map(_timing_column, _list_names(r.timings for r in records)),
        *ORIGIN,
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"failed_step": "Int64"})


def make_settings_table(records: list[Record]) -> pd.DataFrame:
    """One row per profile, method and β: runs, failures and the statistics of each score.

    Columns: profile, method, beta (a number, or text like "1/1/8" of a β for each group, as in
    :func:`make_runs_table`), ``n`` finished runs, ``failures``, then for each score
    ``<score>_mean``, ``_median``, ``_se``, ``_ci_low`` and ``_ci_high``, over the finished
    runs that have the score; see :func:`priorbench.bench.results.statistics.summarise_columns`. Give it records
    from :func:`select_newest`.
    """
    names = list_scores(records)
    rows = []
    for setting, members in _group_by_setting(records).items():
        finished = [r for r in members if r.status == "finished"]
        row: dict[str, Any] = dict(zip(SETTING, setting, strict=True))
        row["beta"] = make_beta_cell(row["beta"])
        row |= {"n": len(finished), "failures": len(members) - len(finished)}
        statistics = summarise_columns(_score_matrix(finished, names))
        for i, name in enumerate(names):
            row |= {f"{_score_column(name)}_{s}": statistics[s][i] for s in STATISTICS}
        rows.append(row)
    return pd.DataFrame(rows)


def list_scores(records: Iterable[Record]) -> list[str]:
    """The scores that any record has, :data:`FIRST_SCORES` first and the others by name."""
    names = _list_names(r.scores for r in records)
    return [
        *(n for n in FIRST_SCORES if n in names),
        *(n for n in names if n not in FIRST_SCORES),
    ]


def select_newest(records: list[Record]) -> list[Record]:
    """The records that count, those of one study under one profile's name.

    A study is what is held fixed: all of the configuration but prior and objective. Profiles that
    differ in seeds or β only are one study and share its runs, under the name of the newest.
    Of studies with one name, and of configurations of one method and β, the newest counts: there
    the grid's file, the precision or a plug-in was changed between the runs, and counted together
    they would mix methods and make more seeds than there are. A warning says how many are left
    out.
    """
    name_of, study_of, newest = {}, {}, {}
    for r in sorted(records, key=get_moment):
        name_of[_study_key(r)] = r.profile
        study_of[r.profile] = _study_key(r)
        newest[_study_key(r), r.method, r.beta] = _configuration_key(r)
    kept = [
        r.model_copy(update={"profile": name_of[_study_key(r)]})
        for r in records
        if study_of[name_of[_study_key(r)]] == _study_key(r)
        and newest[_study_key(r), r.method, r.beta] == _configuration_key(r)
    ]
    if len(kept) < len(records):
        log.warning(
            "%d of %d runs share profile, method and beta with newer runs of another "
            "configuration; statistics and figures leave them out, runs.csv has them",
            len(records) - len(kept),
            len(records),
        )
    return kept


def _study_key(record: Record) -> str:
    fixed = {
        key: value
        for key, value in record.config.items()
        if key not in ("prior", "objective", "sources")
    }
    return record.precision + encode_json(fixed)


def _configuration_key(record: Record) -> str:
    return record.precision + encode_json(record.config)


def _group_by_setting(
    records: list[Record],
) -> dict[tuple[str, str, Beta], list[Record]]:
    groups: dict[tuple[str, str, Beta], list[Record]] = {}
    for r in sorted(
        records, key=lambda r: (r.profile, r.method, make_sort_key(r.beta), r.seed)
    ):
        groups.setdefault((r.profile, r.method, r.beta), []).append(r)
    return groups


def _score_matrix(records: list[Record], names: list[str]) -> np.ndarray:
    values = [[r.scores.get(n, np.nan) for n in names] for r in records]
    return np.array(values, dtype=float).reshape(len(records), len(names))


def _make_row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in (*RUN, *ORIGIN)}
    row["beta"] = make_beta_cell(record.beta)
    row |= {_score_column(name): value for name, value in record.scores.items()}
    row |= {_timing_column(name): value for name, value in record.timings.items()}
    for name, values in record.learned.items():
        row |= {f"learned_{name}_{i}": value for i, value in enumerate(values)}
    return row


def _list_names(columns: Iterable[dict[str, Any]]) -> list[str]:
    return sorted({name for column in columns for name in column})


def _score_column(name: str) -> str:
    return f"score_{name}" if name in (*RUN, *ORIGIN, "n", "failures") else name


def _timing_column(name: str) -> str:
    return name if name in ("images_per_second", "seeds_in_block") else f"time_{name}"


def _list_learned_columns(records: list[Record]) -> list[str]:
    lengths: dict[str, int] = {}
    for r in records:
        for name, values in r.learned.items():
            lengths[name] = max(lengths.get(name, 0), len(values))
    return [
        f"learned_{name}_{i}" for name in sorted(lengths) for i in range(lengths[name])
    ]
