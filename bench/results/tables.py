"""Results as tables: a row for each run, each setting, each score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from priorbench.bench.results.result import Result
from priorbench.bench.results.statistics import STATISTICS, summarise_columns
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
LONG = ("method", "beta", "seed", "id")
ORIGIN = ("device", "precision", "commit", "created")
BOOKKEEPING = ("_se", "_error", "_latents", "_epoch", "epochs")
"""Ends of the names of numbers that say how surely or how a score was computed."""

MODEL_SCORES = ("reconstruction", "elbo", "kl")
"""Scores of every model, which come after the headlines."""


def make_runs_table(results: Sequence[Result]) -> pd.DataFrame:
    """Make a table with one row per run, failed ones too, in the order of the results.

    Columns: :data:`RUN`; the scores, in the order of :func:`list_scores`; learned
    values as ``learned_<name>_<i>``; ``time_<name>`` in seconds, ``images_per_second``
    and ``seeds_in_block``; :data:`ORIGIN`. A score that has another column's name is
    written ``score_<name>``.
    """
    learned = sorted(
        {
            (name, i)
            for result in results
            for name, values in result.learned.items()
            for i in range(len(values))
        }
    )
    timings = _list_names(result.timings for result in results)
    columns = [
        *RUN,
        *map(_name_score_column, list_scores(results)),
        *(f"learned_{name}_{i}" for name, i in learned),
        *map(_name_timing_column, timings),
        *ORIGIN,
    ]
    rows = []
    for result in results:
        row: dict[str, Any] = {name: getattr(result, name) for name in RUN[:-1]}
        row["failed_step"] = result.model.failed_step
        row["beta"] = make_beta_cell(result.beta)
        for name, value in result.scores.items():
            row[_name_score_column(name)] = value
        for name, value in result.timings.items():
            row[_name_timing_column(name)] = value
        for name, values in result.learned.items():
            row |= {f"learned_{name}_{i}": value for i, value in enumerate(values)}
        row["device"] = result.provenance.device
        row["precision"] = result.model.precision
        row["commit"] = result.provenance.commit
        row["created"] = result.model.created
        rows.append(row)
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"failed_step": "Int64"})


def make_scores_table(results: Sequence[Result]) -> pd.DataFrame:
    """Make a table in long form: a row for each value of each score of each run.

    A score that failed is one row with its reason and no value. Columns: method, beta,
    seed, id, metric, score, value, status, reason and the ``seconds`` of the metric.
    """
    rows = []
    for result in results:
        run = {
            "method": result.method,
            "beta": make_beta_cell(result.beta),
            "seed": result.seed,
            "id": result.id,
        }
        for record in result.records.values():
            values = dict(record.values) or (
                {} if record.reason is None else {"": None}
            )
            for column, value in values.items():
                rows.append(
                    {
                        **run,
                        "metric": record.name,
                        "score": column,
                        "value": value,
                        "status": record.status,
                        "reason": record.reason,
                        "seconds": record.seconds,
                    }
                )
    columns = [*LONG, "metric", "score", "value", "status", "reason", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def make_correlation_table(results: Sequence[Result]) -> pd.DataFrame:
    """Make the table of Spearman's rank correlation of headline scores over all runs.

    A row and a column for each headline that takes more than one value; blank where two
    have fewer than three runs in common. References: Locatello et al. 2019, Figure 2.
    """
    names = list_headlines(results)
    rows = [[result.scores.get(name, np.nan) for name in names] for result in results]
    scores = pd.DataFrame(rows, columns=names, dtype=float)
    scores = scores.loc[:, scores.nunique() > 1]
    table = scores.corr("spearman", min_periods=3)
    return table.rename_axis("score").reset_index()


def make_settings_table(results: Sequence[Result]) -> pd.DataFrame:
    """Make a table with one row per method, in the order of the results, and β.

    Columns: profile, method, beta (a number, or text like "1/1/8" of a β for each
    group, as in :func:`make_runs_table`), ``n`` finished runs, ``failures``, then for
    each of :func:`list_compared_scores` ``<score>_mean``, ``_median``, ``_se``,
    ``_ci_low`` and ``_ci_high``, over the ``_n`` finished runs that have the score; see
    :func:`priorbench.bench.results.statistics.summarise_columns`.
    """
    methods = list(dict.fromkeys(result.method for result in results))
    settings: dict[tuple[str, str, Beta], list[Result]] = {}
    for result in sorted(
        results, key=lambda r: (methods.index(r.method), make_sort_key(r.beta))
    ):
        setting = (result.profile, result.method, result.beta)
        settings.setdefault(setting, []).append(result)
    names = list_compared_scores(results)
    rows = []
    for setting, members in settings.items():
        finished = [result for result in members if result.status == "finished"]
        row: dict[str, Any] = dict(zip(SETTING, setting, strict=True))
        row["beta"] = make_beta_cell(row["beta"])
        row["n"] = len(finished)
        row["failures"] = len(members) - len(finished)
        scores = [
            [result.scores.get(name, np.nan) for name in names] for result in finished
        ]
        values = np.array(scores, dtype=float).reshape(len(finished), len(names))
        statistics = summarise_columns(values)
        for i, name in enumerate(names):
            column = _name_score_column(name)
            row |= {f"{column}_{s}": statistics[s][i] for s in STATISTICS}
        rows.append(row)
    return pd.DataFrame(rows)


def list_headlines(results: Iterable[Result]) -> list[str]:
    """Return the headline scores of the results, in the order of first appearance."""
    named = (name for result in results for name in result.headlines)
    return list(dict.fromkeys(named))


def list_compared_scores(results: Sequence[Result]) -> list[str]:
    """Return the scores that are worth comparing, in the order of :func:`list_scores`.

    Error bounds, and counters of how a score was computed, are left out unless the
    name is a metric's own or its headline.
    """
    own = {score.name for result in results for score in result.records.values()}
    own.update(list_headlines(results))
    names = list_scores(results)
    return [name for name in names if name in own or not name.endswith(BOOKKEEPING)]


def list_scores(results: Sequence[Result]) -> list[str]:
    """Return the scores that any result has.

    The headlines come first, then :data:`MODEL_SCORES`, then the others by name.
    """
    names = _list_names(result.scores for result in results)
    leading = dict.fromkeys([*list_headlines(results), *MODEL_SCORES])
    return [
        *(name for name in leading if name in names),
        *(name for name in names if name not in leading),
    ]


def _list_names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({name for mapping in mappings for name in mapping})


def _name_score_column(score: str) -> str:
    taken = (*RUN, *ORIGIN, "n", "failures")
    return f"score_{score}" if score in taken else score


def _name_timing_column(timing: str) -> str:
    unitless = ("images_per_second", "seeds_in_block")
    return timing if timing in unitless else f"time_{timing}"
