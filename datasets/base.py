"""The interface of datasets with known factors, and the registry of datasets."""

from collections.abc import Iterable
from math import prod

import numpy as np
import torch
from torch import Tensor

from priorbench.datasets.arguments import check_positive
from priorbench.datasets.factor_grid import (
    describe_levels,
    find_distinct_rows,
    find_row_levels,
    list_first_combinations,
)
from priorbench.datasets.images import Images, Indices
from priorbench.registry import Registry, suggest_names

registry = Registry(
    "dataset",
    "priorbench.datasets",
    hint="; your own images are named by their path, like mine.npz or ./pictures/",
)
register = registry.register

RESERVED_NAMES = frozenset(
    (
        "all_factors",
        "error",
        "groups",
        "groups_se",
        "harmonic_latents",
        "histogram",
        "monte_carlo_latents",
        "quadrature_latents",
        "sampled",
        "sampled_se",
        "sup",
        "sup_error",
        "sup_groups",
        "sup_groups_error",
    )
)
"""Names that no factor may have: ``mig_<factor>`` would be the column of another score
than the factor's."""


ROLES = ("excluded_factors", "nuisance_factors", "cyclic_factors", "position_factors")
"""Arguments that name factors with a role."""


class FactorDataset(Images):
    """Images with the factors that made them: by default a complete grid of factors.

    In a complete grid every combination of levels occurs once, the first factor varying
    slowest, so that the factors of an image follow from its index. An author passes
    ``packed`` where the images are binary or ``pixels`` where they are grey or
    coloured, and otherwise overrides :meth:`read_images`. A dataset that is not a
    complete grid passes ``factor_table``, or overrides ``__len__`` and
    :meth:`read_factors`. Those methods get indices that have been checked.

    Args:
        name: the dataset's name, used in errors.
        factor_names: F different names.
        factor_sizes: number of levels of each factor, each >= 1.
        image_shape: (channels, height, width).
        packed: images of one bit per pixel, uint8
            (N, ceil(channels * height * width / 8)), in the bit order of
            ``numpy.packbits`` (most significant bit first); None if they are not
            binary.
        pixels: images of one byte per pixel, uint8 (N, channels * height * width),
            channel by channel, 255 for 1; None if they are binary.
        factor_table: levels of the factors of each image, integers (N, F); None for a
            complete grid.
        excluded_factors: factors that the dataset's published MIG leaves out, that of
            Chen et al. 2018.
        nuisance_factors: factors that no metric counts: images vary in them, but
            disentanglement_lib (Locatello et al. 2019) does not score them.
        cyclic_factors: factors with levels that are equally spaced on a circle, the
            first one following the last; such an angle can be coded by a plane.
        position_factors: the two factors that are a position in the image, across and
            down; a report maps latents over them.

    Raises:
        ValueError: an argument that does not fit the others; the message names it.

    Example:
        >>> bits = np.packbits(np.eye(4, dtype=np.uint8), axis=1)
        >>> data = FactorDataset("dot", ("y", "x"), (2, 2), (1, 2, 2), packed=bits)
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
        nuisance_factors: Iterable[str] = (),
        cyclic_factors: Iterable[str] = (),
        position_factors: Iterable[str] = (),
    ) -> None:
        self.factor_names = tuple(factor_names)
        self.factor_sizes = check_positive("factor_sizes", factor_sizes)
        self.factor_table = factor_table
        self.excluded_factors = tuple(excluded_factors)
        self.nuisance_factors = tuple(nuisance_factors)
        self.cyclic_factors = tuple(cyclic_factors)
        self.position_factors = tuple(position_factors)
        super().__init__(name, image_shape, packed=packed, pixels=pixels)
        self._check_names()
        if factor_table is not None:
            self._check_table(factor_table)
        self._check_stored(len(self))

    def __len__(self) -> int:
        """Return the number of images, N."""
        if self.factor_table is not None:
            return len(self.factor_table)
        return prod(self.factor_sizes)

    def __repr__(self) -> str:
        """Return the name, the length and the factors."""
        grid = describe_levels(self.factor_names, self.factor_sizes)
        return f"<{self.name}: {len(self)} images; {grid}>"

    def factors(self, indices: Indices | None = None) -> Tensor:
        """Return the levels of the factors at ``indices`` (n,), of all images if None.

        Returns:
            int64 (n, F), levels from 0.

        Raises:
            IndexError: as for :meth:`images`.
            ValueError: likewise.
        """
        rows = np.arange(len(self))
        if indices is not None:
            rows = self._check_indices(indices)
        levels = self.read_factors(rows)
        if type(self).read_factors is not FactorDataset.read_factors:
            self._check_levels(levels, len(rows))
        return levels

    def _check_levels(self, levels: Tensor, count: int) -> None:
        """Check what a subclass has read."""
        owner, expected = type(self).__name__, (count, len(self.factor_names))
        right = isinstance(levels, Tensor) and levels.dtype == torch.int64
        if not right or levels.shape != expected:
            got = type(levels).__name__
            if isinstance(levels, Tensor):
                got = f"{levels.dtype} of shape {tuple(levels.shape)}"
            raise ValueError(
                f"{owner}.read_factors must return an int64 tensor of shape "
                f"{expected}; it returned {got}"
            )
        sizes = torch.tensor(self.factor_sizes)
        wrong = ((levels < 0) | (levels >= sizes)).any(0).nonzero().flatten()
        if len(wrong):
            f = int(wrong[0])
            low, high = levels[:, f].min().item(), levels[:, f].max().item()
            raise ValueError(
                f"{owner}.read_factors must give {self.factor_names[f]!r} levels "
                f"from 0 to {self.factor_sizes[f] - 1}; they lie in {low} to {high}"
            )

    def read_factors(self, rows: np.ndarray) -> Tensor:
        """Return the levels at ``rows``, valid int64 (n,)."""
        if self.factor_table is not None:
            return torch.from_numpy(self.factor_table[rows].astype(np.int64))
        return torch.from_numpy(find_row_levels(self.factor_sizes, rows))

    def incomplete(self) -> str | None:
        """Return in words why the factors are not a complete grid; None if they are.

        Example:
            >>> pixels = np.zeros((3, 1), np.uint8)
            >>> table = np.array([[0, 0], [0, 1], [1, 0]])
            >>> FactorDataset("l", ("y", "x"), (2, 2), (1, 1, 1), pixels=pixels,
            ...               factor_table=table).incomplete()
            'the combination y=1, x=1 is missing'
        """
        levels = self.factors().numpy()
        rows, counts = find_distinct_rows(levels, self.factor_sizes)
        number, size = len(rows), prod(self.factor_sizes)
        # the next one too: if all before it are as they should be, it is missing
        expected = list_first_combinations(self.factor_sizes, min(number + 1, size))
        wrong = (levels[rows] != expected[:number]).any(axis=1)
        if number < size:
            missing = expected[int(wrong.argmax()) if wrong.any() else number]
            named = describe_levels(self.factor_names, missing)
            return f"the combination {named} is missing"
        if (counts > 1).any():
            repeated = levels[rows[int((counts > 1).argmax())]]
            named = describe_levels(self.factor_names, repeated)
            return f"the combination {named} occurs more than once"
        return None

    def _check_names(self) -> None:
        """Check the factors' names, and that those with a role are among them."""
        names = self.factor_names
        different = bool(names) and len(set(names)) == len(names)
        if not different or len(names) != len(self.factor_sizes):
            raise ValueError(
                f"'factor_names' must be different names, one for each of "
                f"{len(self.factor_sizes)} 'factor_sizes'; got {names}"
            )
        for name in names:
            if name in RESERVED_NAMES:
                raise ValueError(
                    f"'factor_names' must not have {name!r}, which stands for another "
                    f"score than that of a factor; rename it, for example "
                    f"{name + '_factor'!r}"
                )
        position = self.position_factors
        if position and (len(position), len(set(position))) != (2, 2):
            raise ValueError(
                f"'position_factors' must be two different factors, across and down, "
                f"or none; got {position}"
            )
        for argument in ROLES:
            for name in getattr(self, argument):
                if name not in names:
                    known = suggest_names(name, list(names))
                    raise ValueError(f"{argument!r} has no factor {name!r}; {known}")

    def _check_table(self, table: np.ndarray) -> None:
        """Check the shape, type and range of the factors' levels."""
        names, sizes = self.factor_names, self.factor_sizes
        fits = table.ndim == 2 and table.shape[1] == len(names)
        if not fits or table.dtype.kind not in "iu":
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
