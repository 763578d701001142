"""The official file of dSprites: read in pieces, checked, bit-packed."""

import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from priorbench.datasets.factor_grid import check_grid_order
from priorbench.datasets.files.verify import explain_read_errors
from priorbench.datasets.sprites.render import SIDE

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
PIXELS_ON = 128_328_862
CACHE = "dsprites-official-v1"
"""What the names of its conversions begin with."""


def read_packed_images(path: Path, sizes: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the images of the official file, bit-packed.

    The file's pickled member is never opened, and its 3 GB of bytes are never held at
    once.

    Args:
        path: the ``.npz`` file.
        sizes: number of levels of each factor, colour left out.

    Yields:
        uint8 (posX * posY, 512).

    Raises:
        ValueError: the file is not the official one; the message has what was expected
            and what came.
    """
    explained = explain_read_errors(
        path,
        "the official dSprites file",
        "remove it (the images are then rendered) or replace it",
    )
    with explained, zipfile.ZipFile(path) as archive:
        with archive.open("latents_classes.npy") as member:
            shape = (prod(sizes), 1 + len(sizes))
            fortran = _read_header(member, "latents_classes", shape, np.int64)
            content = _read_bytes(member, prod(shape) * 8).view(np.int64)
        classes = content.reshape(shape, order="F" if fortran else "C")
        check_grid_order("latents_classes", classes, (1, *sizes))
        with archive.open("imgs.npy") as member:
            shape = (prod(sizes), SIDE, SIDE)
            if _read_header(member, "imgs", shape, np.uint8):
                raise ValueError("expected 'imgs' in C order, got it in Fortran order")
            pixels_on = 0
            for _ in range(prod(sizes[:3])):
                flat = _read_bytes(member, prod(sizes[3:]) * SIDE * SIDE)
                images = flat.reshape(-1, SIDE * SIDE)
                if images.max() > 1:
                    raise ValueError(
                        f"expected pixels 0 and 1 in 'imgs', got {images.max()}"
                    )
                pixels_on += int(images.sum(dtype=np.int64))
                yield np.packbits(images, axis=1)
            # Only a read at the end makes the archive compare its own checksum.
            member.read(1)
        if pixels_on != PIXELS_ON:
            raise ValueError(
                f"expected {PIXELS_ON} pixels on in 'imgs', got {pixels_on}"
            )


def _read_header(
    member: IO[bytes],
    name: str,
    shape: tuple[int, ...],
    dtype: type,
) -> bool:
    """Read an array's header up to its content.

    Returns:
        Whether the content is in Fortran order.
    """
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


def _read_bytes(member: IO[bytes], count: int) -> np.ndarray:
    """Return the next bytes of a member."""
    content = member.read(count)
    if len(content) != count:
        raise ValueError(
            f"expected {count} more bytes in {member.name!r}, got {len(content)}"
        )
    return np.frombuffer(content, dtype=np.uint8)
