"""The figure of log-likelihoods: seeds, their mean, and published values."""

import re
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from priorbench.bench.report.figures import layout
from priorbench.bench.report.figures.style import (
    PUBLISHED,
    Style,
    assign_styles,
    escape_text,
)
from priorbench.bench.report.likelihoods import LIKELIHOOD, order_methods
from priorbench.bench.report.published import explain_hollow, list_published
from priorbench.bench.report.study import Study
from priorbench.bench.study.beta import Beta, format_beta, make_sort_key

_LABEL = 20  # characters of a method's name on one line
_LINE = 0.115  # height of a line of a name, inches
_ROW = 0.165  # height of a row, inches
_FEW = 5  # with fewer rows none is left off the axis
_FENCE = 4.0  # interquartile ranges below the lower quartile from where on values are
_MARGIN = 0.06  # of the axis, beyond the values
_SEED = {"linestyle": "none", "marker": "o", "markersize": 3.2, "markeredgewidth": 0.4}
_MEAN = {
    "linestyle": "none",
    "marker": "|",
    "markersize": 8,
    "color": "0.2",
    "markeredgewidth": 1.4,
}


@dataclass(frozen=True)
class _Row:
    """A setting: its name, style, log-likelihoods by seed, and published values."""

    name: str
    style: Style
    ours: np.ndarray
    theirs: list[float]


def draw_likelihood(study: Study) -> Figure:
    """Draw the log-likelihood, a row per method (and β where there are several).

    Rows are in the order of ``likelihoods.md``; further right is better. Where
    some values lie far below the others, the axis leaves them out, so that the others
    are told apart, and an arrow gives the lowest value of the row.
    """
    rows = _collect_rows(study)
    figure = layout.make_figure()
    axes = figure.add_subplot()
    for i, row in enumerate(rows):
        _draw_row(axes, i, row)
    names = [row.name for row in rows]
    axes.set_yticks(range(len(names)), names, fontsize=6.5, linespacing=1.0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=_MARGIN)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("log-likelihood (nats per image)")
    outliers = _cut_outliers(axes, rows)
    hollow = any(row.theirs for row in rows)

    entries = {
        "seed": Line2D([], [], **_SEED, markerfacecolor="0.6", markeredgecolor="0.2"),
        "mean": Line2D([], [], **_MEAN),
    }
    if hollow:
        entries["published"] = Line2D([], [], **PUBLISHED)
    lines = ["Points: seeds. Bars: mean. Right is better."]
    if outliers:
        lines.append("Arrows: off the axis; the row's lowest value.")
    if hollow:
        lines += explain_hollow(study)
    caption = "\n".join([*lines, study.failures])
    height = 0.55 + sum(_ROW + _LINE * name.count("\n") for name in names)
    layout.compose_figure(figure, max(1.1, height), study.heading, caption, entries)
    return figure


def _collect_rows(study: Study) -> list[_Row]:
    """Return the rows of the settings that have a finite log-likelihood."""
    published = list_published(study)
    styles = assign_styles(study.methods)
    values: dict[tuple[str, Beta], np.ndarray] = {}
    for method in order_methods(study, published):
        betas = {record.beta for record in study.results if record.method == method}
        for beta in sorted(betas, key=make_sort_key):
            finite = study.list_values(method, beta, LIKELIHOOD)
            if len(finite):
                values[method, beta] = finite
    several = len({beta for _, beta in values}) > 1
    rows = []
    for (method, beta), ours in values.items():
        name = f"{method}, β = {format_beta(beta)}" if several else method
        theirs = [
            value.value
            for value in published
            if (value.method, value.beta, value.score) == (method, beta, LIKELIHOOD)
        ]
        rows.append(_Row(_wrap_name(escape_text(name)), styles[method], ours, theirs))
    return rows


def _wrap_name(name: str) -> str:
    """Break a name into lines of about :data:`_LABEL` characters, after × and words."""
    lines = [""]
    for piece in re.findall(r"[^× ]*[× ]?", name):
        for start in range(0, len(piece), _LABEL):
            part = piece[start : start + _LABEL]
            if lines[-1] and len(lines[-1] + part) > _LABEL:
                lines.append("")
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _draw_row(axes: Axes, height: int, row: _Row) -> None:
    axes.plot(
        [row.ours.mean()] * 2,
        [height - 0.34, height + 0.34],
        color=row.style.ink,
        linewidth=1.4,
        solid_capstyle="butt",
        zorder=3,
        gid="mean",
    )
    # each seed has its own height, so that equal ones are seen
    seeds = len(row.ours)
    spread = np.linspace(-0.17, 0.17, seeds) if seeds > 1 else np.zeros(1)
    axes.plot(
        row.ours,
        height + spread,
        **_SEED,
        markerfacecolor=row.style.color,
        markeredgecolor=row.style.ink,
        zorder=4,
        gid="seeds",
    )
    if row.theirs:
        heights = [height] * len(row.theirs)
        axes.plot(row.theirs, heights, **PUBLISHED, zorder=5, gid="published")


def _cut_outliers(axes: Axes, rows: list[_Row]) -> bool:
    """Leave values far below the others off the axis, with an arrow in their rows.

    Returns:
        Whether there are any.
    """
    if len(rows) < _FEW:
        return False
    drawn = [np.append(row.ours, row.theirs) for row in rows]
    values = np.concatenate(drawn)
    low, high = np.quantile(values, [0.25, 0.75])
    kept = values[values >= low - _FENCE * (high - low)]
    if len(kept) == len(values):
        return False
    margin = _MARGIN * (np.ptp(kept) or 1.0)
    axes.set_xlim(kept.min() - margin, kept.max() + margin)
    for height, row_values in enumerate(drawn):
        lowest = row_values.min()
        if lowest < kept.min():
            axes.text(
                0.01,
                height,
                f"← {lowest:.2f}".replace("-", "−"),
                fontsize=6.5,
                va="center",
                transform=axes.get_yaxis_transform(),
                gid="off",
            )
    return True
