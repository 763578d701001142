"""Factor values as columns of one table: one matmul sums over every value at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class FactorTable:
    """The values of all factors, with one column for each value of each factor.

    Attributes:
        columns: of each data point's values, int64 (N, F); the columns of a factor
            follow those of the factor before it.
        counts: number of data points of each value, float64 (V,), V the sum of the
            sizes.
        sizes: number of values of each factor.
    """

    columns: Tensor
    counts: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def from_factors(cls, factors: Tensor, factor_sizes: Sequence[int]) -> Self:
        """Make the table of a dataset.

        Args:
            factors: values, int64 (N, F), each from 0 to its size - 1.
            factor_sizes: F sizes.

        Example:
            >>> table = FactorTable.from_factors(torch.tensor([[0, 0], [1, 2]]), [2, 3])
            >>> table.columns.tolist()
            [[0, 2], [1, 4]]
            >>> table.counts.tolist()
            [1.0, 1.0, 1.0, 0.0, 1.0]
        """
        sizes = tuple(factor_sizes)
        ends = torch.tensor([0, *sizes], device=factors.device).cumsum(0)
        columns = factors + ends[:-1]
        counts = torch.bincount(columns.flatten(), minlength=sum(sizes))
        return cls(columns, counts.double(), sizes)

    def indicate_values(self, rows: Tensor) -> Tensor:
        """Return 1 where a data point has a value and 0 elsewhere, float64.

        Args:
            rows: indices of R data points.

        Returns:
            (R, V).

        Example:
            >>> table = FactorTable.from_factors(torch.tensor([[0, 0], [1, 2]]), [2, 3])
            >>> table.indicate_values(torch.tensor([1])).tolist()
            [[0.0, 1.0, 0.0, 0.0, 1.0]]
        """
        columns = self.columns[rows]
        num_values = len(self.counts)
        indicators = self.counts.new_zeros(len(columns), num_values)
        return indicators.scatter_(1, columns, 1.0)

    def sum_over_data(self, sums: Tensor) -> Tensor:
        """Return the sum over all data points from the sums over those of each value.

        Every factor gives the same sum, so the first one is taken: (..., V) -> (...).
        """
        return sums[..., : self.sizes[0]].sum(-1)

    def average_over_values(self, numbers: Tensor) -> Tensor:
        r"""Return the mean of numbers over each factor's values, weighted by counts.

        .. math:: \sum_v \frac{N_v}{N} a_v

        Args:
            numbers: a number a_v for each value, (..., V).

        Returns:
            (..., F).
        """
        shares = self.counts / len(self.columns)
        weighted = numbers * shares
        parts = weighted.split(self.sizes, dim=-1)
        means = [part.sum(-1) for part in parts]
        return torch.stack(means, dim=-1)
