"""Figures as the tests draw them, and what is written in them."""

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.text import Annotation

from priorbench.bench.report.figures.style import use_style
from priorbench.bench.results.result import Result
from tests.bench.synthetic_results import make_study

FOUR = ("β-VAE", "β-TCVAE", "ISA-VAE", "ISA-TCVAE")
NINE = (*FOUR, "FactorVAE", "𝒮-VAE", "a_b $x$", "先验", "_hidden")


def draw_figure(draw: Callable[..., Figure], records: list[Result]) -> Figure:
    """Draw the figure of a headline score."""
    with use_style():
        return draw(make_study(records), "mig")


def list_beta_labels(figure: Figure) -> list[Annotation]:
    """List the labels beside the points of the first axes."""
    return [t for t in figure.axes[0].texts if isinstance(t, Annotation)]


def list_texts(figure: Figure) -> list[str]:
    """List the title and what is written below the axes."""
    return [t.get_text() for t in figure.texts] + [figure.get_suptitle()]
