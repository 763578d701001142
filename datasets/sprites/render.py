r"""The images of dSprites, drawn from their factors in integers.

A shape is a polygon with vertices that are rounded to 1/256 pixel. A pixel is on when
its centre is inside: when an odd number of edges cross its row at or to the left of the
centre. Hence a centre on a left edge is in and on a right edge out; rows are cut so
that a centre on a bottom edge is in and on a top edge out.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

SIDE = 64
SHAPES = ("square", "ellipse", "heart")
FACTORS = {
    "shape": 3,
    "scale": 6,
    "orientation": 40,
    "posX": 32,
    "posY": 32,
}
RADIUS = 0.15 * SIDE
UNIT = 256
"""Subdivisions of a pixel that vertices are rounded to."""

_ROWS_FROM = np.array(
    [(1 << (SIDE - column)) - 1 for column in range(SIDE + 1)],
    dtype=np.uint64,
)
"""Rows of 64 pixels, the leftmost in the highest bit, that are on from a column."""


def render_grid(levels: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
    """Yield the images of a grid, those of one shape, scale and orientation at a time.

    Args:
        levels: the levels of each of :data:`FACTORS`, in their order.

    Yields:
        Bit-packed images, uint8 (posX levels * posY levels, 512), posY fastest.

    Example:
        >>> images, = render_grid([[0], [5], [0], [0], [0, 31]])
        >>> images.shape, int(np.unpackbits(images[0]).sum())
        ((2, 512), 400)
    """
    shapes, scales, orientations, x_levels, y_levels = levels
    for shape, scale, orientation in product(shapes, scales, orientations):
        across, down = place_outline(shape, scale, orientation)
        x = _snap_vertices(x_levels, across)
        y = _snap_vertices(y_levels, down)
        yield fill_polygon(x, y)


def trace_outline(shape: int) -> np.ndarray:
    """Return the vertices of a shape about its centre at scale 1.

    Returns:
        float64 (E, 2): across and down, in pixels.
    """
    if SHAPES[shape] == "square":
        corners = [
            [-1.0, -1.0],
            [1.0, -1.0],
            [1.0, 1.0],
            [-1.0, 1.0],
        ]
        return RADIUS * np.array(corners)
    if SHAPES[shape] == "ellipse":
        t = 2 * np.pi * np.arange(100) / 100
        across = 1.33 * np.cos(t)
        down = np.sin(t) / 1.33
        return RADIUS * np.stack([across, down], axis=1)
    t = 2 * np.pi * np.arange(150) / 150
    up = 13 * np.cos(t)
    up -= 5 * np.cos(2 * t)
    up -= 2 * np.cos(3 * t)
    up -= np.cos(4 * t)
    across = np.sin(t) ** 3
    down = -(up / 14.5 + 0.15)
    return RADIUS * np.stack([across, down], axis=1)


def place_outline(
    shape: int,
    scale: int,
    orientation: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices of a shape, scaled and rotated about its centre.

    The sums are in float32, as in the original, which decides a few roundings. Sines
    and cosines are rounded from float64, for float32 ones differ between processors.

    Returns:
        float32 (E,) across and (E,) down, in pixels.
    """
    size = np.linspace(0.5, 1.0, FACTORS["scale"])[scale]
    u, v = (size * trace_outline(shape)).astype(np.float32).T
    # The last orientation is a full turn; the remainder makes it repeat the first
    # exactly.
    turns = FACTORS["orientation"] - 1
    angle = 2 * np.pi * (orientation % turns) / turns
    cos = np.float32(np.cos(angle))
    sin = np.float32(np.sin(angle))
    across = u * cos + v * sin
    down = v * cos - u * sin
    return across, down


def fill_polygon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fill a polygon at every pair of positions.

    Image k has the vertices x[k // ny], y[k % ny].

    Args:
        x: vertices to the right, int64 (nx, E), in 1/256 pixel, within the image.
        y: vertices downwards, int64 (ny, E), likewise.

    Returns:
        Bit-packed images, uint8 (nx * ny, 512).
    """
    crossings = _find_crossings(y)
    following = np.roll(x, -1, axis=1)
    left = x.T[crossings.edge]
    run = following.T[crossings.edge] - left
    rise = crossings.rise[:, None]
    height = crossings.height[:, None]
    # First column whose centre is not left of the crossing. Float64 divides integers of
    # this size so finely that the quotient is whole only where it is so exactly.
    numerator = (left - UNIT // 2) * rise + height * run
    quotient = numerator / (UNIT * rise)
    column = np.ceil(quotient).astype(np.int64)
    steps = np.diff(crossings.line, prepend=-1)
    first = np.flatnonzero(steps)
    images = np.zeros((len(x), len(y) * SIDE), dtype=">u8")
    if first.size:
        rows = np.bitwise_xor.reduceat(_ROWS_FROM[column], first, axis=0)
        images[:, crossings.line[first]] = rows.T
    packed = images.view(np.uint8)
    return packed.reshape(len(x) * len(y), SIDE * SIDE // 8)


class _Crossings(NamedTuple):
    """Edges of a polygon that cross the centres of pixels' rows, sorted by line."""

    line: np.ndarray
    """int64 (n,), position of the polygon * 64 + row."""
    edge: np.ndarray
    """int64 (n,)."""
    height: np.ndarray
    """int64 (n,), from the edge's first vertex down to the row's centre, 1/256 pixel.
    """
    rise: np.ndarray
    """int64 (n,), from the edge's first vertex down to its second, 1/256 pixel."""


def _find_crossings(y: np.ndarray) -> _Crossings:
    """Return where edges cross the centres of rows; y (ny, E) as in fill_polygon."""
    rise = np.roll(y, -1, axis=1) - y
    half = UNIT // 2
    # Rows that have top < c <= bottom at their centre c.
    top = np.minimum(y, y + rise)
    bottom = np.maximum(y, y + rise)
    start = (top + half) // UNIT
    end = (bottom + half) // UNIT
    count = (end - start).ravel()
    which = np.repeat(np.arange(y.size), count)
    before = np.cumsum(count) - count
    within = np.arange(which.size) - np.repeat(before, count)
    row = start.ravel()[which] + within
    position, edge = np.divmod(which, y.shape[1])
    line = position * SIDE + row
    centre = row * UNIT + half
    height = centre - y.ravel()[which]
    crossings = (
        line,
        edge,
        height,
        rise.ravel()[which],
    )
    order = np.argsort(line, kind="stable")
    return _Crossings(*(values[order] for values in crossings))


def _snap_vertices(levels: Sequence[int], offsets: np.ndarray) -> np.ndarray:
    """Return the vertices at levels of a position, int64 (levels, E), in 1/256 pixel.

    Args:
        levels: of posX or posY.
        offsets: vertices about the centre, float32 (E,), in pixels.
    """
    steps = np.asarray(levels, dtype=np.float32) / np.float32(31)
    centres = np.float32(16) + np.float32(32) * steps
    vertices = centres[:, None] + offsets
    scaled = np.float32(UNIT) * vertices
    return np.floor(scaled + np.float32(0.5)).astype(np.int64)
