"""Labels beside points: off the markers, off each other, inside the axes, or left out."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

SIZE = 6.0  # of the type, points
MARKER = 2.6  # half a marker's extent, points
_PADDING = 0.8  # between a label and lines, points
_DISTANCES = np.array(
    [3.6, 6.5, 11.0, 16.0]
)  # from the marker's centre to the label, points
_LEADER = 10.0  # from this distance on, a thin line leads there
_ANGLES = np.deg2rad(
    [45, 135, 0, 180, 315, 225, 90, 270, 67, 113, 22, 158, 338, 202, 293, 247]
)


@dataclass(frozen=True)
class Mark:
    """A point in data coordinates, with the text that shall stand beside it."""

    x: float
    y: float
    text: str
    color: str


def _list_candidates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit directions, distances in points, and how little each place is liked."""
    tier, turn = np.divmod(np.arange(len(_DISTANCES) * len(_ANGLES)), len(_ANGLES))
    ways = np.stack([np.cos(_ANGLES[turn]), np.sin(_ANGLES[turn])], 1)
    # A leader along an axis would pass for an error bar.
    along = (np.abs(ways) > 0.999).any(1) & (_DISTANCES[tier] >= _LEADER)
    return ways, _DISTANCES[tier], 4 * tier + 0.05 * turn + 20 * along


_WAYS, _REACH, _DISLIKE = _list_candidates()


@dataclass
class _Scene:
    """What labels must keep off, in pixels; boxes are rows of left, bottom, right, top."""

    frame: np.ndarray  # (4,)
    markers: np.ndarray  # (markers, 2), centres
    ink: np.ndarray  # (points, 2), along lines and error bars
    scale: float  # pixels per point
    taken: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))

    def costs(
        self, boxes: np.ndarray, own: np.ndarray, leaders: np.ndarray
    ) -> np.ndarray:
        """How bad each place is; infinite where the label would hide something or be cut off."""
        frame = self.frame
        outside = (boxes[:, :2] < frame[:2]).any(1) | (boxes[:, 2:] > frame[2:]).any(1)
        on_marker = _find_inside(
            self.markers, _grow_boxes(boxes, MARKER * self.scale)
        ).any(1)
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        on_label = (
            ((low < self.taken[:, 2:]) & (self.taken[:, :2] < high)).all(2).any(1)
        )
        crossed = _find_inside(leaders.reshape(-1, 2), self.taken).any(0)
        crossing = crossed.reshape(leaders.shape[:2]).any(1) & (_REACH >= _LEADER)
        covered = _find_inside(self.ink, _grow_boxes(boxes, _PADDING * self.scale)).sum(
            1
        )
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        away = np.linalg.norm(centres[:, None] - self.markers, axis=2).min(1)
        stray = (np.linalg.norm(centres - own, axis=1) - away) / (MARKER * self.scale)
        cost = covered + stray + _DISLIKE
        return np.where(outside | on_marker | on_label | crossing, np.inf, cost)


def place_labels(axes: Axes, marks: list[Mark], lines: list[np.ndarray]) -> list[Mark]:
    """Write the text of ``marks`` beside them, earlier ones first; where is no room, leave out.

    Call it when the axes have their final place and limits.

    Args:
        axes: to write into.
        marks: all markers of the axes, the most important first.
        lines: drawn lines in data coordinates, each (points, 2); labels prefer to be off them.

    Returns:
        The marks that got their label.
    """
    if not marks:
        return []
    scale = axes.figure.dpi / 72
    centres = axes.transData.transform([(m.x, m.y) for m in marks])
    traced = [_trace_line(axes.transData.transform(line), scale) for line in lines]
    ink = np.concatenate([np.empty((0, 2)), *traced])
    scene = _Scene(np.array(axes.bbox.extents), centres, ink, scale)
    sizes = {text: _measure_text(axes, text) for text in {m.text for m in marks}}
    done = []
    for mark, centre in zip(marks, centres, strict=True):
        place = _find_place(scene, centre, sizes[mark.text])
        if place is not None:
            _write_label(axes, mark, *place)
            done.append(mark)
    return done


def _find_place(
    scene: _Scene, centre: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, bool] | None:
    """The best offset of a label from its marker in points, and whether a line leads to it."""
    offsets = _WAYS * (_REACH[:, None] * scene.scale + size / 2)
    boxes = np.hstack([centre + offsets - size / 2, centre + offsets + size / 2])
    leaders = centre + np.linspace(0.2, 0.8, 12)[:, None] * offsets[:, None]
    costs = scene.costs(boxes, centre, leaders)
    best = int(costs.argmin())
    if np.isinf(costs[best]):
        return None
    leads = bool(_REACH[best] >= _LEADER)
    scene.taken = np.vstack([scene.taken, boxes[best]])
    if leads:
        scene.ink = np.vstack([scene.ink, leaders[best]])
    return offsets[best] / scene.scale, leads


def _write_label(axes: Axes, mark: Mark, offset: np.ndarray, leads: bool) -> None:
    line = {
        "arrowstyle": "-",
        "color": mark.color,
        "linewidth": 0.4,
        "shrinkA": 0.5,
        "shrinkB": MARKER,
    }
    axes.annotate(
        mark.text,
        (mark.x, mark.y),
        xytext=tuple(offset),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=SIZE,
        color=mark.color,
        zorder=5,
        bbox={"facecolor": (1, 1, 1, 0.75), "edgecolor": "none", "pad": 0},
        arrowprops=line if leads else None,
    )


def _measure_text(axes: Axes, text: str) -> np.ndarray:
    """Width and height of ``text`` in pixels."""
    written = axes.text(0, 0, text, fontsize=SIZE)
    box = written.get_window_extent()
    written.remove()
    return np.array([box.width, box.height])


def _trace_line(line: np.ndarray, step: float) -> np.ndarray:
    """Points about ``step`` apart along a line."""
    pieces = [
        np.linspace(a, b, int(np.linalg.norm(b - a) / step) + 2)
        for a, b in pairwise(line)
    ]
    return np.concatenate([np.empty((0, 2)), *pieces])


def _grow_boxes(boxes: np.ndarray, by: float) -> np.ndarray:
    return boxes + by * np.array([-1, -1, 1, 1])


def _find_inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which points (p, 2) are in which boxes (b, 4): (b, p)."""
    x, y = points.T
    left, bottom, right, top = boxes.T[..., None]
    return (x > left) & (x < right) & (y > bottom) & (y < top)
