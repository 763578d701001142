"""How figures look: one colour, marker, line and hatch per method; type; image files."""

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from priorbench.bench.results.store import Record

WIDTH = 3.5  # inches, one column of a two-column page
DPI = 300
# Both come with Matplotlib, so that figures are the same everywhere; the second has 𝒮 and 𝒱.
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
# 8, 9 and 7 have no common factor, so that it is long until a combination comes again.
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

_lock = threading.RLock()


@dataclass(frozen=True)
class Style:
    """How one method is drawn, in every figure of a folder."""

    color: str
    marker: str
    line: str | tuple
    hatch: str

    @property
    def ink(self) -> str:
        """The colour, darkened until text in it reads on white (contrast 4.5 to 1)."""
        return _darken(self.color, 4.5)

    @property
    def stroke(self) -> str:
        """The colour, darkened until a line in it shows on white (contrast 2 to 1)."""
        return _darken(self.color, 2.0)


def get_moment(record: Record) -> tuple[datetime, str]:
    """When a record was written, and its id; an order in time without ties."""
    created = datetime.fromisoformat(record.created)
    return (created if created.tzinfo else created.replace(tzinfo=UTC)), record.id


def assign_styles(records: Iterable[Record]) -> dict[str, Style]:
    """A style for each method, in the order in which the methods first appear in time.

    A method added to a grid later comes last and leaves the others' colours as they are.
    Methods first written in the same second go by name. Colours repeat after eight methods;
    the marker, the line and the hatch then differ.
    """
    first: dict[str, datetime] = {}
    for r in records:
        when = get_moment(r)[0]
        first[r.method] = min(when, first.get(r.method, when))
    order = sorted(first, key=lambda method: (first[method], method))
    return {method: _make_style(i) for i, method in enumerate(order)}


def _make_style(i: int) -> Style:
    return Style(
        PALETTE[i % len(PALETTE)],
        MARKERS[i % len(MARKERS)],
        LINES[i % len(LINES)],
        HATCHES[i // len(PALETTE) % len(HATCHES)],
    )


def _darken(color: str, contrast: float) -> str:
    rgb = to_rgb(color)
    while 1.05 / (_relative_luminance(rgb) + 0.05) < contrast:
        rgb = tuple(0.95 * c for c in rgb)
    return to_hex(rgb)


def _relative_luminance(rgb: tuple[float, ...]) -> float:
    # Relative luminance of sRGB, as in WCAG 2.
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def escape_text(text: str) -> str:
    r"""``text`` as Matplotlib shall draw it: no mathematics, no characters without a glyph.

    Example:
        >>> escape_text("β-VAE, $x$")
        'β-VAE, \\$x\\$'
        >>> escape_text("先验")
        '\\u5148\\u9a8c'
    """
    glyphs = _list_glyphs()
    drawn = (c if ord(c) in glyphs else ascii(c)[1:-1] for c in " ".join(text.split()))
    return "".join(drawn).replace("$", r"\$")


@cache
def _list_glyphs() -> frozenset[int]:
    return frozenset().union(
        *(get_font(findfont(font)).get_charmap() for font in FONTS)
    )


@contextmanager
def use_style() -> Iterator[None]:
    """The figures' settings of Matplotlib, for one thread at a time."""
    with _lock, mpl.rc_context(RC):
        yield


def encode_image(figure: Figure, kind: str) -> bytes:
    """``figure`` as a ``png`` or ``pdf`` file, with no date in it; call within :func:`use_style`."""
    file = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()
