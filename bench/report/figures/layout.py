"""A figure's parts in one column: title, body, legend and caption."""

import textwrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from priorbench.bench.report.figures.style import DPI, WIDTH, escape_text

TITLE_WIDTH = 54  # characters
CAPTION_WIDTH = 70
# Columns and width of a name in characters, in the order in which they are tried.
_LEGENDS = ((4, 46), (3, 46), (2, 46), (2, 21), (1, 46))
_GAP = 0.05  # inches


def make_figure() -> Figure:
    """Make an empty figure one column wide, on Agg, free of pyplot's state."""
    figure = Figure(figsize=(WIDTH, WIDTH), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def compose_figure(
    figure: Figure, body: float, title: str, caption: str, entries: dict[str, Any]
) -> None:
    """Give ``figure`` its title, legend, caption and height, and fix its axes.

    Args:
        figure: with its axes drawn.
        body: height of axes, axis labels and title, inches.
        title: of the figure, as plain text.
        caption: the lines below the legend.
        entries: what the legend shows, by name.
    """
    wrapped_title = textwrap.wrap(escape_text(title), TITLE_WIDTH)
    figure.suptitle("\n".join(wrapped_title))
    lines = []
    for line in caption.splitlines():
        lines += textwrap.wrap(line, CAPTION_WIDTH)
    below = figure.text(
        0.5,
        0,
        "\n".join(lines),
        ha="center",
        va="bottom",
        fontsize=6.5,
        color="0.3",
        linespacing=1.3,
    )
    legend = _make_legend(figure, entries)
    caption_top = below.get_window_extent().height / DPI + 2 * _GAP
    legend_top = caption_top + legend.get_window_extent().height / DPI + _GAP
    height = body + legend_top
    figure.set_size_inches(WIDTH, height)
    below.set_y(_GAP / height)
    legend.set_bbox_to_anchor((0.5, caption_top / height), transform=figure.transFigure)
    bottom = legend_top / height
    figure.get_layout_engine().set(rect=(0, bottom, 1, 1 - bottom))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _make_legend(figure: Figure, entries: dict[str, Any]) -> Legend:
    """Make the legend with as many columns as fit into the figure's width."""
    for columns, width in _LEGENDS:
        names = ["\n".join(textwrap.wrap(name, width)) for name in entries]
        legend = figure.legend(
            entries.values(),
            names,
            ncols=max(1, min(columns, len(names))),
            loc="lower center",
            borderaxespad=0,
            borderpad=0,
            columnspacing=1.1,
            handlelength=2.5,
            handletextpad=0.5,
            labelspacing=0.35,
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width * 0.98:
            break
        legend.remove()
    return legend
