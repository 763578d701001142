"""Cars3D: 183 car models from 24 directions at 4 heights."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from priorbench.datasets.about import About, Original, describe_sizes
from priorbench.datasets.base import register
from priorbench.datasets.files.archive import read_members
from priorbench.datasets.files.convert import resize_image, split_rows
from priorbench.datasets.files.matlab import read_matrices
from priorbench.datasets.files.originals import find_original
from priorbench.datasets.files.verify import (
    check_file_kind,
    explain_read_errors,
    verify_images,
)
from priorbench.datasets.stored_grid import StoredGrid

SIZES = {"elevation": 4, "azimuth": 24, "car": 183}
SIDE = 64
FULL_SHAPE = (128, 128, 3, 24, 4)
"""Shape of the matrix ``im`` of a car: row, column, colour, azimuth, elevation."""
ARCHIVE = Original(
    "nips2015-analogy-data.tar.gz",
    (
        "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
        "http://www-personal.umich.edu/~reedscot/files/nips2015-analogy-data.tar.gz",
    ),
    "md5:4e866a7919c1beedf53964e6f7a23686",
)
RESIZED_FILE = "cars3d_64.npz"
RESIZED_CHECKSUM = "eef233c6399cd9e4af9613f4899fc1c08258820cf5dcb0ceb5648c77fde3c353"
"""SHA-256 of the images (car, azimuth, elevation, row, column, colour) at 64 × 64."""


@register("cars3d")
class Cars3D(StoredGrid):
    """Renders of 183 cars: 4 elevations × 24 azimuths × 183 cars, colour, 64 × 64.

    The elevations are 0, 6, 12 and 18 degrees, the azimuths 0 to 345 in steps of 15.
    The originals, 128 × 128, are resized by a Lanczos filter, as Locatello et al. do.
    Originals: the archive, or the ``.mat`` files of its folder ``data/cars``, or
    ``cars3d_64.npz``, which holds the resized images as ``imgs``, uint8
    (car, azimuth, elevation, 64, 64, 3).

    References: Reed et al. 2015, Deep visual analogy-making; Locatello et al. 2019.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, or an original that is not what it
            should be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "renders of cars",
        "none stated",
        "http://www.scottreed.info",
        describe_sizes(SIZES),
        prod(SIZES.values()),
        (3, SIDE, SIDE),
        originals=(ARCHIVE,),
    )

    def __init__(
        self,
        factors: Mapping[str, Sequence[int]] | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__(
            "cars3d", SIZES, factors, cyclic_factors=("azimuth",), progress=progress
        )

    def find_originals(self, progress: bool) -> dict[str, Path]:
        """Return whichever originals are here; the archive, downloaded, if none are."""
        resized = find_original("cars3d", RESIZED_FILE)
        if resized is not None:
            check_file_kind(resized)
            return {RESIZED_FILE: resized}
        names = sorted(load_checksums())
        single = find_original("cars3d", names[0])
        if single is None or find_original("cars3d", ARCHIVE.name) is not None:
            return super().find_originals(progress)
        paths = {name: single.parent / name for name in names}
        for name, path in paths.items():
            if not path.is_file():
                raise ValueError(
                    f"expected all {SIZES['car']} files of cars in the folder "
                    f"{str(path.parent)!r}, got no {name!r}"
                )
        return paths

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Yield the images in the order of the grid, an elevation at a time."""
        if RESIZED_FILE in paths:
            cars = _read_resized(paths[RESIZED_FILE])
        elif ARCHIVE.name in paths:
            members = read_members(paths[ARCHIVE.name], "_mesh.mat")
            named = ((PurePosixPath(name).name, content) for name, content in members)
            cars = _read_cars(named, paths[ARCHIVE.name])
        else:
            named = ((name, path.read_bytes()) for name, path in paths.items())
            cars = _read_cars(named, next(iter(paths.values())).parent)
        grid = np.empty((*SIZES.values(), 3, SIDE, SIDE), dtype=np.uint8)
        for car, images in cars:
            grid[:, :, car] = images.transpose(1, 0, 4, 2, 3)
        rows = grid.reshape(prod(SIZES.values()), -1)
        yield from split_rows(rows, len(rows) // SIZES["elevation"])


def load_checksums() -> dict[str, str]:
    """Return the SHA-256 of each ``.mat`` file, by its name."""
    file = files("priorbench.datasets").joinpath("checksums/cars3d.txt")
    pairs = (line.split() for line in file.read_text().splitlines())
    return {name: digest for digest, name in pairs if name.endswith(".mat")}


def reduce_views(images: np.ndarray) -> np.ndarray:
    """Resize the views of a car, the matrix ``im`` (128, 128, 3, 24, 4).

    Returns:
        uint8 (azimuth 24, elevation 4, 64, 64, 3).
    """
    views = images.transpose(3, 4, 0, 1, 2).reshape(-1, *images.shape[:3])
    small = [
        resize_image(np.ascontiguousarray(view), SIDE, Image.Resampling.LANCZOS)
        for view in views
    ]
    return np.stack(small).reshape(*images.shape[3:], SIDE, SIDE, 3)


def _read_cars(
    cars: Iterable[tuple[str, bytes]],
    source: Path,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the level and the images of each car, all of them verified.

    Args:
        cars: names and contents of the ``.mat`` files.
        source: the archive or folder that they are from.
    """
    expected = load_checksums()
    levels = {name: level for level, name in enumerate(sorted(expected))}
    for name, content in cars:
        if name not in expected:
            raise ValueError(
                f"expected only the known cars in {str(source)!r}, got {name!r}"
            )
        came = hashlib.sha256(content).hexdigest()
        if came != expected.pop(name):
            raise ValueError(
                f"{name!r} in {str(source)!r} is not the official one: its sha256 is "
                f"{came}; replace it"
            )
        matrix = read_matrices(name, {"im": FULL_SHAPE}, content)["im"]
        yield levels[name], reduce_views(matrix)
    if expected:
        raise ValueError(
            f"expected all {SIZES['car']} cars in {str(source)!r}, got no "
            f"{min(expected)!r}; replace it"
        )


def _read_resized(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the level and the images of each car, all of them verified."""
    shape = (SIZES["car"], SIZES["azimuth"], SIZES["elevation"], SIDE, SIDE, 3)
    with (
        explain_read_errors(path, "an .npz file of Cars3D"),
        np.load(path) as content,
    ):
        images = content["imgs"]
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError(
                f"expected 'imgs' uint8 of shape {shape}, got {images.dtype} of "
                f"shape {images.shape}"
            )
    yield from enumerate(verify_images(images, RESIZED_CHECKSUM, path))
