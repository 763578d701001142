"""Mutual information of discrete variables, and bins that make variables discrete."""

import torch
from torch import Tensor


def assign_bins(values: Tensor, num_bins: int) -> Tensor:
    """Return the bin of each value, of equal width from the smallest to the largest.

    Args:
        values: (S,).
        num_bins: number of bins.

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
    joint = counts.view(height, width).double() / len(first)
    of_first = torch.special.entr(joint.sum(1)).sum()
    of_second = torch.special.entr(joint.sum(0)).sum()
    of_both = torch.special.entr(joint).sum()
    return (of_second + of_first - of_both).clamp(min=0)
