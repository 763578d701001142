"""Factor values as columns of one table, so that one matmul sums over every value at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cell_index(factors: Tensor, factor_sizes: Sequence[int]) -> Tensor:
    """Column of every factor value in a table of ``sum(factor_sizes)`` cells.

    Args:
        factors: values, int64 (N, F), each from 0 to its size - 1.
        factor_sizes: F sizes.

    Returns:
        Columns (N, F); those of factor f follow those of factor f - 1.

    Example:
        >>> cell_index(torch.tensor([[0, 0], [1, 2]]), [2, 3]).tolist()
        [[0, 2], [1, 4]]
    """
    starts = torch.tensor([0, *factor_sizes], device=factors.device).cumsum(0)[:-1]
    return factors + starts


def one_hot(cells: Tensor, num_cells: int) -> Tensor:
    """Indicator of the cells that each row belongs to: (N, F) -> float64 (N, num_cells).

    Example:
        >>> one_hot(torch.tensor([[0, 2], [1, 4]]), 5).tolist()
        [[1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 1.0]]
    """
    table = torch.zeros(len(cells), num_cells, dtype=torch.float64, device=cells.device)
    return table.scatter_(1, cells, 1.0)


def cell_counts(cells: Tensor, num_cells: int) -> Tensor:
    """Number of rows in each cell, float64 (num_cells,)."""
    return torch.bincount(cells.flatten(), minlength=num_cells).double()
