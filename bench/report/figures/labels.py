"""Labels beside points: off markers, off each other, inside the axes, or left out."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

SIZE = 6.0  # of the type, points
MARKER = 2.6  # half a marker's extent, points
_PADDING = 0.8  # between a label and lines, points
# From a marker's centre to the label, points.
_DISTANCES = np.array([3.6, 6.5, 11.0, 16.0])
_LEADER = 10.0  # from this distance on, a thin line leads to the label
_ANGLES = np.deg2rad(
    [45, 135, 0, 180, 315, 225, 90, 270, 67, 113, 22, 158, 338, 202, 293, 247]
)

# The positions that are tried, each distance with each angle; the nearest cost least.
_TIER = np.repeat(np.arange(len(_DISTANCES)), len(_ANGLES))
_TURN = np.tile(np.arange(len(_ANGLES)), len(_DISTANCES))
_REACH = _DISTANCES[_TIER]
_DIRECTIONS = np.stack([np.cos(_ANGLES[_TURN]), np.sin(_ANGLES[_TURN])], axis=1)
# A leader along an axis would pass for an error bar.
_ALONG_AXIS = (np.abs(_DIRECTIONS) > 0.999).any(1) & (_REACH >= _LEADER)
_OWN_COST = 4 * _TIER + 0.05 * _TURN + 20 * _ALONG_AXIS


@dataclass(frozen=True)
class Mark:
    """A point in data coordinates, with the label that shall stand beside it."""

    x: float
    y: float
    label: str
    color: str


@dataclass
class _Scene:
    """What labels must keep off, in pixels.

    Boxes are rows of left, bottom, right and top.
    """

    frame: np.ndarray  # (4,)
    markers: np.ndarray  # (markers, 2), centres
    ink: np.ndarray  # (points, 2), along lines and error bars
    scale: float  # pixels per point
    taken: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))

    def compute_costs(
        self, boxes: np.ndarray, own: np.ndarray, leaders: np.ndarray
    ) -> np.ndarray:
        """Compute how bad each position of a label is.

        Args:
            boxes: of the label at each position, (positions, 4).
            own: centre of its marker, (2,).
            leaders: points of the line that leads there, (points, positions, 2).

        Returns:
            Costs, (positions,); infinite where the label would hide something or be
            cut.
        """
        low, high = boxes[:, :2], boxes[:, 2:]
        outside = (low < self.frame[:2]).any(1) | (high > self.frame[2:]).any(1)
        grown = _grow_boxes(boxes, MARKER * self.scale)
        on_marker = _find_inside(self.markers, grown).any(1)
        left_of_end = low[:, None] < self.taken[:, 2:]
        right_of_start = self.taken[:, :2] < high[:, None]
        on_label = (left_of_end & right_of_start).all(2).any(1)
        crossed = _find_inside(leaders.reshape(-1, 2), self.taken).any(0)
        crossing = crossed.reshape(leaders.shape[:2]).any(0) & (_REACH >= _LEADER)

        padded = _grow_boxes(boxes, _PADDING * self.scale)
        covered = _find_inside(self.ink, padded).sum(1)
        centres = (low + high) / 2
        nearest = np.linalg.norm(centres[:, None] - self.markers, axis=2).min(1)
        stray = np.linalg.norm(centres - own, axis=1) - nearest
        cost = covered + stray / (MARKER * self.scale) + _OWN_COST
        return np.where(outside | on_marker | on_label | crossing, np.inf, cost)

    def take_position(
        self, centre: np.ndarray, size: np.ndarray
    ) -> tuple[np.ndarray, bool] | None:
        """Take the best position for a label, so that later ones keep off it.

        Args:
            centre: of its marker, (2,).
            size: width and height of the label.

        Returns:
            The label's offset from its marker in points, and whether a line leads to
            it; None if there is no room.
        """
        offsets = _DIRECTIONS * (_REACH[:, None] * self.scale + size / 2)
        boxes = np.hstack([centre + offsets - size / 2, centre + offsets + size / 2])
        leaders = centre + np.linspace(0.2, 0.8, 12)[:, None, None] * offsets
        costs = self.compute_costs(boxes, centre, leaders)
        best = int(costs.argmin())
        if np.isinf(costs[best]):
            return None
        leads = bool(_REACH[best] >= _LEADER)
        self.taken = np.vstack([self.taken, boxes[best]])
        if leads:
            self.ink = np.vstack([self.ink, leaders[:, best]])
        return offsets[best] / self.scale, leads


def place_labels(axes: Axes, marks: list[Mark], lines: list[np.ndarray]) -> list[Mark]:
    """Write the labels of ``marks`` beside them, and leave out those without room.

    Call it when the axes have their final position and limits.

    Args:
        axes: to write into.
        marks: all markers of the axes, the most important first.
        lines: drawn lines in data coordinates, each (points, 2); labels prefer to be
            off them.

    Returns:
        The marks that got their label.
    """
    if not marks:
        return []
    scale = axes.figure.dpi / 72
    centres = axes.transData.transform([(mark.x, mark.y) for mark in marks])
    traced = [_trace_line(axes.transData.transform(line), scale) for line in lines]
    ink = np.concatenate([np.empty((0, 2)), *traced])
    scene = _Scene(np.array(axes.bbox.extents), centres, ink, scale)
    sizes = {}  # in pixels
    for label in {mark.label for mark in marks}:
        written = axes.text(0, 0, label, fontsize=SIZE)
        box = written.get_window_extent()
        written.remove()
        sizes[label] = np.array([box.width, box.height])
    labelled = []
    for mark, centre in zip(marks, centres, strict=True):
        position = scene.take_position(centre, sizes[mark.label])
        if position is not None:
            _write_label(axes, mark, *position)
            labelled.append(mark)
    return labelled


def _write_label(axes: Axes, mark: Mark, offset: np.ndarray, leads: bool) -> None:
    leader = {
        "arrowstyle": "-",
        "color": mark.color,
        "linewidth": 0.4,
        "shrinkA": 0.5,
        "shrinkB": MARKER,
    }
    axes.annotate(
        mark.label,
        (mark.x, mark.y),
        xytext=tuple(offset),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=SIZE,
        color=mark.color,
        zorder=5,
        bbox={"facecolor": (1, 1, 1, 0.75), "edgecolor": "none", "pad": 0},
        arrowprops=leader if leads else None,
    )


def _trace_line(line: np.ndarray, step: float) -> np.ndarray:
    """Return points about ``step`` apart along a line."""
    pieces = [np.empty((0, 2))]
    for start, end in pairwise(line):
        count = int(np.linalg.norm(end - start) / step) + 2
        pieces.append(np.linspace(start, end, count))
    return np.concatenate(pieces)


def _grow_boxes(boxes: np.ndarray, by: float) -> np.ndarray:
    return boxes + by * np.array([-1, -1, 1, 1])


def _find_inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which points (p, 2) are in which boxes (b, 4): (b, p)."""
    x, y = points.T
    left, bottom, right, top = boxes.T[..., None]
    return (x > left) & (x < right) & (y > bottom) & (y < top)
