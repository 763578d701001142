"""3D Shapes: an object in a room, every combination of six factors."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np

from priorbench.datasets.about import About, Original, describe_sizes
from priorbench.datasets.base import register
from priorbench.datasets.factor_grid import check_grid_order
from priorbench.datasets.files.verify import explain_read_errors
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

    The ten hues go all the way round, from 0 to 0.9 of a turn: they are cyclic. The
    original is read with h5py: ``pip install h5py``.

    References: Kim and Mnih 2018, Disentangling by factorising; Burgess and Kim 2018.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, an original that is not what it should
            be, or h5py is missing.
        OSError: the original is not here and cannot be downloaded.
    """

    about = About(
        "an object in a room",
        "Apache-2.0",
        "https://github.com/deepmind/3d-shapes",
        describe_sizes(SIZES),
        prod(SIZES.values()),
        (3, SIDE, SIDE),
        originals=(ORIGINAL,),
    )

    def __init__(
        self,
        factors: Mapping[str, Sequence[int]] | None = None,
        progress: bool = True,
    ) -> None:
        hues = ("floor_hue", "wall_hue", "object_hue")
        super().__init__(
            "shapes3d", SIZES, factors, cyclic_factors=hues, progress=progress
        )

    def find_originals(self, progress: bool) -> dict[str, Path]:
        """Return the path of the original, which is of no use without h5py."""
        if find_spec("h5py") is None:
            raise ValueError(
                "3D Shapes comes as an HDF5 file, for which h5py is needed; "
                "run: pip install h5py"
            )
        return super().find_originals(progress)

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Yield the images of one room and colour of the object at a time."""
        import h5py  # optional

        path = paths[ORIGINAL.name]
        count = prod(SIZES.values())
        expected = {"images": (count, SIDE, SIDE, 3), "labels": (count, len(SIZES))}
        with (
            explain_read_errors(path, "the HDF5 file of 3D Shapes"),
            h5py.File(path, "r") as file,
        ):
            for key, shape in expected.items():
                came = file[key].shape if key in file else None
                if came != shape:
                    raise ValueError(f"expected {key!r} of shape {shape}, got {came}")
            images = file["images"]
            if images.dtype != np.uint8:
                raise ValueError(f"expected 'images' uint8, got {images.dtype}")
            # A level is the rank of a label's value.
            ranked = [
                np.unique(column, return_inverse=True)[1]
                for column in file["labels"][:].T
            ]
            check_grid_order("labels", np.stack(ranked, axis=1), SIZES.values())
            step = SIZES["scale"] * SIZES["shape"] * SIZES["orientation"]
            for start in range(0, count, step):
                chunk = images[start : start + step]
                yield chunk.transpose(0, 3, 1, 2).reshape(len(chunk), -1)
