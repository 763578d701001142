"""The distribution of a score over seeds, for each method and β.

References: Stühmer et al. 2019, "Independent Subspace Analysis for Unsupervised
Learning of Disentangled Representations", Figure 5a.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from priorbench.bench.report.figures import layout
from priorbench.bench.report.figures.style import (
    PUBLISHED,
    WIDTH,
    Style,
    assign_styles,
    escape_text,
    format_score,
)
from priorbench.bench.report.published import explain_hollow, list_published
from priorbench.bench.report.study import Study
from priorbench.bench.study.beta import format_beta, make_sort_key

FEW = 5  # with fewer seeds a box says less than the points
CAPTION = (
    "Points: seeds. Boxes: median and quartiles, whiskers to the last seed within "
    "1.5 interquartile ranges."
)
CAPTION_OF_FEW = "Points: seeds. Bars: median."
GOLDEN_RATIO = 0.6180339887
_SLOT = 0.13  # inches a method needs in a panel
_LETTER = 0.066  # inches of a letter in a panel's title
_PANEL = 1.0  # height of a panel, inches
_OUTLINE = [
    withStroke(linewidth=2.8, foreground="white")
]  # sets a line off from points


def draw_distribution(study: Study, score: str) -> Figure:
    """Draw ``score`` of every seed (Fig. 5a): a panel per β, a column per method."""
    runs = [record for record in study.results if score in record.scores]
    betas = sorted({run.beta for run in runs}, key=make_sort_key)
    drawn = {run.method for run in runs}
    methods = [method for method in study.methods if method in drawn]
    styles = assign_styles(study.methods)
    titles = [f"β = {format_beta(beta)}" for beta in betas]
    columns = _count_columns(titles, len(methods))
    rows = -(-len(betas) // columns)

    figure = layout.make_figure()
    grid = figure.add_gridspec(rows, columns)
    published = [
        row
        for row in list_published(study)
        if row.score == score and row.method in methods and row.beta in betas
    ]
    first = None
    for i, (beta, title) in enumerate(zip(betas, titles, strict=True)):
        axes = figure.add_subplot(grid[divmod(i, columns)], sharey=first)
        first = first or axes
        for column, method in enumerate(methods):
            values = study.list_values(method, beta, score)
            if len(values):
                _draw_seeds(axes, column, values, styles[method])
        for row in published:
            if row.beta == beta:
                column = methods.index(row.method)
                axes.plot(column, row.value, **PUBLISHED, zorder=5, gid="published")
        axes.set_xlim(-0.7, len(methods) - 0.3)
        axes.set_xticks([])
        axes.set_title(title, pad=3)
        axes.tick_params(labelleft=i % columns == 0)
    label = figure.supylabel(format_score(score), fontsize=8)

    few = bool((study.settings["n"] < FEW).all())
    entries = {}
    for method in methods:
        options = styles[method].line_options | {"linestyle": "none"}
        points = Line2D([], [], **options)
        box = Patch(**styles[method].box_options)
        entries[escape_text(method)] = points if few else (box, points)
    captions = [CAPTION_OF_FEW if few else CAPTION]
    if published:
        entries["published"] = Line2D([], [], **PUBLISHED)
        captions += explain_hollow(study)
    caption = "\n".join([*captions, study.failures])
    body = max(2.4, 0.3 + rows * (_PANEL + 0.25))
    layout.compose_figure(figure, body, study.heading, caption, entries)
    top = figure.axes[0].get_position().y1
    bottom = figure.axes[-1].get_position().y0
    label.set_y((top + bottom) / 2)
    return figure


def _count_columns(titles: list[str], methods: int) -> int:
    """Return how many panels go side by side.

    They are at most three, and none is narrower than its methods or its title need.
    """
    needed = max(_SLOT * (methods + 1), _LETTER * max(map(len, titles)))
    wanted = 2 if len(titles) == 4 else 3
    return max(1, min(len(titles), wanted, int((WIDTH - 0.5) / needed)))


def _draw_seeds(axes: Axes, column: int, values: np.ndarray, style: Style) -> None:
    """Draw one method's seeds at one β: points, over a box where there are enough."""
    few = len(values) < FEW
    if few:
        axes.plot(
            [column - 0.33, column + 0.33],
            [np.median(values)] * 2,
            color=style.ink,
            linewidth=1.4,
            solid_capstyle="butt",
            zorder=2,
            gid="median",
        )
    else:
        thin = {"color": style.ink, "linewidth": 0.6}
        thick = {"color": style.ink, "linewidth": 1.4}
        axes.boxplot(
            [values],
            positions=[column],
            widths=0.72,
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            whiskerprops=thin,
            capprops=thin,
            boxprops=style.box_options,
            medianprops=thick | {"zorder": 4, "path_effects": _OUTLINE},
        )
    # the golden ratio's multiples spread evenly whatever the number of seeds
    turns = np.arange(len(values)) * GOLDEN_RATIO
    spread = ((turns + 0.5) % 1 - 0.5) * 0.5
    axes.plot(
        column + spread,
        values,
        linestyle="none",
        marker=style.marker,
        gid="seeds",
        markersize=3.4 if few else 1.6,
        markerfacecolor=style.color,
        markeredgecolor=style.ink,
        markeredgewidth=0.4 if few else 0.2,
        zorder=3,
    )
