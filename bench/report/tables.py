"""Records → one row per run, and one row per setting with its statistics."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.beta import Beta, cell, order
from bench.record import Record, to_json
from bench.report.statistics import STATISTICS, summarise
from bench.report.style import moment

log = logging.getLogger("priorbench")

SETTING = ("profile", "method", "beta")
RUN = ("id", "grid", "profile", "method", "prior", "objective", "beta", "seed", "status",
       "reason", "failed_step")
ORIGIN = ("device", "precision", "commit", "created")
FIRST_SCORES = ("mig", "mig_all_factors", "reconstruction", "elbo", "kl")


def runs(records: list[Record]) -> pd.DataFrame:
    """One row per run, failed ones too, ordered by profile, method, β and seed.

    Columns: :data:`RUN`; the scores, :data:`FIRST_SCORES` first, the others by name; learned
    values as ``learned_<name>_<i>``; ``time_<name>`` in seconds, ``images_per_second`` and
    ``seeds_in_block``; :data:`ORIGIN`. A score that has another column's name is written
    ``score_<name>``.
    """
    ordered = sorted(records, key=lambda r: (r.profile, r.method, order(r.beta), r.seed, r.id))
    rows = [_row(r) for r in ordered]
    columns = [*RUN, *map(_score, score_names(records)), *_learned_columns(records),
               *map(_timing, _names(r.timings for r in records)), *ORIGIN]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"failed_step": "Int64"})


def settings(records: list[Record]) -> pd.DataFrame:
    """One row per profile, method and β: runs, failures and the statistics of each score.

    Columns: profile, method, beta (a number, or text like "1/1/8" of a β for each group, as in
    :func:`runs`), ``n`` finished runs, ``failures``, then for each score
    ``<score>_mean``, ``_median``, ``_se``, ``_ci_low`` and ``_ci_high``, over the finished
    runs that have the score; see :func:`bench.report.statistics.summarise`. Give it records
    from :func:`of_newest_settings`.
    """
    names = score_names(records)
    rows = []
    for setting, members in _by_setting(records).items():
        finished = [r for r in members if r.status == "finished"]
        row: dict[str, Any] = dict(zip(SETTING, setting, strict=True))
        row["beta"] = cell(row["beta"])
        row |= {"n": len(finished), "failures": len(members) - len(finished)}
        statistics = summarise(_matrix(finished, names))
        for i, name in enumerate(names):
            row |= {f"{_score(name)}_{s}": statistics[s][i] for s in STATISTICS}
        rows.append(row)
    return pd.DataFrame(rows)


def score_names(records: Iterable[Record]) -> list[str]:
    """The scores that any record has, :data:`FIRST_SCORES` first and the others by name."""
    names = _names(r.scores for r in records)
    return [*(n for n in FIRST_SCORES if n in names), *(n for n in names if n not in FIRST_SCORES)]


def of_newest_settings(records: list[Record]) -> list[Record]:
    """The records that count, those of one study under one profile's name.

    A study is what is held fixed: all of the configuration but prior and objective. Profiles that
    differ in seeds or β only are one study and share its runs, under the name of the newest.
    Of studies with one name, and of configurations of one method and β, the newest counts: there
    the grid's file, the precision or a plug-in was changed between the runs, and counted together
    they would mix methods and make more seeds than there are. A warning says how many are left
    out.
    """
    name_of, study_of, newest = {}, {}, {}
    for r in sorted(records, key=moment):
        name_of[_study(r)] = r.profile
        study_of[r.profile] = _study(r)
        newest[_study(r), r.method, r.beta] = _configuration(r)
    kept = [r.model_copy(update={"profile": name_of[_study(r)]}) for r in records
            if study_of[name_of[_study(r)]] == _study(r)
            and newest[_study(r), r.method, r.beta] == _configuration(r)]
    if len(kept) < len(records):
        log.warning("%d of %d runs share profile, method and beta with newer runs of another "
                    "configuration; statistics and figures leave them out, runs.csv has them",
                    len(records) - len(kept), len(records))
    return kept


def _study(record: Record) -> str:
    fixed = {key: value for key, value in record.config.items()
             if key not in ("prior", "objective", "sources")}
    return record.precision + to_json(fixed)


def _configuration(record: Record) -> str:
    return record.precision + to_json(record.config)


def _by_setting(records: list[Record]) -> dict[tuple[str, str, Beta], list[Record]]:
    groups: dict[tuple[str, str, Beta], list[Record]] = {}
    for r in sorted(records, key=lambda r: (r.profile, r.method, order(r.beta), r.seed)):
        groups.setdefault((r.profile, r.method, r.beta), []).append(r)
    return groups


def _matrix(records: list[Record], names: list[str]) -> np.ndarray:
    values = [[r.scores.get(n, np.nan) for n in names] for r in records]
    return np.array(values, dtype=float).reshape(len(records), len(names))


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in (*RUN, *ORIGIN)}
    row["beta"] = cell(record.beta)
    row |= {_score(name): value for name, value in record.scores.items()}
    row |= {_timing(name): value for name, value in record.timings.items()}
    for name, values in record.learned.items():
        row |= {f"learned_{name}_{i}": value for i, value in enumerate(values)}
    return row


def _names(columns: Iterable[dict[str, Any]]) -> list[str]:
    return sorted({name for column in columns for name in column})


def _score(name: str) -> str:
    return f"score_{name}" if name in (*RUN, *ORIGIN, "n", "failures") else name


def _timing(name: str) -> str:
    return name if name in ("images_per_second", "seeds_in_block") else f"time_{name}"


def _learned_columns(records: list[Record]) -> list[str]:
    lengths: dict[str, int] = {}
    for r in records:
        for name, values in r.learned.items():
            lengths[name] = max(lengths.get(name, 0), len(values))
    return [f"learned_{name}_{i}" for name in sorted(lengths) for i in range(lengths[name])]
