"""Contact sheets: what a dataset looks like, on one page."""

from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset

COLUMNS = 12
ROWS = 8
_INCHES = 0.8


class SheetRow(NamedTuple):
    """A row of images on a sheet."""

    label: str
    titles: list[str]
    """One for each image."""
    images: Tensor
    """float32 (n, channels, height, width)."""


def draw_sheet(dataset: FactorDataset | ImageDataset, path: str | Path) -> None:
    """Draw a contact sheet of ``dataset`` into the file ``path``.

    With factors: a row for each factor, which goes over its levels (12 of them, evenly
    spaced, where there are more) while the others stay in the middle. Without: rows of
    images, evenly spaced over each split.

    Raises:
        ValueError: the ending of ``path`` is not that of a picture.
        OSError: the file cannot be written.
    """
    path = Path(path)
    endings = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in endings:
        raise ValueError(f"'sheet' must be a file such as sheet.png; got {str(path)!r}")
    if isinstance(dataset, FactorDataset):
        rows = list_traversals(dataset)
    else:
        rows = list_samples(dataset)
    columns = max(len(row.titles) for row in rows)
    width = _INCHES * (columns + 1.5)
    height = 1.2 * _INCHES * len(rows) + 0.6
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure((width, height), layout="constrained")
        figure.suptitle(repr(dataset).strip("<>"), fontsize=9)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for axes, row in zip(grid, rows, strict=True):
            for ax in axes[len(row.titles) :]:
                ax.set_axis_off()
            for ax, title, image in zip(axes, row.titles, row.images, strict=False):
                pixels = image.permute(1, 2, 0).numpy()
                if pixels.shape[2] == 1:
                    pixels = pixels.repeat(3, axis=2)
                ax.set(xticks=[], yticks=[])
                ax.set_title(title, fontsize=6, pad=2)
                ax.imshow(pixels, vmin=0, vmax=1)
            axes[0].set_ylabel(row.label, rotation=0, ha="right", va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def list_traversals(dataset: FactorDataset) -> list[SheetRow]:
    """Return a row for each factor: its levels, the other factors in the middle.

    Of a grid with holes, the nearest images are taken; a level without any image is
    left out.
    """
    sizes = dataset.factor_sizes
    middle = [size // 2 for size in sizes]
    table = None if dataset.factor_table is None else dataset.factors().numpy()
    rows = []
    for number, name in enumerate(dataset.factor_names):
        levels = spread_levels(sizes[number], COLUMNS)
        wanted = np.tile(middle, (len(levels), 1))
        wanted[:, number] = levels
        if table is None:
            indices = np.ravel_multi_index(wanted.T, sizes)
        else:
            indices = _find_nearest(table, wanted, number)
            levels = table[indices, number].tolist()
        titles = [str(level) for level in levels]
        label = f"{name}\n({sizes[number]})"
        rows.append(SheetRow(label, titles, dataset.images(indices)))
    return rows


def list_samples(dataset: ImageDataset) -> list[SheetRow]:
    """Return rows of images, as many for each split as fit on a sheet."""
    rows_each = max(1, ROWS // len(dataset.lengths))
    rows = []
    for name, length in dataset.lengths.items():
        indices = spread_levels(length, COLUMNS * rows_each)
        for start in range(0, len(indices), COLUMNS):
            chosen = indices[start : start + COLUMNS]
            titles = [str(index) for index in chosen]
            rows.append(SheetRow(name, titles, dataset.split(name).images(chosen)))
    return rows


def spread_levels(size: int, count: int) -> list[int]:
    """Return at most ``count`` of ``size`` levels, evenly spaced, with both ends.

    Example:
        >>> spread_levels(3, 12), spread_levels(9, 3)
        ([0, 1, 2], [0, 4, 8])
    """
    levels = np.linspace(0, size - 1, min(size, count))
    return np.unique(np.rint(levels).astype(int)).tolist()


def _find_nearest(table: np.ndarray, wanted: np.ndarray, number: int) -> np.ndarray:
    """Return the rows of a table that are nearest to wanted combinations of levels.

    Args:
        table: levels of the factors of each image, (N, F).
        wanted: combinations of levels, (n, F).
        number: of the factor that must have the wanted level; where no image has it,
            the combination is left out.
    """
    found = []
    for levels in wanted:
        candidates = np.flatnonzero(table[:, number] == levels[number])
        if candidates.size:
            distances = np.abs(table[candidates] - levels).sum(axis=1)
            found.append(candidates[distances.argmin()])
    return np.array(found)
