"""Small NORB: photographs of fifty toys from many directions under six lights."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from priorbench.datasets.about import About, Original, describe_sizes
from priorbench.datasets.base import register
from priorbench.datasets.factor_grid import describe_levels
from priorbench.datasets.files.convert import resize_image, split_rows
from priorbench.datasets.files.verify import explain_read_errors
from priorbench.datasets.stored_grid import StoredGrid

SIZES = {"category": 5, "instance": 10, "elevation": 9, "azimuth": 18, "lighting": 6}
SIDE = 64
FULL_SIDE = 96
_SOURCE = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
_CHECKSUMS = {
    "5x46789x9x18x6x2x96x96-training": {
        "dat": "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
        "cat": "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
        "info": "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
    },
    "5x01235x9x18x6x2x96x96-testing": {
        "dat": "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
        "cat": "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
        "info": "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
    },
}
_MARKS = (0x1E3D4C55, 0x1E3D4C54)
"""First four bytes of a matrix of bytes, and of one of integers."""
_BYTE = np.dtype("u1")
_INTEGER = np.dtype("<i4")

PARTS = [
    {
        kind: Original.in_folders(
            f"smallnorb-{part}-{kind}.mat.gz", (_SOURCE,), f"sha256:{sha256}"
        )
        for kind, sha256 in kinds.items()
    }
    for part, kinds in _CHECKSUMS.items()
]
"""The files of each official part: images, categories, and the other factors."""


@register("smallnorb")
class SmallNORB(StoredGrid):
    """Photographs of toys: 5 categories × 10 instances of each, grey, 64 × 64.

    Every toy is seen at 9 elevations × 18 azimuths × 6 lights. Both official parts are
    used, the first camera's image of each pair, resized from 96 × 96 by a Lanczos
    filter. All metrics leave out the instance, which Locatello et al. do not count as a
    factor.

    References: LeCun et al. 2004; Locatello et al. 2019.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, or an original that is not what it
            should be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "photographs of toys",
        "for research only",
        _SOURCE,
        describe_sizes(SIZES),
        prod(SIZES.values()),
        (1, SIDE, SIDE),
        originals=tuple(original for part in PARTS for original in part.values()),
    )

    def __init__(
        self,
        factors: Mapping[str, Sequence[int]] | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__(
            "smallnorb",
            SIZES,
            factors,
            excluded_factors=("instance",),
            nuisance_factors=("instance",),
            cyclic_factors=("azimuth",),
            progress=progress,
        )

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Yield the images in the order of the grid, a category at a time."""
        grid = np.empty((prod(SIZES.values()), SIDE * SIDE), dtype=np.uint8)
        seen = np.zeros(len(grid), dtype=bool)
        for part in PARTS:
            files = {kind: paths[original.name] for kind, original in part.items()}
            for row, image in _read_part(files):
                small = resize_image(image, SIDE, Image.Resampling.LANCZOS)
                grid[row] = small.ravel()
                seen[row] = True
        if not seen.all():
            levels = np.unravel_index(int(np.argmin(seen)), tuple(SIZES.values()))
            raise ValueError(
                "expected every combination of factors in the files of smallnorb, got "
                f"no {describe_levels(SIZES, levels)}"
            )
        yield from split_rows(grid, len(grid) // SIZES["category"])


def _read_part(paths: Mapping[str, Path]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the row in the grid and the first camera's image of each pair of a part."""
    with ExitStack() as stack:
        stack.enter_context(explain_read_errors(paths["dat"], "a file of small NORB"))
        files = {
            kind: stack.enter_context(gzip.open(path)) for kind, path in paths.items()
        }
        count, *shape = _read_header(files["dat"])
        if shape != [2, FULL_SIDE, FULL_SIDE]:
            raise ValueError(
                f"expected pairs of images of {FULL_SIDE} × {FULL_SIDE}, "
                f"got {(count, *shape)}"
            )
        cat, info = files["cat"], files["info"]
        shapes = _read_header(cat), _read_header(info)
        if shapes != ((count,), (count, 4)):
            raise ValueError(
                f"expected factors of shapes {(count,)} and {(count, 4)}, got {shapes}"
            )
        category = _read_numbers(cat, (count, 1), _INTEGER)
        others = _read_numbers(info, (count, 4), _INTEGER)
        others = others // [1, 1, 2, 1]  # azimuths are written as 0, 2, ... 34
        levels = np.concatenate([category, others], axis=1)
        for row in np.ravel_multi_index(levels.T, tuple(SIZES.values())):
            pair = _read_numbers(files["dat"], shape, _BYTE)
            yield int(row), pair[0]


def _read_header(file: IO[bytes]) -> tuple[int, ...]:
    """Return the shape of the matrix that follows.

    A header has a mark, the number of dimensions, and the sizes, of which there are at
    least three.
    """
    mark, dims = map(int, _read_numbers(file, (2,), np.dtype("<u4")))
    if mark not in _MARKS or not 1 <= dims <= 4:
        raise ValueError(
            f"expected a matrix of bytes or integers, got the mark {mark:#x} and "
            f"{dims} dimensions"
        )
    sizes = _read_numbers(file, (max(dims, 3),), _INTEGER)
    return tuple(sizes[:dims].tolist())


def _read_numbers(file: IO[bytes], shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return the next numbers of a file."""
    size = prod(shape) * dtype.itemsize
    content = file.read(size)
    if len(content) != size:
        raise ValueError(f"expected {size} more bytes, got {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape)
