"""Columns of tensors: pick them, sum them, and constants kept on a device."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def pick_columns(values: Tensor, columns: tuple[int, ...]) -> Tensor:
    """Return columns of the last dimension.

    Consecutive columns are a view, which costs no copy.

    Args:
        values: (..., n).
        columns: indices, at least one.

    Returns:
        (..., len(columns)).
    """
    first = columns[0]
    end = first + len(columns)
    if columns == tuple(range(first, end)):
        return values[..., first:end]
    return values[..., _make_index(columns, values.device)]


def _make_index(columns: tuple[int, ...], device: torch.device) -> Tensor:
    return _keep_index(columns, device)


# as priorbench.compiled.keep_constant does, which imports more
_make_index._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache
def _keep_index(columns: tuple[int, ...], device: torch.device) -> Tensor:
    """Return an index on the device; made once, for a transfer makes it wait."""
    return make_constant(columns, device)


def make_constant(values: Any, device: torch.device | str) -> Tensor:
    """Return a tensor to keep, fit for autograd even if made in inference mode."""
    with torch.inference_mode(False):
        constant = torch.as_tensor(values)
        return constant.to(device)


def sum_groups(values: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Sum the last dimension over each group of indices.

    Args:
        values: (..., n).
        groups: indices of each group.

    Returns:
        (..., groups).

    Example:
        >>> sum_groups(torch.arange(4), [[0, 3], [1]])
        tensor([3, 1])
    """
    size = values.shape[-1]
    columns = [tuple(group) for group in groups]
    if columns == [(i,) for i in range(size)]:
        return values
    sums = [pick_columns(values, own).sum(-1) for own in columns]
    return torch.stack(sums, dim=-1)
