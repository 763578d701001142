"""The official file of dSprites: read in blocks, checked, bit-packed."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from priorbench.datasets.files import cache
from priorbench.datasets.sprites.render import SIDE

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
PIXELS_ON = 128_328_862
CACHE = "dsprites-official-v1"
# What zipfile raises, in turn, for other, damaged, missing, encrypted and truncated members.
_READING = (
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    RuntimeError,
    EOFError,
    OSError,
)


def make_stem(path: Path) -> str:
    """Name of the converted file's cache: it changes when the file's size or time does."""
    status = path.stat()
    return f"{CACHE}-{status.st_size}-{status.st_mtime_ns}"


def forget_others(current: str) -> None:
    """Remove conversions of earlier versions of the file, all but ``current``."""
    cache.forget_caches(CACHE, keep=current)


def read_packed_blocks(path: Path, sizes: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Bit-packed images of the official file, uint8 (posX * posY, 512) at a time.

    The file's pickled member is never opened, and its 3 GB of bytes are never held at once.

    Args:
        path: the ``.npz`` file.
        sizes: number of levels of each factor, colour left out.

    Raises:
        ValueError: the file is not the official one; what was expected and what came are named.
    """
    with _explain_errors(path), zipfile.ZipFile(path) as archive:
        _check_order(archive, sizes)
        pixels = 0
        with archive.open("imgs.npy") as member:
            if _check_header(member, "imgs", (prod(sizes), SIDE, SIDE), np.uint8):
                raise ValueError("expected 'imgs' in C order, got it in Fortran order")
            for _ in range(prod(sizes[:3])):
                images = _take_bytes(member, prod(sizes[3:]) * SIDE * SIDE)
                if images.max() > 1:
                    raise ValueError(
                        f"expected pixels 0 and 1 in 'imgs', got {images.max()}"
                    )
                pixels += int(images.sum(dtype=np.int64))
                yield np.packbits(images.reshape(-1, SIDE * SIDE), axis=1)
            # Only a read at the end makes the archive compare its own checksum.
            member.read(1)
        if pixels != PIXELS_ON:
            raise ValueError(f"expected {PIXELS_ON} pixels on in 'imgs', got {pixels}")


def _check_order(archive: zipfile.ZipFile, sizes: tuple[int, ...]) -> None:
    """Check that the latents are colour 0 and the grid, the last factor fastest."""
    shape = (prod(sizes), 1 + len(sizes))
    with archive.open("latents_classes.npy") as member:
        fortran = _check_header(member, "latents_classes", shape, np.int64)
        content = _take_bytes(member, prod(shape) * 8).view(np.int64)
    classes = content.reshape(shape, order="F" if fortran else "C")
    expected = np.stack(np.unravel_index(np.arange(shape[0]), (1, *sizes)), axis=1)
    wrong = np.flatnonzero((classes != expected).any(axis=1))
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            f"expected 'latents_classes' {expected[row].tolist()} in row {row}, "
            f"got {classes[row].tolist()}"
        )


def _check_header(
    member: IO[bytes], name: str, shape: tuple[int, ...], dtype: type
) -> bool:
    """Read an array's header up to its content; whether that is in Fortran order."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        found, fortran, came = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        found, fortran, came = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"expected {name!r} in .npy format 1.0 or 2.0, got {version}")
    if found != shape or came != np.dtype(dtype):
        raise ValueError(
            f"expected {name!r} {np.dtype(dtype)} of shape {shape}, "
            f"got {came} of shape {found}"
        )
    return fortran


def _take_bytes(member: IO[bytes], count: int) -> np.ndarray:
    content = member.read(count)
    if len(content) != count:
        raise ValueError(
            f"expected {count} more bytes in {member.name!r}, got {len(content)}"
        )
    return np.frombuffer(content, dtype=np.uint8)


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _READING as error:
        raise ValueError(
            f"{str(path)!r} is not the official dSprites file: {error}; remove it "
            "(the images are then rendered) or replace it"
        ) from error
