"""Cars3D: 183 car models from 24 directions at 4 heights."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.files.archive import read_members
from priorbench.datasets.base import register
from priorbench.datasets.files.matlab import read_matrices
from priorbench.datasets.stored_grid import (
    StoredGrid,
    split_rows,
    resize_image,
    verify_blocks,
)

SIZES = {"elevation": 4, "azimuth": 24, "car": 183}
SIDE = 64
ARCHIVE = Original(
    "nips2015-analogy-data.tar.gz",
    (
        "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
        "http://www-personal.umich.edu/~reedscot/files/nips2015-analogy-data.tar.gz",
    ),
    "md5:4e866a7919c1beedf53964e6f7a23686",
)
PACKED = Original("cars3d_64.npz")
CONTENT = "eef233c6399cd9e4af9613f4899fc1c08258820cf5dcb0ceb5648c77fde3c353"
"""SHA-256 of the images (car, azimuth, elevation, row, column, colour) at 64 × 64."""
_FULL = (128, 128, 3, 24, 4)


@register("cars3d")
class Cars3D(StoredGrid):
    """Renders of 183 cars: 4 elevations × 24 azimuths × 183 cars, colour, 64 × 64.

    The elevations are 0, 6, 12 and 18 degrees, the azimuths 0 to 345 in steps of 15. The
    originals, 128 × 128, are resized by a Lanczos filter, as Locatello et al. do. Originals: the
    archive, or the ``.mat`` files of its folder ``data/cars``, or ``cars3d_64.npz``, which holds
    the resized images as ``imgs``, uint8 (car, azimuth, elevation, 64, 64, 3).

    References: Reed et al. 2015, Deep visual analogy-making; Locatello et al. 2019.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, or an original that is not what it should be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "renders of cars",
        "none stated",
        "http://www.scottreed.info",
        "elevation 4, azimuth 24, car 183",
        prod(SIZES.values()),
        (3, SIDE, SIDE),
        originals=(ARCHIVE,),
    )

    def __init__(
        self, factors: Mapping[str, Sequence[int]] | None = None, progress: bool = True
    ) -> None:
        super().__init__(
            "cars3d",
            SIZES,
            factors,
            "cars3d-v1",
            lambda: _read_blocks(progress),
            SIZES["elevation"],
            progress,
        )


def load_checksums() -> dict[str, str]:
    """SHA-256 of each ``.mat`` file, by its name."""
    lines = files("datasets").joinpath("checksums/cars3d.txt").read_text().splitlines()
    pairs = (line.split() for line in lines)
    return {name: digest for digest, name in pairs if name.endswith(".mat")}


def _read_blocks(progress: bool) -> Iterable[np.ndarray]:
    """The images in the order of the grid, from whichever original is here."""
    packed, first = (
        originals.find_original("cars3d", PACKED.name),
        min(load_checksums()),
    )
    if packed is not None:
        originals.check_nature(packed, PACKED)
        return _order_images(_read_packed(packed))
    single = originals.find_original("cars3d", first)
    if single is not None and originals.find_original("cars3d", ARCHIVE.name) is None:
        cars = (
            (name, _read_file(single.parent / name))
            for name in sorted(load_checksums())
        )
        return _order_images(_read_cars(cars, single.parent))
    archive = originals.obtain_original("cars3d", ARCHIVE, progress)
    cars = (
        (PurePosixPath(name).name, content)
        for name, content in read_members(archive, "_mesh.mat")
    )
    return _order_images(_read_cars(cars, archive))


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(
            f"expected all {SIZES['car']} files of cars in the folder "
            f"{str(path.parent)!r}, got no {path.name!r}"
        )
    return path.read_bytes()


def _order_images(cars: Iterator[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
    """Cars, uint8 (24, 4, 64, 64, 3) each, to blocks of the grid, one for each elevation."""
    grid = np.empty((*SIZES.values(), 3, SIDE, SIDE), dtype=np.uint8)
    for car, images in cars:
        grid[:, :, car] = images.transpose(1, 0, 4, 2, 3)
    yield from split_rows(
        grid.reshape(prod(SIZES.values()), -1), grid[0, :, :, 0, 0, 0].size
    )


def _read_cars(
    cars: Iterable[tuple[str, bytes]], where: Path
) -> Iterator[tuple[int, np.ndarray]]:
    """Position and images of each car, all of them verified."""
    expected = load_checksums()
    order = {name: position for position, name in enumerate(sorted(expected))}
    for name, content in cars:
        if name not in expected:
            raise ValueError(
                f"expected only the known cars in {str(where)!r}, got {name!r}"
            )
        came = hashlib.sha256(content).hexdigest()
        if came != expected.pop(name):
            raise ValueError(
                f"{name!r} in {str(where)!r} is not the official one: its sha256 is "
                f"{came}; replace it"
            )
        yield (
            order[name],
            reduce_views(read_matrices(name, {"im": _FULL}, content)["im"]),
        )
    if expected:
        raise ValueError(
            f"expected all {SIZES['car']} cars in {str(where)!r}, got no "
            f"{min(expected)!r}; replace it"
        )


def reduce_views(images: np.ndarray) -> np.ndarray:
    """The matrix ``im`` (128, 128, 3, 24, 4) of a car, resized, (24, 4, 64, 64, 3)."""
    views = images.transpose(3, 4, 0, 1, 2).reshape(-1, *images.shape[:3])
    small = [
        resize_image(np.ascontiguousarray(v), SIDE, Image.Resampling.LANCZOS)
        for v in views
    ]
    return np.stack(small).reshape(*images.shape[3:], SIDE, SIDE, 3)


def _read_packed(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    shape = (SIZES["car"], SIZES["azimuth"], SIZES["elevation"], SIDE, SIDE, 3)
    with (
        originals.explain_read_errors(path, "an .npz file of Cars3D"),
        np.load(path) as content,
    ):
        images = content["imgs"]
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError(
                f"expected 'imgs' uint8 of shape {shape}, got {images.dtype} of "
                f"shape {images.shape}"
            )
    yield from enumerate(verify_blocks(images, CONTENT, str(path)))
