"""3D Shapes: an object in a room, every combination of six factors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.stored_grid import StoredGrid

SIZES = {
    "floor_hue": 10,
    "wall_hue": 10,
    "object_hue": 10,
    "scale": 8,
    "shape": 4,
    "orientation": 15,
}
SIDE = 64
ORIGINAL = Original(
    "3dshapes.h5",
    ("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
    "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
)


@register("shapes3d")
class Shapes3D(StoredGrid):
    """Renders of an object in a room: 480,000, colour, 64 × 64; 5.9 GB when converted.

    The original is read with h5py: ``pip install h5py``.

    References: Kim and Mnih 2018, Disentangling by factorising; Burgess and Kim 2018.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, an original that is not what it should be, or
            h5py is missing.
        OSError: the original is not here and cannot be downloaded.
    """

    about = About(
        "an object in a room",
        "Apache-2.0",
        "https://github.com/deepmind/3d-shapes",
        ", ".join(f"{name} {size}" for name, size in SIZES.items()),
        prod(SIZES.values()),
        (3, SIDE, SIDE),
        originals=(ORIGINAL,),
    )

    def __init__(
        self, factors: Mapping[str, Sequence[int]] | None = None, progress: bool = True
    ) -> None:
        super().__init__(
            "shapes3d",
            SIZES,
            factors,
            "shapes3d-v1",
            lambda: _read_blocks(progress),
            prod(SIZES.values()) // _block_size(),
            progress,
        )


def _block_size() -> int:
    return SIZES["scale"] * SIZES["shape"] * SIZES["orientation"]


def _read_blocks(progress: bool) -> Iterable[np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(
            "3D Shapes comes as an HDF5 file, for which h5py is needed; "
            "run: pip install h5py"
        ) from error
    return _read_file(h5py, originals.obtain_original("shapes3d", ORIGINAL, progress))


def _read_file(h5py: Any, path: Path) -> Iterator[np.ndarray]:
    """Blocks of images, each of one room and colour of the object."""
    count = prod(SIZES.values())
    with (
        originals.explain_read_errors(path, "the HDF5 file of 3D Shapes"),
        h5py.File(path, "r") as file,
    ):
        for key, shape in (
            ("images", (count, SIDE, SIDE, 3)),
            ("labels", (count, len(SIZES))),
        ):
            if key not in file or file[key].shape != shape:
                came = file[key].shape if key in file else None
                raise ValueError(f"expected {key!r} of shape {shape}, got {came}")
        if file["images"].dtype != np.uint8:
            raise ValueError(f"expected 'images' uint8, got {file['images'].dtype}")
        _check_order(file["labels"][:])
        for start in range(0, count, _block_size()):
            images = file["images"][start : start + _block_size()]
            yield images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def _check_order(labels: np.ndarray) -> None:
    """Check that the labels' values, ranked, are the levels of the grid in its order."""
    found = np.stack(
        [np.unique(column, return_inverse=True)[1] for column in labels.T], axis=1
    )
    expected = np.stack(
        np.unravel_index(np.arange(len(labels)), tuple(SIZES.values())), axis=1
    )
    wrong = np.flatnonzero((found != expected).any(axis=1))
    if wrong.size:
        raise ValueError(
            f"expected 'labels' of the levels {expected[wrong[0]].tolist()} in row "
            f"{wrong[0]}, got {found[wrong[0]].tolist()}"
        )
