"""Contact sheets: what a dataset looks like, on one page."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset

COLUMNS = 12
ROWS = 8
_INCHES = 0.8


def draw_sheet(dataset: FactorDataset | ImageDataset, path: str | Path) -> None:
    """Draw a contact sheet of ``dataset`` into the file ``path``.

    With factors: a row for each factor, which goes over its levels (12 of them, evenly spaced,
    where there are more) while the others stay in the middle. Without: rows of images, evenly
    spaced over each split.

    Raises:
        ValueError: the ending of ``path`` is not that of a picture.
        OSError: the file cannot be written.
    """
    path = Path(path)
    endings = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in endings:
        raise ValueError(f"'sheet' must be a file such as sheet.png; got {str(path)!r}")
    rows = (
        _list_traversals(dataset)
        if isinstance(dataset, FactorDataset)
        else _list_samples(dataset)
    )
    with matplotlib.rc_context({"font.size": 8}):
        figure = _make_figure(rows, repr(dataset).strip("<>"))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def spread_levels(size: int, count: int) -> list[int]:
    """At most ``count`` of ``size`` levels, evenly spaced, both ends among them.

    Example:
        >>> spread_levels(3, 12), spread_levels(9, 3)
        ([0, 1, 2], [0, 4, 8])
    """
    return np.unique(
        np.rint(np.linspace(0, size - 1, min(size, count))).astype(int)
    ).tolist()


def _list_traversals(dataset: FactorDataset) -> list[tuple[str, list[str], Tensor]]:
    """Label, level names and images of each factor's row."""
    sizes = dataset.factor_sizes
    table = None if dataset.factor_table is None else dataset.factors().numpy()
    rows = []
    for number, (name, size) in enumerate(
        zip(dataset.factor_names, sizes, strict=True)
    ):
        levels = spread_levels(size, COLUMNS)
        wanted = np.tile([other // 2 for other in sizes], (len(levels), 1))
        wanted[:, number] = levels
        if table is None:
            indices = np.ravel_multi_index(wanted.T, sizes)
        else:
            indices, levels = _find_nearest(table, wanted, number)
        images = dataset.images(indices)
        rows.append((f"{name}\n({size})", [str(level) for level in levels], images))
    return rows


def _find_nearest(
    table: np.ndarray, wanted: np.ndarray, number: int
) -> tuple[np.ndarray, list[int]]:
    """Rows of ``table`` of the wanted level of factor ``number``, the others as near as there is.

    A grid with holes is drawn too: a level without any image is left out.
    """
    found, levels = [], []
    for row in wanted:
        at_level = np.flatnonzero(table[:, number] == row[number])
        if at_level.size:
            distance = np.abs(table[at_level] - row).sum(axis=1)
            found.append(int(at_level[distance.argmin()]))
            levels.append(int(row[number]))
    return np.array(found), levels


def _list_samples(dataset: ImageDataset) -> list[tuple[str, list[str], Tensor]]:
    """Label, numbers and images of each row; as many rows for each split as fit."""
    each = max(1, ROWS // len(dataset.lengths))
    rows = []
    for name, length in dataset.lengths.items():
        indices = spread_levels(length, COLUMNS * each)
        for start in range(0, len(indices), COLUMNS):
            chosen = indices[start : start + COLUMNS]
            rows.append(
                (name, [str(i) for i in chosen], dataset.split(name).images(chosen))
            )
    return rows


def _make_figure(rows: list[tuple[str, list[str], Tensor]], title: str) -> Figure:
    columns = max(len(labels) for _, labels, _ in rows)
    size = (_INCHES * (columns + 1.5), 1.2 * _INCHES * len(rows) + 0.6)
    figure = Figure(size, layout="constrained")
    figure.suptitle(title, fontsize=9)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, (name, labels, images) in zip(axes, rows, strict=True):
        for axis, label, image in zip(line, labels, images, strict=False):
            axis.set_axis_on()
            axis.set(xticks=[], yticks=[])
            axis.set_title(label, fontsize=6, pad=2)
            shown = image.permute(1, 2, 0).numpy()
            axis.imshow(
                shown.repeat(3, axis=2) if shown.shape[2] == 1 else shown,
                vmin=0,
                vmax=1,
            )
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure
