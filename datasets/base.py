"""The interface of datasets with known factors, and the registry of datasets."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorbench.registry import Registry, suggest_names
from priorbench.datasets.images import ImageDataset, Images, Indices, check_positive

registry = Registry("dataset", "priorbench.datasets")
register = registry.register
get = registry.get
names = registry.names


class FactorDataset(Images):
    """Images with the factors that made them: by default a complete grid of factors.

    In a complete grid every combination of levels occurs once, the first factor varying
    slowest, so the factors of an image follow from its index. An author passes ``packed``
    where the images are binary or ``pixels`` where they are grey or coloured, and otherwise
    overrides :meth:`read_images`; a dataset that is no complete grid passes ``factor_table``,
    or overrides ``__len__`` and :meth:`read_factors`. Those methods get indices that have been
    checked.

    Args:
        name: the dataset's name, used in errors.
        factor_names: F different names.
        factor_sizes: number of levels of each factor, each >= 1.
        image_shape: (channels, height, width).
        packed: images of one bit per pixel, uint8 (N, ceil(channels * height * width / 8)), in
            the bit order of ``numpy.packbits`` (most significant bit first); None if not binary.
        pixels: images of one byte per pixel, uint8 (N, channels * height * width), channel by
            channel, 255 for 1; None if binary.
        factor_table: levels of the factors of each image, integers (N, F); None for a grid.
        excluded_factors: factors that the dataset's published MIG leaves out.

    Raises:
        ValueError: an argument that does not fit the others; it is named.

    Example:
        >>> corners = np.packbits(np.eye(4, dtype=np.uint8), axis=1)
        >>> data = FactorDataset("corners", ("y", "x"), (2, 2), (1, 2, 2), packed=corners)
        >>> data.images([3]).tolist(), data.factors([3]).tolist()
        ([[[[0.0, 0.0], [0.0, 1.0]]]], [[1, 1]])
    """

    def __init__(
        self,
        name: str,
        factor_names: Iterable[str],
        factor_sizes: Iterable[int],
        image_shape: Iterable[int],
        *,
        packed: np.ndarray | None = None,
        pixels: np.ndarray | None = None,
        factor_table: np.ndarray | None = None,
        excluded_factors: Iterable[str] = (),
    ) -> None:
        self.factor_names = tuple(factor_names)
        self.factor_sizes = check_positive("factor_sizes", factor_sizes)
        self.factor_table = factor_table
        self.excluded_factors = tuple(excluded_factors)
        super().__init__(name, image_shape, packed=packed, pixels=pixels)
        self._check()

    def __len__(self) -> int:
        """Number of images, N."""
        return (
            prod(self.factor_sizes)
            if self.factor_table is None
            else len(self.factor_table)
        )

    def __repr__(self) -> str:
        """Name, length and factors."""
        sizes = zip(self.factor_names, self.factor_sizes, strict=True)
        grid = ", ".join(f"{name}={size}" for name, size in sizes)
        return f"<{self.name}: {len(self)} images; {grid}>"

    def factors(self, indices: Indices | None = None) -> Tensor:
        """Levels of the factors at ``indices`` (n,), all when None: int64 (n, F), from 0.

        Raises:
            IndexError, ValueError: as for :meth:`images`.
        """
        rows = np.arange(len(self)) if indices is None else self._checked(indices)
        return self.read_factors(rows)

    def read_factors(self, rows: np.ndarray) -> Tensor:
        """Factors of valid ``rows``, int64 (n,): their digits, the last factor fastest."""
        if self.factor_table is not None:
            return torch.from_numpy(self.factor_table[rows].astype(np.int64))
        return torch.from_numpy(
            np.stack(np.unravel_index(rows, self.factor_sizes), axis=1)
        )

    def incomplete(self) -> str | None:
        """Why the factors are no complete grid, in words; None where they are one.

        Example:
            >>> pixels, table = np.zeros((3, 1), np.uint8), np.array([[0, 0], [0, 1], [1, 0]])
            >>> FactorDataset("l", ("y", "x"), (2, 2), (1, 1, 1), pixels=pixels,
            ...               factor_table=table).incomplete()
            'the combination y=1, x=1 is missing'
        """
        rows = np.ravel_multi_index(self.factors().numpy().T, self.factor_sizes)
        counts = np.bincount(rows, minlength=prod(self.factor_sizes))
        for fault, wrong in (
            ("is missing", counts == 0),
            ("occurs more than once", counts > 1),
        ):
            if wrong.any():
                levels = np.unravel_index(int(wrong.argmax()), self.factor_sizes)
                named = zip(self.factor_names, levels, strict=True)
                return (
                    f"the combination {', '.join(f'{n}={v}' for n, v in named)} {fault}"
                )
        return None

    def _check(self) -> None:
        names = self.factor_names
        if (
            not names
            or len(set(names)) < len(names)
            or len(names) != len(self.factor_sizes)
        ):
            raise ValueError(
                f"'factor_names' must be different names, one for each of "
                f"{len(self.factor_sizes)} 'factor_sizes'; got {names}"
            )
        for name in self.excluded_factors:
            if name not in names:
                raise ValueError(
                    f"'excluded_factors' has no factor {name!r}; "
                    f"{suggest_names(name, list(names))}"
                )
        if self.factor_table is not None:
            _check_table(self.factor_table, names, self.factor_sizes)
        self._check_stored(len(self))


def is_file(name: str) -> bool:
    """Whether a dataset's name is the path of a file of one's own."""
    return str(name).endswith(".npz")


def load_dataset(name: str, **options: Any) -> FactorDataset | ImageDataset:
    """The registered dataset ``name``, with the options its author gives it.

    A name that ends in ``.npz`` is the path of a file of your own; see
    :func:`priorbench.datasets.from_file`.

    Raises:
        ValueError: unknown name or option (near matches are suggested), or an option's value
            is refused.
        OSError: its files cannot be read or written, or downloaded.
    """
    if is_file(name):
        from priorbench.datasets.arrays import from_file

        return from_file(name, **options)
    dataset = registry.build(name, **options)
    if not isinstance(dataset, FactorDataset | ImageDataset):
        raise ValueError(
            f"dataset {name!r} must be a subclass of datasets.ImageDataset or "
            f"datasets.FactorDataset; got {type(dataset).__name__}"
        )
    return dataset


def _check_table(
    table: np.ndarray, names: tuple[str, ...], sizes: tuple[int, ...]
) -> None:
    if table.ndim != 2 or table.shape[1] != len(names) or table.dtype.kind not in "iu":
        raise ValueError(
            f"'factor_table' must be integers of shape (N, {len(names)}); "
            f"got {table.dtype} of shape {table.shape}"
        )
    for name, size, column in zip(names, sizes, table.T, strict=True):
        wrong = column[(column < 0) | (column >= size)]
        if wrong.size:
            raise ValueError(
                f"'factor_table' must give {name!r} levels from 0 to {size - 1}; "
                f"got {wrong[0]}"
            )
