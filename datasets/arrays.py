"""A user's own images as a dataset: from arrays, or from an .npz file."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from priorbench.datasets.about import Original
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.files.originals import check_nature, explain_read_errors

SPLITS = ("train", "valid", "test")


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
    """A dataset of your own images, with the factors that made them or without.

    Images of zeros and ones only are kept as bits, all others as bytes: values in [0, 1] are
    rounded to 1/255. Without factors the images are split at random, the same by ``seed``.

    Args:
        images: (N, H, W), (N, C, H, W) or (N, H, W, C) with C of 1 or 3; floating point in
            [0, 1], uint8 from 0 to 255, or bool.
        factors: values of the factors of each image, (N, F) or (N,); a factor's different values,
            sorted, are its levels. They need not be a complete grid: see
            :meth:`datasets.FactorDataset.incomplete`.
        name: what the dataset is called in errors.
        factor_names: names of the factors; factor0, factor1, ... if None.
        valid: part of the images that goes into this split, where there are no factors.
        test: the same for the test split.
        seed: number of the random split.

    Raises:
        ValueError: a wrong shape or type, a value outside its range or not a number; it is said
            which and where.

    Example:
        >>> data = from_array(np.eye(4).reshape(4, 2, 2), [[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> data, data.incomplete()
        (<array: 4 images; factor0=2, factor1=2>, None)
    """
    stored, shape = _store_images(np.asarray(images))
    if factors is not None:
        return _make_factor_dataset(
            stored, shape, np.asarray(factors), name, factor_names
        )
    count = len(next(iter(stored.values())))
    lengths = _split_lengths(count, valid, test)
    order = np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
    return ImageDataset(
        name, shape, lengths, **{k: v[order] for k, v in stored.items()}
    )


def from_file(path: str | Path, **options: Any) -> FactorDataset | ImageDataset:
    """A dataset from your own ``.npz`` file.

    It holds ``images`` and perhaps ``factors`` and ``factor_names``, as for :func:`from_array`,
    or else ``train``, ``valid`` and ``test``.

    Raises:
        ValueError: no such file or no ``.npz`` file, pickled content, or what :func:`from_array`
            refuses; the file is named.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r} to take a dataset from")
    check_nature(path, Original(path.name))
    with explain_read_errors(path, "an .npz file of arrays that are not pickled"):
        with np.load(path, allow_pickle=False) as file:
            content = {key: file[key] for key in file.files}
        given = {"name": path.stem, **options}
        if "train" in content:
            return _from_splits(content, **given)
        if "images" not in content:
            raise ValueError(
                f"expected 'images', or 'train', 'valid' and 'test'; got "
                f"{', '.join(content) or 'nothing'}"
            )
        if "factor_names" in content:
            given.setdefault("factor_names", content["factor_names"].tolist())
        return from_array(content["images"], content.get("factors"), **given)


def _from_splits(content: dict[str, np.ndarray], name: str) -> ImageDataset:
    splits = {key: content[key] for key in SPLITS if key in content}
    for key, images in splits.items():
        if images.shape[1:] != splits["train"].shape[1:] or not len(images):
            raise ValueError(
                f"{key!r} must hold images of the shape "
                f"{splits['train'].shape[1:]} of 'train'; got {images.shape}"
            )
    stored, shape = _store_images(np.concatenate(list(splits.values())))
    return ImageDataset(
        name, shape, {key: len(images) for key, images in splits.items()}, **stored
    )


def _store_images(images: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """The images as ``packed`` or ``pixels``, and their shape (C, H, W)."""
    if images.ndim == 3:
        images = images[:, None]
    elif (
        images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3)
    ):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not prod(images.shape):
        raise ValueError(
            "'images' must have the shape (N, H, W), (N, C, H, W) or (N, H, W, C) "
            f"with C of 1 or 3, none of them 0; got {images.shape}"
        )
    _check_range(images)
    flat = images.reshape(len(images), -1)
    if ((flat == 0) | (flat == 1)).all():
        return {"packed": np.packbits(flat.astype(np.uint8), axis=1)}, images.shape[1:]
    pixels = flat if flat.dtype == np.uint8 else np.rint(flat * 255).astype(np.uint8)
    return {"pixels": np.ascontiguousarray(pixels)}, images.shape[1:]


def _check_range(images: np.ndarray) -> None:
    if images.dtype == np.uint8 or images.dtype == bool:
        return
    if images.dtype.kind not in "iuf":
        raise ValueError(
            f"'images' must be floating point, uint8 or bool; got {images.dtype}"
        )
    good = (images >= 0) & (images <= 1)
    if not good.all():
        place = np.unravel_index(int(np.argmin(good)), images.shape)
        raise ValueError(
            f"'images' must lie in [0, 1] unless they are uint8; got {images[place]} "
            f"in image {place[0]}, row {place[2]}, column {place[3]}"
        )


def _make_factor_dataset(
    stored: dict[str, np.ndarray],
    shape: tuple[int, ...],
    factors: np.ndarray,
    name: str,
    factor_names: Sequence[str] | None,
) -> FactorDataset:
    count = len(next(iter(stored.values())))
    factors = factors[:, None] if factors.ndim == 1 else factors
    if factors.ndim != 2 or len(factors) != count or not factors.shape[1]:
        raise ValueError(
            f"'factors' must have the shape ({count}, F), a row for each image; "
            f"got {factors.shape}"
        )
    if factors.dtype.kind == "f" and np.isnan(factors).any():
        raise ValueError(
            "'factors' must be numbers; got NaN in row "
            f"{int(np.isnan(factors).any(axis=1).argmax())}"
        )
    ranked = [np.unique(column, return_inverse=True) for column in factors.T]
    table = np.stack([inverse.reshape(-1) for _, inverse in ranked], axis=1)
    chosen = factor_names or [f"factor{i}" for i in range(factors.shape[1])]
    return FactorDataset(
        name,
        chosen,
        [len(values) for values, _ in ranked],
        shape,
        factor_table=table,
        **stored,
    )


def _split_lengths(count: int, valid: float, test: float) -> dict[str, int]:
    for argument, part in (("valid", valid), ("test", test)):
        if not 0 < part < 1 or not valid + test < 1:
            raise ValueError(
                f"{argument!r} must be a part between 0 and 1, and 'valid' and 'test' "
                f"less than 1 together; got {part}"
            )
    held = {"valid": round(count * valid), "test": round(count * test)}
    lengths = {"train": count - sum(held.values()), **held}
    if min(lengths.values()) < 1:
        raise ValueError(
            f"'images' must be enough for the splits; {count} give {lengths}"
        )
    return lengths
