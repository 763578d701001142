"""A user's own images as a dataset: from arrays, or from an ``.npz`` file."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from priorbench.datasets.arguments import check_seed
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.files.verify import check_file_kind, explain_read_errors
from priorbench.datasets.images import ImageDataset
from priorbench.registry import suggest_names

SPLITS = ("train", "valid", "test")
MEMBERS = (*SPLITS, "images", "factors", "factor_names")
"""What :func:`from_file` reads of a file; any other member is left alone."""

OPTIONS = ("name", "factor_names", "valid", "test", "seed")
"""What :func:`from_file` hands on to :func:`from_array`."""


def from_array(
    images: Any,
    factors: Any = None,
    *,
    name: str = "array",
    factor_names: Sequence[str] | None = None,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> FactorDataset | ImageDataset:
    """Return a dataset of your own images, with the factors that made them or without.

    Images of zeros and ones only are kept as bits, all others as bytes: values in [0,
    1] are rounded to 1/255. Without factors the images are split at random, the same
    for the same ``seed``.

    Args:
        images: (N, H, W), (N, C, H, W) or (N, H, W, C) with C of 1 or 3; floating point
            in [0, 1], uint8 from 0 to 255, or bool.
        factors: values of the factors of each image, (N, F) or (N,); the different
            values of a factor, sorted, are its levels. They need not be a complete
            grid: see :meth:`priorbench.datasets.FactorDataset.incomplete`.
        name: what errors call the dataset.
        factor_names: names of the factors; factor0, factor1, ... if None.
        valid: part of the images in this split, where there are no factors.
        test: part of the images in the test split, likewise.
        seed: of the random split, >= 0.

    Raises:
        ValueError: a wrong shape or type, a value outside its range or not a number;
            the message names the argument, and where in it the value is.

    Example:
        >>> grid = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> data = from_array(np.eye(4).reshape(4, 2, 2), grid)
        >>> data, data.incomplete()
        (<array: 4 images; factor0=2, factor1=2>, None)
    """
    stored, shape = _store_images(np.asarray(images))
    ((kind, array),) = stored.items()
    if factors is not None:
        table, sizes = _rank_factors(np.asarray(factors), len(array))
        names = factor_names or [f"factor{i}" for i in range(len(sizes))]
        return FactorDataset(name, names, sizes, shape, factor_table=table, **stored)
    lengths = _split_lengths(len(array), valid, test)
    numbers = np.random.PCG64(check_seed(seed)).random_raw(len(array))
    order = np.argsort(numbers, kind="stable")
    return ImageDataset(name, shape, lengths, **{kind: array[order]})


def from_file(path: str | Path, **options: Any) -> FactorDataset | ImageDataset:
    """Return a dataset from your own ``.npz`` file.

    The file holds ``images`` and perhaps ``factors`` and ``factor_names``, as for
    :func:`from_array`, or else ``train``, ``valid`` and ``test``.

    Args:
        path: the file; its name without the ending is the dataset's name.
        options: as for :func:`from_array`; of a file with splits, the name only.

    Raises:
        ValueError: no such file or not an ``.npz`` file, pickled content, or what
            :func:`from_array` refuses; the message names the file.
    """
    path = Path(path).expanduser()
    for option in options:
        if option not in OPTIONS:
            known = suggest_names(option, OPTIONS)
            raise ValueError(f"a dataset of a file has no argument {option!r}; {known}")
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r} to load a dataset from")
    check_file_kind(path)
    with explain_read_errors(path, "an .npz file of arrays that are not pickled"):
        file = np.load(path, allow_pickle=False)
        with file:
            # members that nothing asks for are not read: one may be pickled
            arrays = {key: file[key] for key in MEMBERS if key in file.files}
            names = file.files
    try:
        return _from_members(arrays, names, {"name": path.stem, **options})
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error


def _from_members(
    arrays: dict[str, np.ndarray], names: Sequence[str], options: dict[str, Any]
) -> FactorDataset | ImageDataset:
    """Return the dataset of a file's arrays; ``names`` are those of all its members."""
    if "train" in arrays:
        for option in options:
            if option != "name":
                raise ValueError(f"{option!r} does not go with images in splits")
        return _from_splits(arrays, options["name"])
    if "images" not in arrays:
        raise ValueError(
            f"expected 'images', or 'train', 'valid' and 'test'; got "
            f"{', '.join(names) or 'nothing'}"
        )
    if "factor_names" in arrays:
        options.setdefault("factor_names", arrays["factor_names"].tolist())
    return from_array(arrays["images"], arrays.get("factors"), **options)


