"""From a study to its page: Jinja2 for what is read, Plotly for what is drawn."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from priorbench.bench.report.columns import describe_columns
from priorbench.bench.report.page.data import make_data
from priorbench.bench.report.page.gallery import make_gallery
from priorbench.bench.report.page.summary import make_summary
from priorbench.bench.report.plain_text import describe_fewer, format_mean
from priorbench.bench.report.published import PAPER, list_published
from priorbench.bench.report.published_page import describe_published
from priorbench.bench.report.study import Study
from priorbench.bench.results.manifest import Manifest
from priorbench.bench.results.tables import MODEL_SCORES, list_compared_scores
from priorbench.bench.study.beta import format_beta

FOLDER = Path(__file__).parent

FILES = {
    "runs": "a row for each run",
    "settings": "a row for each method and β",
    "scores": "a row for each value of each score",
    "comparisons": "a row for each pair of methods, score and place",
    "aggregates": "a row for each score and method: means over all its runs",
    "correlations": "rank correlations of the scores over the runs",
    "chance": "what the metrics give for noise",
}
"""The tables beside the page, in words."""

TABLES = (".csv", ".parquet", ".tex")


def make_page(
    study: Study,
    manifest: Manifest,
    comparisons: pd.DataFrame,
    aggregates: pd.DataFrame,
    chance: pd.DataFrame,
    beside: Sequence[str],
) -> bytes:
    """Return ``report.html`` of a study.

    It asks for nothing from a network: Plotly's code is in it. What a method is called
    is text everywhere, whatever is in it.

    Args:
        study: the results.
        manifest: of the study.
        comparisons: of the methods, pair by pair.
        aggregates: of each method.
        chance: what each metric gives for noise.
        beside: names of the files beside the page.
    """
    scores = list_compared_scores(study.results)
    published = list_published(study)
    data = make_data(study, scores, comparisons, aggregates, published)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html").render(
        summary=make_summary(study, manifest, comparisons),
        settings=make_rows(study),
        failures=[result for result in study.results if result.reason],
        failed_scores=[result for result in study.results if result.failed_scores],
        chance=dict(zip(chance["score"], chance["value"], strict=True)),
        gallery=make_gallery(study),
        files={name: FILES[Path(name).stem] for name in beside if is_table(name)},
        grid_text=manifest.text,
        data=encode_data(data),
        columns=describe_columns(scores),
        published=describe_published(study),
        marks=data["published"],
        paper=PAPER,
        shown=list_shown(study),
        curves=data["curves"],
        format_beta=format_beta,
        style=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        program=Markup((FOLDER / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
    )
    return page.encode()


def is_table(name: str) -> bool:
    """Return whether a file beside the page is a table that the page links."""
    return Path(name).stem in FILES and Path(name).suffix in TABLES


def encode_data(data: dict[str, Any]) -> Markup:
    r"""Return data as JSON that stays data inside of a script element.

    Example:
        >>> encode_data({"a": ["</script>", float("nan")]})
        Markup('{"a":["\\u003c/script>",null]}')
    """
    text = json.dumps(_replace_nan(data), ensure_ascii=False, separators=(",", ":"))
    for character in "<\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _replace_nan(value: Any) -> Any:
    """Return plain values that JSON has: null for NaN, five digits of a float."""
    if isinstance(value, dict):
        return {key: _replace_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nan(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def list_shown(study: Study) -> list[str]:
    """Return the scores in the table of settings."""
    return list(dict.fromkeys([*study.headlines, *MODEL_SCORES]))


def make_rows(study: Study) -> list[dict[str, Any]]:
    """Return the rows of the table of settings: means and standard errors."""
    rows = []
    for row in study.settings.to_dict("records"):
        cells = []
        for score in list_shown(study):
            mean = row.get(f"{score}_mean", np.nan)
            se = row.get(f"{score}_se", np.nan)
            text, error = format_mean(mean, se)
            fewer = describe_fewer(row, score)
            cells.append(
                {
                    "value": mean if text else "",
                    "text": text or "–",
                    "error": " ".join(filter(None, [error and f"± {error}", fewer])),
                }
            )
        beta = row["beta"]
        rows.append(
            {
                "method": row["method"],
                "beta": beta if isinstance(beta, str) else f"{beta:g}",
                "n": row["n"],
                "failures": row["failures"],
                "cells": cells,
            }
        )
    return rows
