"""Where the files that datasets are made from lie, and whether they are what they should be."""

import gzip
import logging
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pooch
from scipy.io.matlab import MatReadError

from priorbench.datasets.files import cache, download
from priorbench.datasets.about import Original

log = logging.getLogger("priorbench.datasets")

_FOLDER: ContextVar[Path | None] = ContextVar(
    "folder of the user's own originals", default=None
)
# What gzip, tarfile, zipfile and scipy raise, in turn, for damaged, truncated and other files.
_READING = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    RuntimeError,
    OSError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    MatReadError,
)


@contextmanager
def look_in_folder(folder: Path | str) -> Iterator[None]:
    """Take original files from ``folder``, or its subfolder named after the dataset, only.

    Raises:
        ValueError: there is no such folder.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f"no folder {str(folder)!r} to take files from")
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def get_chosen_folder() -> Path | None:
    """The folder of :func:`look_in_folder`, None outside of it."""
    return _FOLDER.get()


def find_original(dataset: str, name: str) -> Path | None:
    """Path of the file ``name`` of ``dataset``, None if it is not here.

    It is looked for in the folder of :func:`look_in_folder`, or else in the data folder, in either
    also in the subfolder with the dataset's name, and among the downloads.
    """
    chosen, data = _FOLDER.get(), cache.data_folder()
    places = (
        [chosen, chosen / dataset]
        if chosen
        else [data, data / dataset, get_download_folder(dataset)]
    )
    return next((place / name for place in places if (place / name).is_file()), None)


def get_download_folder(dataset: str) -> Path:
    """Folder of the files downloaded for ``dataset``."""
    return cache.data_folder() / "downloads" / dataset


def obtain_original(dataset: str, original: Original, progress: bool = True) -> Path:
    """Path of an original file: the user's own, or else downloaded; it is checked.

    Raises:
        ValueError: the file is not what it should be; what was expected and came is said.
        OSError: it is not here and cannot be downloaded, with where to put it.
    """
    path = find_original(dataset, original.name)
    if path is None and _FOLDER.get() is not None:
        raise FileNotFoundError(
            f"{dataset!r} needs the file {original.name!r}, which is not in "
            f"the folder {str(_FOLDER.get())!r} nor in its {dataset!r}"
        )
    if path is None:
        path = download.fetch_original(original, get_download_folder(dataset), progress)
    check_original(path, original)
    return path


def check_original(path: Path, original: Original) -> None:
    """See that ``path`` is the ``original``.

    Raises:
        ValueError: it is empty, an HTML page, a pickle, or its checksum differs.
    """
    check_nature(path, original)
    fault = _find_difference(path, original.checksum)
    if fault:
        raise ValueError(
            f"{str(path)!r} is not the file {original.name!r} that was expected: "
            f"{fault}; remove it or replace it"
        )


def check_nature(path: Path, original: Original) -> None:
    """See by its first bytes that ``path`` may be the ``original``.

    Raises:
        ValueError: it is empty, an HTML page or a pickle.
    """
    with path.open("rb") as file:
        fault = find_wrong_nature(file.read(512))
    if fault:
        raise ValueError(
            f"{str(path)!r} is not the file {original.name!r} that was expected: "
            f"{fault}; remove it or replace it"
        )


def find_wrong_nature(head: bytes) -> str | None:
    """What is wrong with a file that begins with ``head``, None if nothing is known.

    Example:
        >>> find_wrong_nature(b"<!DOCTYPE html><html>"), find_wrong_nature(b"PK")
        ('it is an HTML page', None)
    """
    if not head:
        return "it is empty"
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page"
    if head[0] == 0x80 and len(head) > 1 and head[1] in range(2, 6):
        return "it is a pickle, which is never opened because it may run programs"
    return None


def _find_difference(path: Path, checksum: str | None) -> str | None:
    if checksum is None:
        log.warning("%s is not verified: no checksum of it is known", path)
        return None
    algorithm, _, expected = checksum.partition(":")
    came = pooch.file_hash(str(path), alg=algorithm)
    if came == expected:
        return None
    return f"expected {algorithm} {expected}, got {came} of {path.stat().st_size} bytes"


@contextmanager
def explain_read_errors(path: Path | str, what: str) -> Iterator[None]:
    """Turn whatever a damaged or foreign file makes its reader raise into a ValueError.

    Example:
        >>> with explain_read_errors("x.mat", "a MATLAB file"):
        ...     raise EOFError("the end")
        Traceback (most recent call last):
        ValueError: 'x.mat' is not what it should be, a MATLAB file: the end; replace it
    """
    try:
        yield
    except _READING as error:
        raise ValueError(
            f"{str(path)!r} is not what it should be, {what}: "
            f"{error or type(error).__name__}; replace it"
        ) from error
