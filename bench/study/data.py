"""The data set of a study: loaded once, and identified by what is in it."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from priorbench.bench.study.grid import Plugin
from priorbench.bench.study.identity import DIGITS, hash_values
from priorbench.bench.study.sources import hash_definition
from priorbench.datasets.base import FactorDataset, registry
from priorbench.datasets.images import ImageDataset, Images
from priorbench.datasets.load import check_exists, is_path, list_files, load_dataset
from priorbench.paths import expand_path

SAMPLED = 20_000
"""Images by which a data set of a user's own class is identified."""

CHUNK = 1_000
"""Images that are read at once."""


@lru_cache(maxsize=1)
def load_study_dataset(plugin: Plugin) -> Images:
    """Load a data set; the last one is kept, for the next experiment on it.

    Raises:
        ValueError, OSError: it is unknown, or cannot be read.
    """
    return load_dataset(plugin.name, **plugin.arguments)


def identify_dataset(plugin: Plugin) -> dict[str, Any]:
    """Return name and arguments of a data set, with the content in place of paths.

    A file is known by its bytes, wherever it lies, and a folder by those of its files.
    A class of the user's own is known by its images and factors too, for they may come
    from files that changed.

    Raises:
        ValueError, OSError: it is unknown, or cannot be read.
    """
    identity = {key: _identify_value(value) for key, value in plugin.arguments.items()}
    if is_path(plugin.name):
        path = expand_path(plugin.name)
        check_exists(path)
        if path.is_dir():
            return {"name": _hash_folder(path), **identity}
        return {"name": _identify_value(plugin.name), **identity}
    if hash_definition(registry.get(plugin.name)) is not None:
        identity["content"] = _hash_images(plugin)
    return {"name": plugin.name, **identity}


def _identify_value(value: Any) -> Any:
    """Return an argument, or the hash of the file that it is the path of."""
    if isinstance(value, str) and ("." in value or "/" in value):
        path = expand_path(value)
        if path.is_file():
            status = path.stat()
            return f"file:{_hash_file(path.resolve(), status.st_mtime, status.st_size)}"
    return value


def _hash_folder(folder: Path) -> str:
    files = {
        str(p.relative_to(folder)): _identify_value(str(p)) for p in list_files(folder)
    }
    return f"folder:{hash_values(files)}"


@cache
def _hash_file(path: Path, changed: float, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


@lru_cache(maxsize=1)
def _hash_images(plugin: Plugin) -> str:
    """Return the hash of images, evenly spaced over a data set, and of its factors."""
    dataset, digest = load_study_dataset(plugin), hashlib.sha256()
    if isinstance(dataset, ImageDataset):
        parts = [dataset.split(name) for name in dataset.lengths]
    else:
        parts = [dataset]
    for part in parts:
        spaced = np.linspace(0, len(part) - 1, min(len(part), SAMPLED))
        rows = np.unique(spaced.astype(np.int64))
        digest.update(f"{type(part).__name__} {len(part)} {part.image_shape}".encode())
        for start in range(0, len(rows), CHUNK):
            images = part.images(rows[start : start + CHUNK])
            digest.update(images.contiguous().numpy().tobytes())
        if isinstance(part, FactorDataset):
            digest.update(f"{part.factor_names} {part.factor_sizes}".encode())
            digest.update(part.factors().contiguous().numpy().tobytes())
    return digest.hexdigest()[:DIGITS]
