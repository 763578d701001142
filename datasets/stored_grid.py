"""Converted images in the data folder: made once, compared with what was written, mapped."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import ClassVar

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from priorbench.datasets.files import cache
from priorbench.datasets.about import About
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.factor_grid import choose_levels, find_grid_rows

Blocks = Callable[[], Iterable[np.ndarray]]


def load_converted(
    stem: str,
    shape: tuple[int, int],
    blocks: Blocks,
    title: str,
    steps: int,
    progress: bool = True,
) -> np.ndarray:
    """The images kept as ``stem``, memory-mapped; made of ``blocks`` where they are not yet.

    Args:
        stem: name of the cache file without its checksum.
        shape: (number of images, bytes of each).
        blocks: finds the original files and returns uint8 (n, bytes of each) at a time.
        title: what the progress bar says.
        steps: number of blocks.
        progress: show a progress bar on a terminal.

    Raises:
        ValueError: an original is not what it should be; nothing is kept.
        OSError: the data folder cannot be written, or an original is not here.
    """
    kept = cache.read_cache(stem, shape)
    if kept is None:
        silent = not (progress and sys.stderr.isatty())
        shown = track(
            blocks(),
            title,
            steps,
            console=Console(stderr=True),
            transient=True,
            disable=silent,
        )
        cache.write_cache(stem, shape, shown)
        kept = cache.read_cache(
            stem, shape
        )  # what lies on the disk, against what was to be written
    if kept is None:
        raise OSError(
            f"the images of {stem!r} were written to {str(cache.data_folder())!r} but "
            "cannot be read back; see the log"
        )
    return kept


def verify_blocks(
    blocks: Iterable[np.ndarray], sha256: str, what: str
) -> Iterator[np.ndarray]:
    """The blocks; at their end their bytes are compared with ``sha256``.

    Raises:
        ValueError: the checksum differs.
    """
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(np.ascontiguousarray(block).data)
        yield block
    if digest.hexdigest() != sha256:
        raise ValueError(
            f"the images of {what} are not the published ones: expected sha256 "
            f"{sha256}, got {digest.hexdigest()}; replace it"
        )


def resize_image(image: np.ndarray, side: int, method: Image.Resampling) -> np.ndarray:
    """An image (H, W) or (H, W, 3), uint8, at ``side`` × ``side``, antialiased."""
    return np.asarray(Image.fromarray(image).resize((side, side), method))


def split_rows(array: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The rows of ``array``, ``count`` at a time."""
    for start in range(0, len(array), count):
        yield array[start : start + count]


class StoredGrid(FactorDataset):
    """A complete grid of grey or coloured images that are kept converted in the data folder.

    Args:
        name: the dataset's name.
        sizes: number of levels of each factor, the first one slowest.
        chosen: levels to keep, by factor; see :func:`priorbench.datasets.factor_grid.choose_levels`.
        stem: name of the cache file.
        blocks: makes the pixels of the whole grid.
        steps: number of blocks.
        progress: show a progress bar on a terminal.
        excluded: factors that the published MIG leaves out.
    """

    about: ClassVar[About]

    def __init__(
        self,
        name: str,
        sizes: Mapping[str, int],
        chosen: Mapping[str, Sequence[int | str]] | None,
        stem: str,
        blocks: Blocks,
        steps: int,
        progress: bool,
        excluded: Sequence[str] = (),
    ) -> None:
        levels = choose_levels(sizes, chosen or {}, {})
        shape = (prod(sizes.values()), prod(self.about.image_shape))
        pixels = load_converted(
            stem, shape, blocks, f"converting {name}", steps, progress
        )
        if tuple(map(len, levels)) != tuple(sizes.values()):
            pixels = np.asarray(pixels[find_grid_rows(sizes.values(), levels)])
        super().__init__(
            name,
            tuple(sizes),
            map(len, levels),
            self.about.image_shape,
            pixels=pixels,
            excluded_factors=excluded,
        )
