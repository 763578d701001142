"""Conversion of images to one array in the data folder: made once, then mapped."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from priorbench.datasets.files.cache import (
    forget_caches,
    get_data_folder,
    lock_cache,
    read_cache,
    write_cache,
)


def obtain_images(
    name: str,
    shape: tuple[int, int],
    make_chunks: Callable[[], Iterable[np.ndarray]],
    title: str,
    progress: bool = True,
) -> np.ndarray:
    """Return the images kept as ``name``, memory-mapped; make them if there are none.

    Of several processes one makes them, and the others wait.

    Args:
        name: of the cache file; it has a version, which goes up whenever an image
            changes.
        shape: (number of images, bytes of each one).
        make_chunks: returns the images, uint8 (n, bytes of each one) at a time. What it
            downloads must be here when it returns, before the progress bar is shown.
        title: of the progress bar.
        progress: show a progress bar on a terminal.

    Returns:
        uint8 of ``shape``.

    Raises:
        ValueError: an original is not what it should be, or the images are not uint8 of
            ``shape``; nothing is kept.
        OSError: the data folder cannot be written, or an original is not here.
    """
    images = read_cache(name, shape)
    if images is None:
        with lock_cache(name):
            images = read_cache(name, shape)  # another process may have made them
            if images is None:
                chunks = track_images(make_chunks(), title, shape[0], progress)
                write_cache(name, shape, _check_images(chunks, shape, name))
                # from the disk: what lies there is compared with what was written
                images = read_cache(name, shape)
    if images is None:
        raise OSError(
            f"the images of {name!r} were written to {str(get_data_folder())!r} but "
            "cannot be read back; see the log"
        )
    return images


def convert_file(
    path: Path,
    prefix: str,
    shape: tuple[int, int],
    read_chunks: Callable[[Path], Iterable[np.ndarray]],
    progress: bool = True,
) -> np.ndarray:
    """Return the images of a user's file, converted anew whenever the file changes.

    The conversions of earlier versions of the file are removed.

    Args:
        path: the file; a change is noticed by its size and time.
        prefix: what the names of its cache files begin with.
        shape: (number of images, bytes of each one).
        read_chunks: reads the images, uint8 (n, bytes of each one) at a time.
        progress: show a progress bar on a terminal.

    Raises:
        ValueError: the file is not what it should be; nothing is kept.
        OSError: the data folder cannot be written.
    """
    status = path.stat()
    name = f"{prefix}-{status.st_size}-{status.st_mtime_ns}"
    title = f"reading {path.name}"
    images = obtain_images(name, shape, lambda: read_chunks(path), title, progress)
    forget_caches(prefix, keep=name)
    return images


def track_images(
    chunks: Iterable[np.ndarray],
    title: str,
    count: int,
    progress: bool = True,
) -> Iterator[np.ndarray]:
    """Yield arrays of images behind a progress bar.

    Args:
        chunks: arrays of images.
        title: of the bar.
        count: number of images in all of them.
        progress: show the bar if the standard error stream is a terminal.
    """
    bar = Progress(
        console=Console(stderr=True),
        transient=True,
        disable=not (progress and sys.stderr.isatty()),
    )
    with bar:
        task = bar.add_task(title, total=count)
        for chunk in chunks:
            yield chunk
            bar.advance(task, len(chunk))


def split_rows(array: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yield the rows of an array, ``count`` at a time."""
    for start in range(0, len(array), count):
        yield array[start : start + count]


def resize_image(image: np.ndarray, side: int, method: Image.Resampling) -> np.ndarray:
    """Resize an image, antialiased.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        side: height and width of the result.
        method: Pillow's filter.
    """
    return np.asarray(Image.fromarray(image).resize((side, side), method))


def _check_images(
    chunks: Iterable[np.ndarray],
    shape: tuple[int, int],
    name: str,
) -> Iterator[np.ndarray]:
    """Yield the images, checked: uint8, and of ``shape`` in all."""
    count = 0
    for chunk in chunks:
        if chunk.dtype != np.uint8 or chunk.ndim != 2 or chunk.shape[1] != shape[1]:
            raise ValueError(
                f"the images of {name!r} must be uint8 of shape (n, {shape[1]}); "
                f"got {chunk.dtype} of shape {chunk.shape}"
            )
        count += len(chunk)
        yield chunk
    if count != shape[0]:
        raise ValueError(f"the images of {name!r} must be {shape[0]}; got {count}")
