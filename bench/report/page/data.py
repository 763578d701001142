"""What the page draws: runs, settings, verdicts and loss curves, as plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from priorbench.bench.report.figures.style import PALETTE
from priorbench.bench.report.published import Published, choose_reconstruction
from priorbench.bench.report.study import Study
from priorbench.bench.results.curves import thin_curve
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.tables import make_correlation_table
from priorbench.bench.study.beta import format_beta, make_sort_key

SYMBOLS = (
    *("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x"),
    *("triangle-left", "triangle-right"),
)
"""Plotly's names of the markers of the figures for print."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

CURVE = ("step", "loss", "log_likelihood")
"""Columns of a loss curve."""

STEPS = 60
"""Points of a loss curve that is drawn."""

CURVES = 600
"""Loss curves that are drawn, the first seeds of every setting."""


def make_data(
    study: Study,
    scores: Sequence[str],
    comparisons: pd.DataFrame,
    aggregates: pd.DataFrame,
    published: Sequence[Published],
) -> dict[str, Any]:
    """Return all that the page's program reads.

    Args:
        study: the results.
        scores: those that may be drawn.
        comparisons: of the methods, pair by pair.
        aggregates: of each method.
        published: values of papers.
    """
    methods = list(study.methods)
    correlations = make_correlation_table(study.results)
    return {
        "methods": [
            {
                "name": method,
                "color": PALETTE[number % len(PALETTE)],
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "dash": DASHES[number % len(DASHES)],
            }
            for method, number in study.methods.items()
        ],
        "betas": _list_betas(study),
        "scores": list(scores),
        "headlines": list(study.headlines),
        "reconstruction": choose_reconstruction(study),
        "settings": _list_settings(study, scores, methods),
        "runs": _list_runs(study, scores, methods),
        "published": [
            {
                "method": p.method,
                "beta": p.beta,
                "score": p.score,
                "value": p.value,
                "table": p.table,
            }
            for p in published
        ],
        "shared": {
            score: [format_beta(beta) for beta in study.list_shared_betas(score)]
            for score in scores
        },
        "comparisons": comparisons.to_dict("split", index=False),
        "aggregates": aggregates.to_dict("split", index=False),
        "correlations": correlations.to_dict("split", index=False),
        "curves": _list_curves(study, methods),
    }


def _list_betas(study: Study) -> list[str]:
    """Return every β of the study, ascending, as the page writes it."""
    betas = {result.beta for result in study.results}
    return [format_beta(beta) for beta in sorted(betas, key=make_sort_key)]


def _list_settings(
    study: Study, scores: Sequence[str], methods: Sequence[str]
) -> list[dict[str, Any]]:
    settings = []
    for row in study.settings.to_dict("records"):
        beta = row["beta"]
        statistics = {}
        for score in scores:
            names = [f"{score}_{s}" for s in ("mean", "se", "ci_low", "ci_high")]
            values = [float(row.get(name, np.nan)) for name in names]
            if np.isfinite(values[0]):
                statistics[score] = values
        settings.append(
            {
                "method": methods.index(row["method"]),
                "beta": beta if isinstance(beta, str) else f"{beta:g}",
                "line": not isinstance(beta, str),
                "n": int(row["n"]),
                "statistics": statistics,
            }
        )
    return settings


def _list_runs(
    study: Study, scores: Sequence[str], methods: Sequence[str]
) -> dict[str, Any]:
    runs = [result for result in study.results if result.status == "finished"]
    runs.sort(key=lambda r: (methods.index(r.method), make_sort_key(r.beta), r.seed))
    return {
        "method": [methods.index(run.method) for run in runs],
        "beta": [format_beta(run.beta) for run in runs],
        "seed": [run.seed for run in runs],
        "id": [run.id for run in runs],
        "scores": {
            score: [run.scores.get(score, np.nan) for run in runs] for score in scores
        },
    }


def _list_curves(study: Study, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Return thinned loss curves, seed by seed, failed ones too."""
    curves: list[dict[str, Any]] = []
    for run in sorted(study.results, key=lambda result: result.seed)[:CURVES]:
        try:
            losses = run.store.load_losses(run.model)
        except DamagedFileError:
            continue
        if not len(losses.get("step", ())):
            continue
        thinned = thin_curve(losses, STEPS)
        curves.append(
            {
                "method": methods.index(run.method),
                "beta": format_beta(run.beta),
                "seed": run.seed,
                "failed": run.status == "failed",
                **{name: thinned[name].tolist() for name in CURVE},
            }
        )
    return curves
