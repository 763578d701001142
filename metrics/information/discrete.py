"""Mutual information of discrete variables, and bins that make variables discrete."""

import torch
from torch import Tensor


def assign_bins(values: Tensor, num_bins: int) -> Tensor:
    """Return the bin of each value, of equal width from the smallest to the largest.

    Args:
        values: (S,).
        num_bins: number of bins, at least 1.

    Returns:
        int64 (S,), from 0 to ``num_bins`` - 1; the last bin is closed.

    Example:
        >>> assign_bins(torch.tensor([0.0, 0.4, 0.5, 1.0]), 2).tolist()
        [0, 0, 1, 1]
    """
    edges = torch.linspace(
        values.min().item(),
        values.max().item(),
        num_bins + 1,
        dtype=values.dtype,
        device=values.device,
    )
    inner_edges = edges[1:-1]
    return torch.bucketize(values.contiguous(), inner_edges, right=True)


def discrete_information(first: Tensor, second: Tensor) -> Tensor:
    r"""Return the plug-in mutual information of two discrete variables, in nats.

    .. math:: I = \sum_{ab} p_{ab} \log \frac{p_{ab}}{p_a p_b}

    Args:
        first: int64 (S,), from 0.
        second: int64 (S,), from 0.

    Returns:
        () float64, from 0; of a variable with itself, its entropy.

    Example:
        >>> coin = torch.tensor([0, 1, 0, 1])
        >>> discrete_information(coin, coin)
        tensor(0.6931, dtype=torch.float64)
    """
    height = int(first.max()) + 1
    width = int(second.max()) + 1
    pairs = first * width + second
    counts = torch.bincount(pairs, minlength=height * width)
    joint = counts.view(height, width).double()
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    # of whole numbers, so that the ratio is exactly 1 where there is nothing to know
    ratio = joint * len(first) / independent.clamp(min=1)
    information = torch.special.xlogy(joint, ratio).sum() / len(first)
    return information.clamp(min=0)


def histogram_information(
    representation: Tensor,
    factors: Tensor,
    num_bins: int = 20,
) -> Tensor:
    """Return the information of binned coordinates and factors, (d, F), float64.

    Args:
        representation: (S, d); each coordinate is binned, see :func:`assign_bins`.
        factors: int64 (S, F), from 0.
        num_bins: bins of each coordinate.

    Example:
        >>> values = torch.tensor([[0], [1], [2], [3]])
        >>> histogram_information(values.double(), values % 2, num_bins=4)
        tensor([[0.6931]], dtype=torch.float64)
    """
    rows = []
    for coordinate in representation.T:
        bins = assign_bins(coordinate, num_bins)
        row = [discrete_information(bins, values) for values in factors.T]
        rows.append(torch.stack(row))
    return torch.stack(rows)
