"""Arrays of a user as the tensors of codes: numbers, and the levels of factors."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

NUM_BINS = 20
"""Bins of a continuous factor; one of no more values is never binned."""

POINTS_PER_VALUE = 2
"""Data points of each value, on average, below which a factor is continuous."""


def read_matrix(
    name: str,
    values: ArrayLike,
    shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Return a matrix of numbers as a float64 tensor.

    Args:
        name: of the argument, for errors.
        values: (rows, columns).
        shape: that it must have; any if None.

    Raises:
        ValueError: it is not a matrix of numbers, is empty, or has another shape.

    Example:
        >>> read_matrix("means", [[1, 2]])
        tensor([[1., 2.]], dtype=torch.float64)
    """
    array = _to_numpy(name, values)
    if array.dtype.kind not in "biuf":
        try:
            if array.dtype.kind == "c":
                raise TypeError("complex numbers")
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name!r} must be numbers; got an array of {array.dtype}"
            ) from error
    expected = "(data points, latents)" if shape is None else str(shape)
    wrong = array.ndim != 2 or not array.size
    if wrong or (shape is not None and array.shape != shape):
        raise ValueError(f"{name!r} must have shape {expected}; got {array.shape}")
    return torch.from_numpy(array.astype(np.float64))


def rank_factors(
    values: ArrayLike | None, num_points: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Return the levels of factors, and how many values each has.

    Args:
        values: (num_points, F) or (num_points,), of any type that can be sorted; None
            if there are no factors.
        num_points: number of data points.

    Returns:
        int64 (num_points, F), the place of each value among the sorted different ones,
        and F sizes.

    Raises:
        ValueError: the shape does not fit, a value is not a number, or values of one
            factor cannot be sorted.

    Example:
        >>> levels, sizes = rank_factors([[0.5, "b"], [-1.0, "b"]], 2)
        >>> levels.tolist(), sizes
        ([[1, 0], [0, 0]], (2, 1))
    """
    if values is None:
        return torch.zeros(num_points, 0, dtype=torch.int64), ()
    table = _to_numpy("factors", values)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or len(table) != num_points:
        raise ValueError(
            f"'factors' must have shape ({num_points}, factors), a row for each row of "
            f"'means'; got {table.shape}"
        )
    levels = np.zeros(table.shape, dtype=np.int64)
    sizes = []
    for f, column in enumerate(table.T):
        missing = column != column  # of all values only NaN differs from itself
        if missing.any():
            raise ValueError(
                f"'factors' must not have missing values; got {column[missing][0]} in "
                f"{int(missing.sum())} rows of column {f}, first in row "
                f"{int(missing.argmax())}"
            )
        try:
            different, inverse = np.unique(column, return_inverse=True)
        except TypeError as error:
            raise ValueError(
                f"'factors' must have values of one type in column {f}: {error}"
            ) from error
        levels[:, f] = inverse.reshape(-1)
        sizes.append(len(different))
    return torch.from_numpy(levels), tuple(sizes)


def bin_continuous_factors(
    factors: Tensor,
    sizes: Sequence[int],
    names: Sequence[str],
) -> tuple[Tensor, tuple[int, ...]]:
    """Bin factors that are continuous, and warn of each.

    The rule: a factor is continuous if it has more than :data:`NUM_BINS` different
    values in the data and fewer than :data:`POINTS_PER_VALUE` data points for each of
    them on average. Its sorted values are then shared out into :data:`NUM_BINS` bins of
    equal count; equal values stay together. Otherwise every data point would be a class
    of its own, and no estimate of a metric that takes values as classes would mean
    anything.

    Args:
        factors: levels, int64 (N, F), in the order of the values.
        sizes: number of levels of each factor.
        names: F names, for the warnings.

    Returns:
        The levels, int64 (N, F), and F sizes; the same tensor where no factor is
        continuous.

    Warns:
        UserWarning: a factor is binned; the factor and the rule are named.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     angle = torch.arange(100)[:, None]
        ...     levels, sizes = bin_continuous_factors(angle, [100], ["angle"])
        >>> sizes, levels.flatten().bincount().unique().tolist()
        ((20,), [5])
    """
    binned = factors
    new_sizes = list(sizes)
    for f, name in enumerate(names):
        counts = factors[:, f].bincount(minlength=sizes[f])
        num_values = int((counts > 0).sum())
        points_per_value = len(factors) / max(num_values, 1)
        if num_values <= NUM_BINS or points_per_value >= POINTS_PER_VALUE:
            continue
        warnings.warn(
            f"factor {name!r} has {num_values} different values in {len(factors)} data "
            f"points, fewer than {POINTS_PER_VALUE} data points for each: it is taken "
            f"as continuous and binned into {NUM_BINS} bins of equal count",
            stacklevel=3,
        )
        # equal values lie in the bin of the middle one of their data points
        first = counts.cumsum(0) - counts
        twice_middle = (2 * first + counts - 1).clamp(min=0)
        bins = twice_middle * NUM_BINS // (2 * len(factors))
        if binned is factors:
            binned = factors.clone()
        binned[:, f] = bins[factors[:, f]]
        new_sizes[f] = NUM_BINS
    return binned, tuple(new_sizes)


def _to_numpy(name: str, values: ArrayLike | Tensor) -> np.ndarray:
    """Return an array, also of a tensor on a GPU and of rows of different types.

    Raises:
        ValueError: the rows have different lengths; the message names the argument.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name!r} must have rows of one length: {error}") from error
    if isinstance(values, Sequence) and array.dtype.kind in "US":
        # text in one column has turned the numbers of the others into text
        return np.array(values, dtype=object)
    return array