def _from_splits(arrays: dict[str, np.ndarray], name: str) -> ImageDataset:
    """Return the dataset of a file that has its images in splits."""
    splits = {key: arrays[key] for key in SPLITS if key in arrays}
    expected = splits["train"].shape[1:]
    for key, images in splits.items():
        if images.shape[1:] != expected or not len(images):
            raise ValueError(
                f"{key!r} must hold images of the shape {expected} of 'train'; "
                f"got {images.shape}"
            )
    stored, shape = _store_images(np.concatenate(list(splits.values())))
    lengths = {key: len(images) for key, images in splits.items()}
    return ImageDataset(name, shape, lengths, **stored)


def _store_images(images: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """Return the images as ``packed`` or ``pixels``, and their shape (C, H, W)."""
    channels = (1, 3)
    if images.ndim == 3:
        images = images[:, None]
    last = images.ndim == 4 and images.shape[3] in channels
    if last and images.shape[1] not in channels:
        images = images.transpose(0, 3, 1, 2)
    fits = images.ndim == 4 and images.shape[1] in channels and prod(images.shape) > 0
    if not fits:
        raise ValueError(
            "'images' must have the shape (N, H, W), (N, C, H, W) or (N, H, W, C) "
            f"with C of 1 or 3, none of them 0; got {images.shape}"
        )
    if images.dtype.kind not in "iuf" and images.dtype != bool:
        raise ValueError(
            f"'images' must be floating point, uint8 or bool; got {images.dtype}"
        )
    if images.dtype != np.uint8:
        good = (images >= 0) & (images <= 1)
        if not good.all():
            at = np.unravel_index(int(np.argmin(good)), images.shape)
            number, _, row, column = at
            raise ValueError(
                f"'images' must lie in [0, 1] unless they are uint8; got {images[at]} "
                f"in image {number}, row {row}, column {column}{_hint_range(images)}"
            )
    shape = images.shape[1:]
    flat = images.reshape(len(images), -1)
    if ((flat == 0) | (flat == 1)).all():
        return {"packed": np.packbits(flat.astype(np.uint8), axis=1)}, shape
    if flat.dtype != np.uint8:
        flat = np.rint(flat * 255).astype(np.uint8)
    return {"pixels": np.ascontiguousarray(flat)}, shape


def _hint_range(images: np.ndarray) -> str:
    """Return what would bring images into [0, 1], where that is plain; else ""."""
    low, high = images.min(), images.max()
    if images.dtype.kind in "iu" and low >= 0:
        most = 255 if high <= 255 else np.iinfo(images.dtype).max
        return f"; divide them by {most}, or save them as uint8"
    if -1 <= low < 0 and high <= 1:
        return "; if they lie in [-1, 1], save (images + 1) / 2"
    if low >= 0 and 1 < high <= 255:
        return "; if they lie in [0, 255], save images / 255"
    return ""


def _rank_factors(values: np.ndarray, count: int) -> tuple[np.ndarray, list[int]]:
    """Return the levels (N, F) of the factors' values, and the number of each one's."""
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != count or not values.shape[1]:
        raise ValueError(
            f"'factors' must have the shape ({count}, F), a row for each image; "
            f"got {values.shape}"
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        row = int(np.isnan(values).any(axis=1).argmax())
        raise ValueError(f"'factors' must be numbers; got NaN in row {row}")
    ranked = [np.unique(column, return_inverse=True) for column in values.T]
    levels = np.stack([inverse.reshape(-1) for _, inverse in ranked], axis=1)
    return levels, [len(different) for different, _ in ranked]


def _split_lengths(count: int, valid: float, test: float) -> dict[str, int]:
    """Return the number of images in each split of ``count`` images."""
    for argument, part in (("valid", valid), ("test", test)):
        if not 0 < part < 1 or not valid + test < 1:
            raise ValueError(
                f"{argument!r} must be a part between 0 and 1, and 'valid' and 'test' "
                f"less than 1 together; got {part}"
            )
    held_out = {"valid": round(count * valid), "test": round(count * test)}
    lengths = {"train": count - sum(held_out.values()), **held_out}
    if min(lengths.values()) < 1:
        raise ValueError(
            f"'images' must be enough for the splits; {count} give {lengths}"
        )
    return lengths
