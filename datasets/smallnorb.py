"""Small NORB: photographs of fifty toys from many directions under six lights."""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.stored_grid import StoredGrid, split_rows, resize_image

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
_NUMBERS = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}
"""Kinds of numbers by the first four bytes of a file."""


def _make_original(part: str, kind: str, sha256: str) -> Original:
    name = f"smallnorb-{part}-{kind}.mat.gz"
    return Original(name, (_SOURCE + name,), f"sha256:{sha256}")


PARTS = [
    {kind: _make_original(part, kind, sha256) for kind, sha256 in kinds.items()}
    for part, kinds in _CHECKSUMS.items()
]


@register("smallnorb")
class SmallNORB(StoredGrid):
    """Toys: 5 categories × 10 instances × 9 elevations × 18 azimuths × 6 lights, grey, 64 × 64.

    Both official parts, the first camera's image of each pair, resized from 96 × 96 by a Lanczos
    filter. The MIG leaves out the instance, which Locatello et al. do not count as a factor.

    References: LeCun et al. 2004; Locatello et al. 2019.
    Args:
        factors: levels to keep, by factor, from 0; the others keep all.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level that does not exist, or an original that is not what it should be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "photographs of toys",
        "for research only",
        _SOURCE,
        ", ".join(f"{name} {size}" for name, size in SIZES.items()),
        prod(SIZES.values()),
        (1, SIDE, SIDE),
        originals=tuple(o for part in PARTS for o in part.values()),
    )

    def __init__(
        self, factors: Mapping[str, Sequence[int]] | None = None, progress: bool = True
    ) -> None:
        super().__init__(
            "smallnorb",
            SIZES,
            factors,
            "smallnorb-v1",
            lambda: _read_blocks(progress),
            SIZES["category"],
            progress,
            excluded=("instance",),
        )


def _read_blocks(progress: bool) -> Iterable[np.ndarray]:
    paths = [
        {
            kind: originals.obtain_original("smallnorb", original, progress)
            for kind, original in part.items()
        }
        for part in PARTS
    ]
    return _order_images(paths)


def _order_images(parts: Sequence[Mapping[str, Path]]) -> Iterator[np.ndarray]:
    """The images in the order of the grid, one block for each category."""
    grid = np.empty((prod(SIZES.values()), SIDE * SIDE), dtype=np.uint8)
    seen = np.zeros(len(grid), dtype=bool)
    for part in parts:
        for row, image in _read_rows(part):
            grid[row] = resize_image(image, SIDE, Image.Resampling.LANCZOS).ravel()
            seen[row] = True
    if not seen.all():
        levels = np.unravel_index(int(np.argmin(seen)), tuple(SIZES.values()))
        raise ValueError(
            "expected every combination of factors in the files of smallnorb, got no "
            + ", ".join(f"{n}={v}" for n, v in zip(SIZES, levels, strict=True))
        )
    yield from split_rows(grid, len(grid) // SIZES["category"])


def _read_rows(part: Mapping[str, Path]) -> Iterator[tuple[int, np.ndarray]]:
    """Row of the grid and image of the first camera, for each pair of a part."""
    with ExitStack() as stack:
        stack.enter_context(
            originals.explain_read_errors(part["dat"], "a file of small NORB")
        )
        files = {
            kind: stack.enter_context(gzip.open(path)) for kind, path in part.items()
        }
        shape = _read_header(files["dat"])
        if shape[1:] != (2, FULL_SIDE, FULL_SIDE):
            raise ValueError(
                f"expected pairs of images of {FULL_SIDE} × {FULL_SIDE}, got {shape}"
            )
        factors = _read_factors(files["cat"], files["info"], shape[0])
        for row in np.ravel_multi_index(factors.T, tuple(SIZES.values())):
            pair = _take_numbers(files["dat"], shape[1:], np.dtype("u1"))
            yield int(row), pair[0]


def _read_factors(cat: IO[bytes], info: IO[bytes], count: int) -> np.ndarray:
    """Levels of the five factors, int64 (count, 5)."""
    shapes = _read_header(cat), _read_header(info)
    if shapes != ((count,), (count, 4)):
        raise ValueError(
            f"expected factors of shapes {(count,)} and {(count, 4)}, got {shapes}"
        )
    whole = np.dtype("<i4")
    category, others = (
        _take_numbers(cat, (count, 1), whole),
        _take_numbers(info, (count, 4), whole),
    )
    others = others // [1, 1, 2, 1]  # azimuths are written as 0, 2, ... 34
    return np.concatenate([category, others], axis=1).astype(np.int64)


def _read_header(file: IO[bytes]) -> tuple[int, ...]:
    """Shape of the matrix that follows: kind, number of dimensions, and at least three sizes."""
    kind, dims = (int(n) for n in _take_numbers(file, (2,), np.dtype("<u4")))
    if kind not in _NUMBERS or not 1 <= dims <= 4:
        raise ValueError(
            f"expected a matrix of bytes or integers, got the mark {kind:#x} and "
            f"{dims} dimensions"
        )
    return tuple(
        int(n) for n in _take_numbers(file, (max(dims, 3),), np.dtype("<i4"))[:dims]
    )


def _take_numbers(
    file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    content = file.read(prod(shape) * dtype.itemsize)
    if len(content) != prod(shape) * dtype.itemsize:
        raise ValueError(
            f"expected {prod(shape) * dtype.itemsize} more bytes, got {len(content)}"
        )
    return np.frombuffer(content, dtype).reshape(shape)
