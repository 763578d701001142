"""The data folder, and arrays of bytes kept in it between runs.

A cache file is ``<name>-<crc32>.npy``. It appears whole or not at all, so that several
processes may write it at once. Damage done to it later is noticed by its size, header
and checksum.
"""

import logging
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock

from priorbench.atomic_files import UNFINISHED, open_atomically
from priorbench.paths import expand_path

log = logging.getLogger("priorbench.datasets")

VARIABLE = "PRIORBENCH_DATA"
STALE_AGE = 24 * 3600.0
"""Seconds after which an unfinished file counts as left behind by a killed process."""


def get_data_folder() -> Path:
    """Return the folder of downloaded and cached data.

    It is the environment variable PRIORBENCH_DATA, or in the user's cache folder.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen:
        return expand_path(chosen)
    return Path(platformdirs.user_cache_dir("priorbench"))


def read_cache(name: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the array kept as ``name``, memory-mapped; None if there is none.

    Damaged files are logged and removed, so that the caller makes them again.

    Args:
        name: of the cache file, without its checksum.
        shape: of the array, uint8.
    """
    for path in list_caches(name):
        fault = _find_fault(path, shape)
        if fault is None:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        log.warning(
            "cache file %s is damaged (%s); it is removed and made again", path, fault
        )
        with suppress(OSError):  # write_cache reports a folder that cannot be written
            path.unlink()
    return None


def write_cache(
    name: str,
    shape: tuple[int, int],
    chunks: Iterable[np.ndarray],
) -> None:
    """Keep an array as ``name``.

    Args:
        name: of the cache file, without its checksum.
        shape: of the whole array, uint8.
        chunks: the array, some rows at a time.

    Raises:
        OSError: the folder cannot be written, or is full; or what ``chunks`` raise.
            Nothing half-written is left.
    """
    folder = get_data_folder()
    header = _make_header(shape)
    checksum = 0
    try:
        with explain_write_errors(folder, len(header) + prod(shape)):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob(f"{UNFINISHED}*"):
                with suppress(OSError):  # another process may be removing it too
                    if time.time() - path.stat().st_mtime > STALE_AGE:
                        path.unlink()
            with open_atomically(
                folder / f"{name}.npy", lambda: f"{name}-{checksum:08x}.npy"
            ) as file:
                # Plain writes, because a full disk raises an error here, where a memory
                # map would end the process.
                file.write(header)
                for chunk in _tell_errors_apart(chunks):
                    content = np.ascontiguousarray(chunk).data
                    checksum = zlib.crc32(content, checksum)
                    file.write(content)
    except _ReadError as error:
        raise error.reason from None


class _ReadError(Exception):
    """An error of reading what is to be written."""

    def __init__(self, reason: OSError) -> None:
        self.reason = reason


def _tell_errors_apart(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield chunks; an error of theirs is raised as :class:`_ReadError`."""
    try:
        yield from chunks
    except OSError as error:
        raise _ReadError(error) from error


@contextmanager
def lock_cache(name: str) -> Iterator[None]:
    """Hold a cache while it is made; another process that asks for it waits.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = get_data_folder()
    lock = FileLock(folder / f".{name}.lock")
    with explain_write_errors(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(lock.lock_file)  # at worst two make it, each of them whole
        lock.release()


def forget_caches(prefix: str, keep: str) -> None:
    """Remove the caches with names that begin with ``prefix``, except one."""
    for path in set(list_caches(f"{prefix}*")) - set(list_caches(keep)):
        # Only space is at stake, and another process may have the file open.
        with suppress(OSError):
            path.unlink()


def list_caches(name: str) -> list[Path]:
    """Return the files of a cache; ``*`` in its name stands for anything."""
    return sorted(get_data_folder().glob(f"{name}-{'[0-9a-f]' * 8}.npy"))


@contextmanager
def explain_write_errors(folder: Path, size: int) -> Iterator[None]:
    """Add to an error of writing the folder, and how to choose another one.

    Args:
        folder: that is written to.
        size: bytes that are to be written.

    Raises:
        OSError: in place of any other one.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot keep data in the folder {str(folder)!r}: "
            f"{error.strerror or error}; make room for {size >> 20} MB there, or set "
            f"{VARIABLE} to a folder that can be written",
        ) from error


def _make_header(shape: tuple[int, int]) -> bytes:
    """Return the first bytes of an ``.npy`` file of uint8."""
    stream = BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def _find_fault(path: Path, shape: tuple[int, int]) -> str | None:
    """Return what is wrong with a cache file; None if nothing is."""
    header = _make_header(shape)
    expected = len(header) + prod(shape)
    try:
        size = path.stat().st_size
        if size != expected:
            return f"expected {expected} bytes, got {size}"
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        return f"unreadable: {error}"
    if content[: len(header)].tobytes() != header:
        return f"its header is not that of uint8 {shape}"
    # Over a memory map the checksum reads a file that was read before at the speed of
    # memory.
    checksum = zlib.crc32(content[len(header) :])
    if f"{checksum:08x}" != path.stem[-8:]:
        return "its checksum differs"
    return None
