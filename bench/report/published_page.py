"""The tables that set our runs beside what is published."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from priorbench.bench.report.likelihoods import LIKELIHOOD, describe_estimator
from priorbench.bench.report.plain_text import (
    escape_markdown,
    format_csv,
    format_estimate,
    format_markdown,
    format_number,
)
from priorbench.bench.report.published import (
    EVERY,
    PAPER,
    RECONSTRUCTION,
    UPPER_HALF,
    Published,
    compare_published,
    list_published,
)
from priorbench.bench.report.study import Study

LEFT = ("method", "models", "score", "table")
"""Columns of words."""

ONE = 1.0
"""The β of the ELBO itself, which goes without saying."""

WORDS = {
    RECONSTRUCTION: "`reconstruction` is E[log p(x|z)] in nats per image, the papers' "
    "RE with the other sign.",
    f"{RECONSTRUCTION}_first_10k": "`reconstruction_first_10k` is E[log p(x|z)] in "
    "nats per image over the first 10,000 images, the published code's log p(x); the "
    "figures show it too.",
}


def make_published_files(study: Study) -> dict[str, bytes]:
    """Return ``published.csv`` and ``.md``; none where nothing is published."""
    published = list_published(study)
    if not published:
        return {}
    compared = compare_published(study, published)
    page = _format_page(study, compared, published)
    return {
        "published.csv": format_csv(compared, "%.10g"),
        "published.md": page.encode(),
    }


def _format_page(
    study: Study, compared: pd.DataFrame, published: Sequence[Published]
) -> str:
    paragraphs = [f"# Published figures: {escape_markdown(study.heading)}"]
    warning = _warn_of_profile(study)
    if warning:
        paragraphs.append(f"**{escape_markdown(warning)}**")
    paragraphs.append("\n".join(_explain_columns(study, published)))
    notes = _list_notes(compared)
    columns, rows = _make_table(compared, published, notes)
    paragraphs.append(format_markdown(columns, rows, left=LEFT))
    if notes:
        numbered = enumerate(notes, start=1)
        paragraphs.append("\n".join(f"{number}. {note}" for number, note in numbered))
    paragraphs += _list_missing(compared, published)
    sources = dict.fromkeys(row.source for row in published)
    paragraphs.append("Sources:\n" + "\n".join(f"- {source}" for source in sources))
    return "\n\n".join(paragraphs) + "\n"


def _explain_columns(study: Study, published: Sequence[Published]) -> list[str]:
    scores = {row.score for row in published}
    lines = [
        "Ours: mean ± standard error (SE) over n seeds; difference: ours − published, "
        "and in our SE."
    ]
    if {row.beta for row in published} == {ONE}:
        lines[0] = f"Nats per image, at β = 1. {lines[0]}"
    lines += [words for score, words in WORDS.items() if score in scores]
    if LIKELIHOOD in scores:
        lines.append(f"Our `{LIKELIHOOD}`: {describe_estimator(study)}.")
    if any(row.models == UPPER_HALF for row in published):
        lines.append(
            "Upper half: theirs is one model, chosen to stand for the upper half of "
            "their seeds by MIG; ours is the mean over the upper half of our seeds by "
            f"`{study.headlines[0] if study.headlines else 'mig'}`; its SE says "
            "nothing about one model."
        )
    return lines


def describe_published(study: Study) -> dict[str, Any] | None:
    """Return what ``published.md`` says, for a page; None where nothing is published.

    Returns:
        ``columns`` and ``rows`` of the table, ``sentences`` before it and ``notes``.
    """
    published = list_published(study)
    compared = compare_published(study, published)
    if not len(compared):
        return None
    notes = _list_notes(compared)
    columns, rows = _make_table(compared, published, notes)
    sentences = [_warn_of_profile(study), *_explain_columns(study, published)]
    return {
        "columns": columns,
        "rows": rows,
        "sentences": [s.replace("`", "") for s in sentences if s],
        "notes": notes,
    }


def _list_notes(compared: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(note for note in compared["note"] if note))


def _warn_of_profile(study: Study) -> str:
    """Return a sentence where the runs are not the paper's; "" where they are."""
    if study.profile == PAPER:
        return ""
    return (
        f"These are runs of profile {study.profile}, not of {PAPER}: the differences "
        "say nothing about the published figures."
    )


def _make_table(
    compared: pd.DataFrame, published: Sequence[Published], notes: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    columns = ["method", "score", "table", "ours", "n", "published", "difference"]
    columns += ["in SE", "note"]
    if {row.models for row in published} != {EVERY}:
        columns.insert(1, "models")
    if {row.beta for row in published} != {ONE}:
        columns.insert(1, "β")
    rows = []
    for row in compared.to_dict("records"):
        entries = {
            **row,
            "β": _format_beta(row["beta"]),
            "ours": format_estimate(row["ours"], row["se"]),
            "n": str(row["n"]),
            "published": f"{row['published']:.2f}",
            "difference": f"{row['difference']:+.2f}",
            "in SE": format_number(row["difference_in_se"], "+.1f"),
            "note": str(notes.index(row["note"]) + 1) if row["note"] else "",
        }
        rows.append([entries[column] for column in columns])
    return columns, rows


def _list_missing(compared: pd.DataFrame, published: Sequence[Published]) -> list[str]:
    """Return a sentence for each β that some method has no finished run of."""
    done = set(zip(compared["method"], compared["beta"], strict=True))
    missing: dict[Any, dict[str, None]] = {}
    for row in published:
        if (row.method, row.beta) not in done:
            missing.setdefault(row.beta, {})[row.method] = None
    sentences = []
    for beta, methods in missing.items():
        names = ", ".join(map(escape_markdown, methods))
        at = "" if beta == EVERY else f" at β = {_format_beta(beta)}"
        sentences.append(f"No finished run{at} of: {names}.")
    return sentences


def _format_beta(beta: float | str) -> str:
    return beta if isinstance(beta, str) else f"{beta:g}"
