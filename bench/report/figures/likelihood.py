"""The figure of a study of likelihoods: every method's seeds, their mean, and what is published."""

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from priorbench.bench.study.beta import Beta, make_sort_key, format_beta
from priorbench.bench.report.figures import layout
from priorbench.bench.report import likelihoods, published
from priorbench.bench.report.figures.study_figures import Study
from priorbench.bench.report.figures.style import Style, escape_text

SCORE = "log_likelihood"
_LABEL = 20  # characters of a method's name on one line
_LINE = 0.115  # height of a line of a name, inches
_ROW = 0.165  # height of a row, inches
_FEW = 5  # with fewer rows none is left off the axis
_FENCE = 4.0  # interquartile ranges below the lower quartile from where on values are
_MARGIN = 0.06  # of the axis, beyond the values
_SEED = {"linestyle": "none", "marker": "o", "markersize": 3.2, "markeredgewidth": 0.4}
_PUBLISHED = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 4.2,
    "markerfacecolor": "none",
    "markeredgecolor": "0.25",
    "markeredgewidth": 0.8,
}


def draw_likelihood(study: Study) -> Figure:
    """Log-likelihood, a row per method (and β where there are several), the better to the right.

    Rows are in the order of ``likelihoods.md``. Published values are drawn at β = 1. Where some
    values lie far below the others, the axis leaves them out, so that the others are told apart,
    and an arrow with the lowest value of the row says so.
    """
    rows = published.find_published(study.grid)
    values = _collect_values(study, likelihoods.order_methods(study, rows))
    theirs = {
        setting: [
            row.value
            for row in rows
            if row.score == SCORE and (row.method, published.BETA) == setting
        ]
        for setting in values
    }
    figure = layout.make_figure()
    axes = figure.add_subplot()
    for i, (setting, ours) in enumerate(values.items()):
        _draw_row(axes, i, ours, theirs[setting], study.styles[setting[0]])
    names = _list_names(values)
    _format_axes(axes, names)
    off = _cut_outliers(
        axes, [np.append(ours, theirs[setting]) for setting, ours in values.items()]
    )
    hollow = any(theirs.values())
    height = 0.55 + sum(_ROW + _LINE * name.count("\n") for name in names)
    layout.compose_figure(
        figure,
        max(1.1, height),
        study.title,
        _make_caption(study, hollow, off),
        _legend_entries(hollow),
    )
    return figure


def _collect_values(
    study: Study, methods: list[str]
) -> dict[tuple[str, Beta], np.ndarray]:
    """The finite log-likelihoods of each setting that has any, in the order of the seeds."""
    values = {}
    for method in methods:
        for beta in sorted(
            {r.beta for r in study.records if r.method == method}, key=make_sort_key
        ):
            found = study.values(method, beta, SCORE)
            if len(found):
                values[method, beta] = found
    return values


def _draw_row(
    axes: Axes, at: int, ours: np.ndarray, theirs: list[float], style: Style
) -> None:
    axes.plot(
        [ours.mean()] * 2,
        [at - 0.34, at + 0.34],
        color=style.ink,
        linewidth=1.4,
        solid_capstyle="butt",
        zorder=3,
        gid="mean",
    )
    # a seed of its own height each, so that equal ones are seen
    spread = np.linspace(-0.17, 0.17, len(ours)) if len(ours) > 1 else np.zeros(1)
    axes.plot(
        ours,
        at + spread,
        **_SEED,
        markerfacecolor=style.color,
        markeredgecolor=style.ink,
        zorder=4,
        gid="seeds",
    )
    if theirs:
        axes.plot(theirs, [at] * len(theirs), **_PUBLISHED, zorder=5, gid="published")


def _format_axes(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=6.5, linespacing=1.0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=_MARGIN)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("log-likelihood (nats per image)")


def _cut_outliers(axes: Axes, drawn: list[np.ndarray]) -> bool:
    """Leave values far below the others off the axis, with an arrow in their rows; whether any."""
    every = np.concatenate([np.empty(0), *drawn])
    if len(drawn) < _FEW:
        return False
    low, high = np.quantile(every, [0.25, 0.75])
    kept = every[every >= low - _FENCE * (high - low)]
    if len(kept) == len(every):
        return False
    margin = _MARGIN * (np.ptp(kept) or 1.0)
    axes.set_xlim(kept.min() - margin, kept.max() + margin)
    for at, values in enumerate(drawn):
        if values.min() < kept.min():
            axes.text(
                0.01,
                at,
                f"← {values.min():.2f}".replace("-", "−"),
                fontsize=6.5,
                va="center",
                transform=axes.get_yaxis_transform(),
                gid="off",
            )
    return True


def _list_names(settings: dict[tuple[str, Beta], np.ndarray]) -> list[str]:
    several = len({beta for _, beta in settings}) > 1
    return [
        _wrap_name(
            escape_text(f"{method}, β = {format_beta(beta)}" if several else method)
        )
        for method, beta in settings
    ]


def _wrap_name(name: str) -> str:
    """``name`` in lines of about :data:`_LABEL` characters, broken after × and between words."""
    lines = [""]
    for piece in re.findall(r"[^× ]*[× ]?", name):
        for part in (piece[i : i + _LABEL] for i in range(0, len(piece), _LABEL)):
            if lines[-1] and len(lines[-1] + part) > _LABEL:
                lines.append("")
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _make_caption(study: Study, hollow: bool, off: bool) -> str:
    lines = ["Points: seeds. Bars: mean. Right is better."]
    if off:
        lines.append("Arrows: off the axis; the row's lowest value.")
    if hollow:
        lines.append("Hollow: published, see published.md.")
        if study.profile != likelihoods.PAPER:
            lines.append(
                f"Not profile {likelihoods.PAPER}: the distance to published values says "
                "nothing."
            )
    return study.caption("\n".join(lines))


def _legend_entries(hollow: bool) -> dict[str, Line2D]:
    entries = {
        "seed": Line2D([], [], **_SEED, markerfacecolor="0.6", markeredgecolor="0.2"),
        "mean": Line2D(
            [],
            [],
            linestyle="none",
            marker="|",
            markersize=8,
            color="0.2",
            markeredgewidth=1.4,
        ),
    }
    return entries | ({"published": Line2D([], [], **_PUBLISHED)} if hollow else {})
