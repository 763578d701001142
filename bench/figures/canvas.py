"""The page that pictures are drawn on: one width, one resolution."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH = 7.0  # inches, the width of a page
DPI = 200


def make_page(height: float) -> Figure:
    """Make an empty figure a page wide and ``height`` inches high.

    It is free of pyplot's state.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.06)
    FigureCanvasAgg(figure)
    return figure
