"""A sheet of faces to look at: ``python -m datasets.faces.sheet procedural out.png``."""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from datasets.faces3d import FACTORS, Faces3D

COLUMNS = 11


def sheet(model: str, seed: int, path: Path) -> None:
    """Draw one row for each factor, the others fixed near the middle, as a PNG.

    Args:
        model: as for :class:`~datasets.faces3d.Faces3D`.
        seed: of the identities.
        path: of the file.
    """
    middle = {"identity": 0, "azimuth": 13, "elevation": 5, "lighting": 3}
    figure = Figure(figsize=(COLUMNS * 0.72 + 0.9, len(FACTORS) * 0.78), dpi=110)
    axes = figure.subplots(len(FACTORS), COLUMNS, squeeze=False)
    figure.subplots_adjust(left=0.085, right=1, bottom=0, top=0.95, wspace=0.03, hspace=0.14)
    for row, (name, size) in zip(axes, FACTORS.items(), strict=True):
        kept = [number * (size - 1) // (COLUMNS - 1) for number in range(COLUMNS)]
        fixed = {other: [level] for other, level in middle.items()}
        images = Faces3D(model, seed, {**fixed, name: kept}).images(range(COLUMNS))[:, 0]
        for axis, image, level in zip(row, images, kept, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(str(level), fontsize=6, pad=1.5)
            axis.axis("off")
        row[0].text(-8, 32, name, ha="right", va="center", fontsize=7)
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    sheet(sys.argv[1], 0, Path(sys.argv[2]))
