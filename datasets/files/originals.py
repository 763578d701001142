"""Original files of datasets: found among the user's own, or downloaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from priorbench.datasets.about import Original
from priorbench.datasets.files.cache import get_data_folder
from priorbench.datasets.files.download import fetch_original
from priorbench.datasets.files.verify import check_original
from priorbench.paths import expand_path

_own_folder: ContextVar[Path | None] = ContextVar("own_folder", default=None)
"""The user's folder of originals, where one was given."""


@contextmanager
def take_originals_from(folder: Path | str) -> Iterator[None]:
    """Take original files from a folder only, or its subfolder named after the dataset.

    Nothing is downloaded within the context.

    Raises:
        ValueError: there is no such folder.
    """
    folder = expand_path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {str(folder)!r} to take files from")
    token = _own_folder.set(folder)
    try:
        yield
    finally:
        _own_folder.reset(token)


def find_original(dataset: str, name: str) -> Path | None:
    """Return the path of the file ``name`` of a dataset; None if it is not here.

    The file may be in the folder of :func:`take_originals_from`, or else in the data
    folder; in either also in the subfolder named after the dataset; and among the
    downloads.
    """
    own, data = _own_folder.get(), get_data_folder()
    if own is not None:
        folders = [own, own / dataset]
    else:
        folders = [data, data / dataset, _get_download_folder(dataset)]
    return next((path for f in folders if (path := f / name).is_file()), None)


def locate_original(dataset: str, name: str) -> Path:
    """Return the path of the file ``name``, or where to put it if it is not here."""
    expected = (_own_folder.get() or get_data_folder()) / name
    return find_original(dataset, name) or expected


def obtain_original(dataset: str, original: Original, progress: bool = True) -> Path:
    """Return the path of an original file: the user's own, or else downloaded; checked.

    Args:
        dataset: name of the dataset.
        original: the file.
        progress: show the progress of a download on a terminal.

    Raises:
        ValueError: the file is not what it should be; the message has what was expected
            and what came.
        OSError: it is not here and cannot be downloaded; the message has where to put
            it.
    """
    path, own = find_original(dataset, original.name), _own_folder.get()
    if path is None and own is not None:
        raise FileNotFoundError(
            f"{dataset!r} needs the file {original.name!r}, which is not in "
            f"the folder {str(own)!r} nor in its subfolder {dataset!r}"
        )
    if path is None:
        path = fetch_original(original, _get_download_folder(dataset), progress)
    check_original(path, original)
    return path


def _get_download_folder(dataset: str) -> Path:
    return get_data_folder() / "downloads" / dataset
