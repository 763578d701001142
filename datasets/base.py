"""The interface of datasets with known factors, and the registry of datasets."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.registry import Registry, suggest

registry = Registry("dataset", "priorbench.datasets")
register = registry.register
get = registry.get
names = registry.names

Indices = Sequence[int] | np.ndarray | Tensor


class FactorDataset:
    """Images with the factors that made them: by default a complete grid of factors.

    In a complete grid every combination of levels occurs once, the first factor varying
    slowest, so the factors of an image follow from its index. An author passes ``packed``
    where the images are binary or ``raw`` where they have a byte per value, and otherwise
    overrides :meth:`read_images`; a dataset that is no complete grid also overrides ``__len__``
    and :meth:`read_factors`. Those methods get indices that have been checked.

    Args:
        name: the dataset's name, used in errors.
        factor_names: F different names.
        factor_sizes: number of levels of each factor, each >= 1.
        image_shape: (channels, height, width).
        packed: images of one bit per pixel, uint8 (N, ceil(channels * height * width / 8)), in
            the bit order of ``numpy.packbits`` (most significant bit first); None if not binary.
        raw: images of one byte per value, 255 for one, uint8 (N, channels * height * width);
            None if there are none. Not with ``packed``.
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
        self, name: str, factor_names: Iterable[str], factor_sizes: Iterable[int],
        image_shape: Iterable[int], *, packed: np.ndarray | None = None,
        raw: np.ndarray | None = None, excluded_factors: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.factor_names = tuple(factor_names)
        self.factor_sizes = _positive("factor_sizes", factor_sizes)
        self.image_shape = _positive("image_shape", image_shape)
        self.excluded_factors = tuple(excluded_factors)
        self.packed = packed
        self.raw = raw
        self._check()

    def __len__(self) -> int:
        """Number of images, N."""
        return prod(self.factor_sizes)

    def __repr__(self) -> str:
        """Name, length and factors."""
        sizes = zip(self.factor_names, self.factor_sizes, strict=True)
        grid = ", ".join(f"{name}={size}" for name, size in sizes)
        return f"<{self.name}: {len(self)} images; {grid}>"

    def images(self, indices: Indices) -> Tensor:
        """Images at ``indices`` (n,): float32 (n, channels, height, width) in [0, 1].

        Raises:
            IndexError: an index is negative, or not below the length.
            ValueError: the indices are not one-dimensional integers.
        """
        return self.read_images(self._checked(indices))

    def factors(self, indices: Indices | None = None) -> Tensor:
        """Levels of the factors at ``indices`` (n,), all when None: int64 (n, F), from 0.

        Raises:
            IndexError, ValueError: as for :meth:`images`.
        """
        rows = np.arange(len(self)) if indices is None else self._checked(indices)
        return self.read_factors(rows)

    def read_images(self, rows: np.ndarray) -> Tensor:
        """Images of valid ``rows``, int64 (n,); only these are unpacked."""
        if self.raw is not None:
            values = torch.from_numpy(np.array(self.raw[rows])).float().div_(255)
            return values.view(len(rows), *self.image_shape)
        if self.packed is None:
            raise NotImplementedError(f"{type(self).__name__} must define read_images(rows)")
        bits = np.unpackbits(self.packed[rows], axis=1, count=prod(self.image_shape))
        return torch.from_numpy(bits).view(len(rows), *self.image_shape).float()

    def read_factors(self, rows: np.ndarray) -> Tensor:
        """Factors of valid ``rows``, int64 (n,): their digits, the last factor fastest."""
        return torch.from_numpy(np.stack(np.unravel_index(rows, self.factor_sizes), axis=1))

    def _checked(self, indices: Indices) -> np.ndarray:
        if isinstance(indices, Tensor):
            indices = indices.detach().cpu().numpy()
        rows = np.asarray(indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError("'indices' must be a one-dimensional sequence of integers; "
                             f"got {rows.dtype} of shape {rows.shape}")
        wrong = rows[(rows < 0) | (rows >= len(self))]
        if wrong.size:
            raise IndexError(f"index {wrong[0]} is out of range for dataset {self.name!r} "
                             f"of length {len(self)}")
        return rows.astype(np.int64)

    def _check(self) -> None:
        names = self.factor_names
        if not names or len(set(names)) < len(names) or len(names) != len(self.factor_sizes):
            raise ValueError(f"'factor_names' must be different names, one for each of "
                             f"{len(self.factor_sizes)} 'factor_sizes'; got {names}")
        if len(self.image_shape) != 3:
            raise ValueError("'image_shape' must be (channels, height, width); "
                             f"got {self.image_shape}")
        for name in self.excluded_factors:
            if name not in names:
                raise ValueError(f"'excluded_factors' has no factor {name!r}; "
                                 f"{suggest(name, list(names))}")
        if self.packed is not None and self.raw is not None:
            raise ValueError("'packed' and 'raw' must not both be given; got both")
        size = prod(self.image_shape)
        for argument, given, width in (("packed", self.packed, -(-size // 8)),
                                       ("raw", self.raw, size)):
            expected = (len(self), width)
            if given is not None and (given.shape != expected or given.dtype != np.uint8):
                raise ValueError(f"{argument!r} must be uint8 of shape {expected}; "
                                 f"got {given.dtype} of shape {given.shape}")


def load(name: str, **options: Any) -> FactorDataset:
    """The registered dataset ``name``, with the options its author gives it.

    Raises:
        ValueError: unknown name or option (near matches are suggested), or an option's value
            is refused.
        OSError: its files cannot be read or written.
    """
    dataset = registry.build(name, **options)
    if not isinstance(dataset, FactorDataset):
        raise ValueError(f"dataset {name!r} must be a subclass of datasets.FactorDataset; "
                         f"got {type(dataset).__name__}")
    return dataset


def _positive(argument: str, values: Iterable[int]) -> tuple[int, ...]:
    values = tuple(values)
    for value in values:
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{argument!r} must be positive integers; got {values}")
    return tuple(int(value) for value in values)
