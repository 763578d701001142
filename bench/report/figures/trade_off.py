"""The trade-off of a score against reconstruction, along each method's β.

Reference: Stühmer et al. 2019, "Independent Subspace Analysis for Unsupervised
Learning of Disentangled Representations", Figure 5b.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from priorbench.bench.report.figures import labels, layout
from priorbench.bench.report.figures.style import (
    PUBLISHED,
    Style,
    assign_styles,
    escape_text,
    format_score,
)
from priorbench.bench.report.published import (
    choose_reconstruction,
    explain_hollow,
    list_points,
)
from priorbench.bench.report.study import Study
from priorbench.bench.study.beta import format_beta

FIRST_IMAGES = "reconstruction_first_10k"
CAPTION = "Labels: β. Mean ± standard error over seeds. Up and right is better."


def draw_trade_off(study: Study, score: str) -> Figure:
    """Draw the mean of ``score`` against that of the reconstruction (Fig. 5b).

    Each method has a line through its β. Published values are hollow marks; where there
    are any, the reconstruction is of the images that they are of.
    """
    figure = layout.make_figure()
    axes = figure.add_subplot()
    styles = assign_styles(study.methods)
    reconstruction = choose_reconstruction(study)
    curves = {}
    for method, style in styles.items():
        curve = _select_curve(study, method, reconstruction, score)
        if len(curve):
            curves[method] = curve
        # a β for each group does not lie on the way from one β to the next
        apart = curve["beta"].map(lambda beta: isinstance(beta, str)).astype(bool)
        for part, line in ((curve[~apart], style.line), (curve[apart], "none")):
            if len(part):
                axes.errorbar(
                    part["x"],
                    part["y"],
                    xerr=part["x_error"],
                    yerr=part["y_error"],
                    elinewidth=0.7,
                    label=escape_text(method),
                    **(style.line_options | {"linestyle": line}),
                )
    published = list_points(study, reconstruction, score)
    for row, x, y in published:
        look = PUBLISHED | {"markeredgecolor": styles[row.method].ink}
        axes.plot(x, y, **look, gid="published")
    axes.margins(0.09)
    images = (
        "first 10,000 images" if reconstruction == FIRST_IMAGES else "nats per image"
    )
    axes.set_xlabel(
        rf"reconstruction $\mathbb{{E}}_{{q(z|x)}}[\log p(x|z)]$ ({images})"
    )
    axes.set_ylabel(format_score(score))
    axes.locator_params(nbins=6)
    entries = {
        escape_text(method): Line2D([], [], **styles[method].line_options)
        for method in curves
    }
    captions = [CAPTION]
    if published:
        entries["published"] = Line2D([], [], **PUBLISHED)
        captions += explain_hollow(study)
    caption = "\n".join([*captions, study.failures])
    layout.compose_figure(figure, 2.9, study.heading, caption, entries)
    lines = []
    for curve in curves.values():
        points = curve[["x", "y"]].to_numpy(float)
        errors = curve[["x_error", "y_error"]].to_numpy(float)
        lines.append(points)
        for direction in np.eye(2):
            low, high = points - errors * direction, points + errors * direction
            lines += list(np.stack([low, high], axis=1))
    marks = _list_marks(curves, styles)
    for row, x, y in published:
        if isinstance(row.beta, float):
            label = format_beta(row.beta)
            marks.append(labels.Mark(x, y, label, styles[row.method].ink))
    labels.place_labels(axes, marks, lines)
    return figure


def _select_curve(
    study: Study, method: str, reconstruction: str, score: str
) -> pd.DataFrame:
    """Return the points of a method, ordered by β: x, y, their errors, and β."""
    rows = study.settings[study.settings["method"] == method]
    columns = {
        "x": f"{reconstruction}_mean",
        "y": f"{score}_mean",
        "x_error": f"{reconstruction}_se",
        "y_error": f"{score}_se",
        "beta": "beta",
    }
    curve = pd.DataFrame({name: rows[column] for name, column in columns.items()})
    curve = curve.dropna(subset=["x", "y"])
    return curve.fillna({"x_error": 0.0, "y_error": 0.0})


def _list_marks(
    curves: dict[str, pd.DataFrame], styles: dict[str, Style]
) -> list[labels.Mark]:
    """Return each method's first and last β, then the ones between.

    Earlier marks get their label more surely.
    """
    ends: list[labels.Mark] = []
    between: list[labels.Mark] = []
    for method, curve in curves.items():
        marks = []
        for x, y, beta in zip(curve["x"], curve["y"], curve["beta"], strict=True):
            label = beta if isinstance(beta, str) else format_beta(beta)
            marks.append(labels.Mark(x, y, label, styles[method].ink))
        ends += marks[:1] + marks[1:][-1:]
        between += marks[1:-1]
    return ends + between
