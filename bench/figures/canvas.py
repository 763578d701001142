"""The page that pictures are drawn on: one width, one type, PNG."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH = 7.0  # inches, the width of a page
DPI = 200


def make_page(height: float) -> Figure:
    """An empty figure a page wide and ``height`` inches high, free of pyplot's state."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.06)
    FigureCanvasAgg(figure)
    return figure


def encode_png(figure: Figure) -> bytes:
    """``figure`` as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
