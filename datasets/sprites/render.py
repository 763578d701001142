r"""The images of dSprites, drawn from their factors in integers.

A shape is a polygon whose vertices are rounded to 1/256 pixel. A pixel is on when its centre
is inside: when an odd number of edges cross its row at or to the left of the centre. Hence a
centre on a left edge is in and on a right edge out; rows are cut so that a centre on a bottom
edge is in and on a top edge out.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

SIDE = 64
SHAPES = ("square", "ellipse", "heart")
FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "posX": 32, "posY": 32}
RADIUS = 0.15 * SIDE
UNIT = 256
"""Subdivisions of a pixel that vertices are rounded to."""

# _FROM[c] is a row of 64 pixels, leftmost in the most significant bit, on from column c.
_FROM = np.array([(1 << (SIDE - c)) - 1 for c in range(SIDE + 1)], dtype=np.uint64)


def render_grid(levels: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
    """Images of the grid of ``levels``, one block for each shape, scale and orientation.

    Args:
        levels: the levels of each of :data:`FACTORS`, in their order.

    Yields:
        Bit-packed images, uint8 (posX levels * posY levels, 512), posY fastest.

    Example:
        >>> block, = render_grid([[0], [5], [0], [0], [0, 31]])
        >>> block.shape, int(np.unpackbits(block[0]).sum())
        ((2, 512), 400)
    """
    *pose, x, y = levels
    for shape, scale, orientation in product(*pose):
        across, down = place_outline(shape, scale, orientation)
        yield fill_polygon(
            _snap_vertices(_place_centres(x), across),
            _snap_vertices(_place_centres(y), down),
        )


def trace_outline(shape: int) -> np.ndarray:
    """Vertices of a shape about its centre at scale 1, float64 (E, 2): across, down, in pixels."""
    if SHAPES[shape] == "square":
        return RADIUS * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    if SHAPES[shape] == "ellipse":
        t = 2 * np.pi * np.arange(100) / 100
        return RADIUS * np.stack([1.33 * np.cos(t), np.sin(t) / 1.33], axis=1)
    t = 2 * np.pi * np.arange(150) / 150
    height = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return RADIUS * np.stack([np.sin(t) ** 3, -(height / 14.5 + 0.15)], axis=1)


def place_outline(
    shape: int, scale: int, orientation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices scaled and rotated about the centre: float32 (E,) across and (E,) down, in pixels.

    The sums are in float32, as in the original, which decides a few roundings. Sines and cosines
    are rounded from float64, for float32 ones differ between processors.
    """
    size = np.linspace(0.5, 1.0, FACTORS["scale"])[scale]
    u, v = (size * trace_outline(shape)).astype(np.float32).T
    # The last orientation is a full turn; the remainder makes it repeat the first exactly.
    turns = FACTORS["orientation"] - 1
    angle = 2 * np.pi * (orientation % turns) / turns
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return u * cos + v * sin, v * cos - u * sin


def fill_polygon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fill a polygon at every pair of places: the k-th image is at x[k // ny], y[k % ny].

    Args:
        x: vertices to the right, int64 (nx, E), in 1/256 pixel, within the image.
        y: vertices downwards, int64 (ny, E), likewise.

    Returns:
        Bit-packed images, uint8 (nx * ny, 512).
    """
    line, edge, height, rise = _find_crossings(y)
    left = x.T[edge]
    run = np.roll(x, -1, axis=1).T[edge] - left
    # First column whose centre is not left of the crossing. Float64 divides integers of this
    # size so finely that the quotient is whole only where it is so exactly.
    numerator = (left - UNIT // 2) * rise[:, None] + height[:, None] * run
    column = np.ceil(numerator / (UNIT * rise[:, None])).astype(np.int64)
    first = np.flatnonzero(np.diff(line, prepend=-1))
    images = np.zeros((len(x), len(y) * SIDE), dtype=">u8")
    if first.size:
        images[:, line[first]] = np.bitwise_xor.reduceat(_FROM[column], first, axis=0).T
    return images.view(np.uint8).reshape(len(x) * len(y), SIDE * SIDE // 8)


def _find_crossings(
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where edges cross the rows' centres, sorted by line.

    Returns:
        int64 (n,) each: the line (place * 64 + row), the edge, the height of the row's centre
        above the edge's first vertex, and the edge's rise, both downwards in 1/256 pixel.
    """
    rise = np.roll(y, -1, axis=1) - y
    half = UNIT // 2
    # Rows whose centre c has top < c <= bottom.
    start = (np.minimum(y, y + rise) + half) // UNIT
    count = (np.maximum(y, y + rise) + half) // UNIT - start
    which = np.repeat(np.arange(y.size), count.ravel())
    within = np.arange(which.size) - np.repeat(
        np.cumsum(count) - count.ravel(), count.ravel()
    )
    row = start.ravel()[which] + within
    place, edge = np.divmod(which, y.shape[1])
    order = np.argsort(place * SIDE + row, kind="stable")
    height = row * UNIT + half - y.ravel()[which]
    line = place * SIDE + row
    return line[order], edge[order], height[order], rise.ravel()[which][order]


def _place_centres(levels: Sequence[int]) -> np.ndarray:
    steps = np.asarray(levels, dtype=np.float32)
    return np.float32(16) + np.float32(32) * (steps / np.float32(31))


def _snap_vertices(centres: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    places = centres[:, None] + offsets
    return np.floor(np.float32(UNIT) * places + np.float32(0.5)).astype(np.int64)
