"""How figures look: a colour, marker, line and hatch per method; type; image files."""

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

WIDTH = 3.5  # inches, one column of a two-column page
DPI = 300
# Both come with Matplotlib, so that figures are the same everywhere; the second has
# 𝒮 and 𝒱.
FONTS = ("DejaVu Sans", "STIXGeneral")

# Okabe and Ito's colours; the light ones, hard to see as lines on white, come last.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#000000",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
)
# 8, 9 and 7 have no common factor, so that a combination comes again only after 504.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.2, 1, 1.2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
    (0, (2, 1)),
)
HATCHES = ("", "////", "....", "xxxx", "----")

PUBLISHED = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 4.2,
    "markerfacecolor": "none",
    "markeredgecolor": "0.25",
    "markeredgewidth": 0.8,
}
"""Matplotlib's options of the marks of published values."""

RC = {
    "font.family": list(FONTS),
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "figure.titlesize": 8,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType, which journals ask for
}

ABBREVIATION = 4
"""Letters of the longest name of a score that is shown in capitals."""

_lock = threading.RLock()


@dataclass(frozen=True)
class Style:
    """The look of one method, in every figure of a folder."""

    color: str
    marker: str
    line: str | tuple
    hatch: str

    @property
    def ink(self) -> str:
        """The colour, darkened until it reads on white as letters (contrast 4.5)."""
        return _darken_color(self.color, 4.5)

    @property
    def stroke(self) -> str:
        """The colour, darkened until it shows on white as a line (contrast 2)."""
        return _darken_color(self.color, 2.0)

    @property
    def line_options(self) -> dict[str, Any]:
        """Matplotlib's options of the method's line and markers."""
        return {
            "color": self.stroke,
            "linestyle": self.line,
            "linewidth": 1.1,
            "marker": self.marker,
            "markersize": 4.2,
            "markerfacecolor": self.color,
            "markeredgecolor": self.ink,
            "markeredgewidth": 0.5,
        }

    @property
    def box_options(self) -> dict[str, Any]:
        """Matplotlib's options of the method's boxes."""
        return {
            "facecolor": (self.color, 0.3),
            "edgecolor": self.ink,
            "hatch": self.hatch,
            "linewidth": 0.6,
        }


def assign_styles(methods: Mapping[str, int]) -> dict[str, Style]:
    """Return a style for each method, which goes by its number.

    Colours repeat after eight methods; the marker, the line and the hatch then differ.

    Args:
        methods: numbers by method.
    """
    return {
        method: Style(
            PALETTE[number % len(PALETTE)],
            MARKERS[number % len(MARKERS)],
            LINES[number % len(LINES)],
            HATCHES[number // len(PALETTE) % len(HATCHES)],
        )
        for method, number in methods.items()
    }


def _darken_color(color: str, contrast: float) -> str:
    rgb = to_rgb(color)
    while 1.05 / (relative_luminance(rgb) + 0.05) < contrast:
        rgb = tuple(0.95 * component for component in rgb)
    return to_hex(rgb)


def relative_luminance(rgb: tuple[float, ...]) -> float:
    """Compute the relative luminance of a colour of sRGB, as in WCAG 2."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def escape_text(words: str) -> str:
    r"""Return ``words`` for Matplotlib: no mathematics, no characters without a glyph.

    Example:
        >>> escape_text("β-VAE, $x$")
        'β-VAE, \\$x\\$'
        >>> escape_text("先验")
        '\\u5148\\u9a8c'
    """
    glyphs = _list_glyphs()
    one_line = " ".join(words.split())
    drawn = (c if ord(c) in glyphs else ascii(c)[1:-1] for c in one_line)
    return "".join(drawn).replace("$", r"\$")


@cache
def _list_glyphs() -> frozenset[int]:
    fonts = [get_font(findfont(font)) for font in FONTS]
    return frozenset().union(*(font.get_charmap() for font in fonts))


def format_score(score: str) -> str:
    """Return the name of a score as it is written beside an axis.

    Example:
        >>> format_score("elbo"), format_score("active_latents")
        ('ELBO', 'active latents')
    """
    shown = score.upper() if len(score) <= ABBREVIATION else score.replace("_", " ")
    return escape_text(shown)


@contextmanager
def use_style() -> Iterator[None]:
    """Use the figures' settings of Matplotlib, in one thread at a time."""
    with _lock, mpl.rc_context(RC):
        yield


def encode_image(figure: Figure, kind: str, dpi: int = DPI) -> bytes:
    """Return ``figure`` as an image file with no date in it.

    Call it within :func:`use_style`.

    Args:
        figure: to be encoded.
        kind: "png" or "pdf".
        dpi: pixels per inch.
    """
    file = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(file, format=kind, dpi=dpi, metadata=metadata)
    return file.getvalue()
