"""A user's own images as a dataset, from arrays."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from priorbench.datasets.arguments import check_positive, check_seed
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset

CHUNK = 4096
"""Images that are converted at once."""

CHANNELS = (1, 3)
SPLITS = ("train", "valid", "test")


def from_array(
    images: Any,
    factors: Any = None,
    *,
    name: str = "array",
    factor_names: Sequence[str] | None = None,
    factor_sizes: Mapping[str, int] | Sequence[int] | None = None,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> FactorDataset | ImageDataset:
    """Return a dataset of your own images, with the factors that made them or without.

    Images of zeros and ones only are kept as bits, all others as bytes: values in [0,
    1] are rounded to 1/255. uint8 images with their channels before height and width
    are not copied: a memory-mapped array stays on the disk. Without factors the images
    are split at random, the same for the same ``seed``.

    Args:
        images: (N, H, W), (N, C, H, W) or (N, H, W, C) with C of 1 or 3; floating point
            in [0, 1], uint8 from 0 to 255, or bool.
        factors: values of the factors of each image, (N, F) or (N,); the different
            values of a factor, sorted, are its levels. They need not be a complete
            grid: see :meth:`priorbench.datasets.FactorDataset.incomplete`. A DataFrame
            gives the names too.
        name: what errors call the dataset.
        factor_names: names of the factors; factor0, factor1, ... if None.
        factor_sizes: in place of ``factors``, numbers of levels whose product is N, in
            order or by name: the images are a complete grid, the first factor varying
            slowest.
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
        >>> from_array(np.eye(4).reshape(4, 2, 2), factor_sizes={"y": 2, "x": 2})
        <array: 4 images; y=2, x=2>
    """
    stored, shape = store_images(images)
    ((kind, array),) = stored.items()
    if factors is None and factor_sizes is None:
        lengths = _split_lengths(len(array), valid, test)
        numbers = np.random.PCG64(check_seed(seed)).random_raw(len(array))
        order = np.argsort(numbers, kind="stable")
        return ImageDataset(name, shape, lengths, **{kind: array[order]})
    if factors is None:
        table, sizes, names = None, *_check_sizes(factor_sizes, len(array))
    elif factor_sizes is None:
        table, sizes, names = rank_factors(factors, len(array))
    else:
        raise ValueError("'factors' and 'factor_sizes' must not both be given")
    if factor_names is not None:
        names = list(factor_names)
    return FactorDataset(name, names, sizes, shape, factor_table=table, **stored)


def from_splits(splits: Mapping[str, np.ndarray], name: str) -> ImageDataset:
    """Return a dataset of images that are in splits.

    Args:
        splits: images, as for :func:`from_array`, by split; "train" is among them.
        name: what errors call the dataset.

    Raises:
        ValueError: the splits have images of different shapes, or what
            :func:`from_array` refuses.
    """
    expected = splits["train"].shape[1:]
    for key, images in splits.items():
        if images.shape[1:] != expected or not len(images):
            raise ValueError(
                f"{key!r} must hold images of the shape {expected} of 'train'; "
                f"got {images.shape}"
            )
    stored, shape = store_images(np.concatenate(list(splits.values())))
    lengths = {key: len(images) for key, images in splits.items()}
    return ImageDataset(name, shape, lengths, **stored)


def store_images(images: Any) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """Return images as ``packed`` or ``pixels``, and their shape (C, H, W).

    Args:
        images: as for :func:`from_array`, or what gives such arrays for a range of rows
            and has ``shape`` and ``dtype``, like a dataset of an HDF5 file.

    Raises:
        ValueError: as for :func:`from_array`.
    """
    if not isinstance(getattr(images, "dtype", None), np.dtype):
        images = np.asarray(images)
    shape, last = _find_shape(images.shape)
    if images.dtype.kind not in "iuf" and images.dtype != bool:
        raise ValueError(
            f"'images' must be floating point, uint8 or bool; got {images.dtype}"
        )
    binary, bytewise = _check_values(images), images.dtype == np.uint8
    if not binary and bytewise and not last and isinstance(images, np.ndarray):
        return {"pixels": images.reshape(len(images), -1)}, shape
    size = prod(shape)
    stored = np.empty((len(images), -(-size // 8) if binary else size), np.uint8)
    for start, chunk in _read_chunks(images):
        if last:
            chunk = np.moveaxis(chunk, 3, 1)
        flat = chunk.reshape(len(chunk), -1)
        if binary:
            flat = np.packbits(flat.astype(np.uint8), axis=1)
        elif not bytewise:
            flat = np.rint(flat * 255)
        stored[start : start + len(chunk)] = flat
    return {"packed" if binary else "pixels": stored}, shape


def _find_shape(shape: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """Return the images' shape (C, H, W), and whether their channels come last."""
    if len(shape) == 3 and prod(shape) > 0:
        return (1, *shape[1:]), False
    if len(shape) == 4 and prod(shape) > 0:
        if shape[1] in CHANNELS:
            return shape[1:], False
        if shape[3] in CHANNELS:
            return (shape[3], *shape[1:3]), True
    raise ValueError(
        "'images' must have the shape (N, H, W), (N, C, H, W) or (N, H, W, C) "
        f"with C of 1 or 3, none of them 0; got {shape}"
    )


