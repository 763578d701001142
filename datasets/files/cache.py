"""The data folder, and arrays of bytes kept in it between runs.

A cache file is ``<stem>-<crc32>.npy``. It appears whole or not at all, for it is written under
another name and then moved, so that several processes may write it at once; and what was
damaged since is noticed by its size, header and checksum.
"""

import logging
import os
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np
import platformdirs

log = logging.getLogger("priorbench.datasets")

VARIABLE = "PRIORBENCH_DATA"
_STALE = 24 * 3600.0
"""Age in seconds from which an unfinished file is taken to be left by a killed process."""


def data_folder() -> Path:
    """Folder of downloaded and cached data: PRIORBENCH_DATA, or the user's cache folder."""
    chosen = os.environ.get(VARIABLE, "")
    return (
        Path(chosen).expanduser()
        if chosen
        else Path(platformdirs.user_cache_dir("priorbench"))
    )


def read_cache(stem: str, shape: tuple[int, int]) -> np.ndarray | None:
    """The array kept as ``stem``, uint8 of ``shape``, memory-mapped; None if there is none.

    Damaged files are logged and removed, so that the caller makes them again.
    """
    for path in _list_files(stem):
        fault = _find_fault(path, shape)
        if fault is None:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        log.warning(
            "cache file %s is damaged (%s); it is removed and made again", path, fault
        )
        with suppress(OSError):  # a folder that cannot be written is reported by write
            path.unlink()
    return None


def write_cache(
    stem: str, shape: tuple[int, int], blocks: Iterable[np.ndarray]
) -> np.ndarray:
    """Keep ``blocks``, uint8 (n, shape[1]) each, ``shape`` in all, as ``stem``; then as read.

    Raises:
        OSError: the folder cannot be written, or is full; nothing half-written is left.
    """
    folder = data_folder()
    header = _make_header(shape)
    temporary = folder / f".{stem}-{uuid.uuid4().hex}.tmp"
    with explain_write_errors(folder, len(header) + prod(shape)):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep_stale(folder)
        try:
            checksum = _write_durably(temporary, header, blocks)
            path = folder / f"{stem}-{checksum:08x}.npy"
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return np.load(path, mmap_mode="r", allow_pickle=False)


def forget_caches(prefix: str, keep: str) -> None:
    """Remove the cache files whose stem begins with ``prefix``, all but those of ``keep``."""
    for path in set(_list_files(f"{prefix}*")) - set(_list_files(keep)):
        with suppress(
            OSError
        ):  # only space is at stake; another process may have it open
            path.unlink()


def list_caches(prefix: str) -> list[Path]:
    """The cache files whose stem begins with ``prefix``."""
    return _list_files(f"{prefix}*")


def _list_files(stem: str) -> list[Path]:
    return sorted(data_folder().glob(f"{stem}-{'[0-9a-f]' * 8}.npy"))


def _make_header(shape: tuple[int, int]) -> bytes:
    stream = BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def _find_fault(path: Path, shape: tuple[int, int]) -> str | None:
    """What is wrong with a cache file, None if nothing."""
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
    # Over a memory map the checksum reads the file at the speed of memory once it is cached.
    if f"{zlib.crc32(content[len(header) :]):08x}" != path.stem[-8:]:
        return "its checksum differs"
    return None


def _write_durably(path: Path, header: bytes, blocks: Iterable[np.ndarray]) -> int:
    """Write and sync a new file, and return the CRC-32 of its content."""
    checksum = 0
    # Plain writes, because a full disk raises here, where a memory map would end the process.
    with open(path, "xb") as file:
        file.write(header)
        for block in blocks:
            content = np.ascontiguousarray(block).data
            checksum = zlib.crc32(content, checksum)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return checksum


def _sweep_stale(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):  # another process may be removing it too
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


@contextmanager
def explain_write_errors(folder: Path, size: int) -> Iterator[None]:
    """Say of an error of writing which folder it is and how to choose another.

    Raises:
        OSError: the error, with the ``size`` in bytes of what was to be written.
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