def _read_chunks(images: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the rows of some images at a time."""
    for start in range(0, len(images), CHUNK):
        yield start, np.asarray(images[start : start + CHUNK])


def _check_values(images: Any) -> bool:
    """Check the range of the images; return whether all are zeros and ones."""
    low, high, binary = np.inf, -np.inf, True
    for _, chunk in _read_chunks(images):
        # NaN stays NaN, which no comparison finds in [0, 1]
        low, high = np.minimum(low, chunk.min()), np.maximum(high, chunk.max())
        if chunk.dtype.kind == "f":
            binary = binary and bool(((chunk == 0) | (chunk == 1)).all())
    if images.dtype != np.uint8 and not (low >= 0 and high <= 1):
        hint = _hint_range(images.dtype, low, high)
        for start, chunk in _read_chunks(images):
            good = (chunk >= 0) & (chunk <= 1)
            if not good.all():
                number, *at = np.unravel_index(int(np.argmin(good)), chunk.shape)
                last = _find_shape(images.shape)[1]
                row, column = at[:2] if last else at[-2:]
                raise ValueError(
                    "'images' must lie in [0, 1] unless they are uint8; got "
                    f"{chunk[(number, *at)]} in image {start + number}, row {row}, "
                    f"column {column}{hint}"
                )
    return binary and high <= 1


def _hint_range(dtype: np.dtype, low: float, high: float) -> str:
    """Return what would bring images into [0, 1], where that is plain; else ""."""
    if dtype.kind in "iu" and low >= 0:
        most = 255 if high <= 255 else np.iinfo(dtype).max
        return f"; divide them by {most}, or save them as uint8"
    if -1 <= low < 0 and high <= 1:
        return "; if they lie in [-1, 1], save (images + 1) / 2"
    if low >= 0 and 1 < high <= 255:
        return "; if they lie in [0, 255], save images / 255"
    return ""


def _check_sizes(
    sizes: Mapping[str, int] | Sequence[int] | None, count: int
) -> tuple[list[int], list[str]]:
    """Return the sizes and names of the factors of a complete grid of images."""
    named = isinstance(sizes, Mapping)
    checked = list(check_positive("factor_sizes", sizes.values() if named else sizes))
    if prod(checked) != count:
        product = " × ".join(map(str, checked))
        raise ValueError(
            f"'factor_sizes' must multiply to the number of images, {count}; "
            f"got {product} = {prod(checked)}"
        )
    names = list(sizes) if named else [f"factor{i}" for i in range(len(checked))]
    return checked, names


def rank_factors(factors: Any, count: int) -> tuple[np.ndarray, list[int], list[str]]:
    """Return the levels of factors' values, and the factors' sizes and names.

    Args:
        factors: (count, F) or (count,), or a DataFrame.
        count: number of images.

    Returns:
        levels: (count, F), the rank of each value among the factor's different ones.
        sizes: number of different values of each factor.
        names: of a DataFrame's columns, otherwise factor0, factor1, ...

    Raises:
        ValueError: another shape, or a value that is missing or cannot be ordered.
    """
    named = isinstance(factors, pd.DataFrame)
    values = factors if named else np.asarray(factors)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != count or not values.shape[1]:
        raise ValueError(
            f"'factors' must have the shape ({count}, F), a row for each image; "
            f"got {values.shape}"
        )
    table = pd.DataFrame(values)
    names = [str(column) if named else f"factor{column}" for column in table.columns]
    levels, sizes = np.empty(table.shape, np.int64), []
    for f, name in enumerate(names):
        column = table.iloc[:, f]
        if column.isna().any():
            row = int(column.isna().argmax())
            raise ValueError(
                f"'factors' must have a value for every image; got NaN in row {row} "
                f"of {name!r}"
            )
        try:
            levels[:, f], different = pd.factorize(column, sort=True)
        except TypeError as error:
            raise ValueError(
                f"'factors' must give {name!r} values that can be ordered: {error}"
            ) from error
        sizes.append(len(different))
    return levels, sizes, names


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
