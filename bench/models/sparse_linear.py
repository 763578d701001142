"""A linear layer for inputs that are mostly zero, as the pixels of many data sets are."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

DENSEST = 0.2
"""Share of inputs that are not zero above which the dense product is faster."""

FEWEST = 1_000_000_000
"""Products of the dense layer below which finding the pixels costs more than it saves."""

PROBED = 64
"""Rows of a batch that its share is estimated from."""

STRIP = 80
"""Columns at once: a strip of all rows of a matrix stays within a processor's cache."""


class SparseLinear(nn.Linear):
    """``nn.Linear`` which on a CPU skips the inputs that are zero.

    The same function with the same parameters, up to the order of the sums. On a GPU, for many
    seeds at once, for inputs of which more than a fifth are not zero, and for small batches or
    layers, it is the dense product.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, in_features) -> (batch, out_features)."""
        small = x.numel() * self.out_features < FEWEST
        if small or x.device.type != "cpu" or x.ndim != 2 or self.bias is None:
            return super().forward(x)
        at = _Nonzero.apply(x.detach())
        return (
            _Product.apply(x, self.weight, self.bias, at)
            if len(at)
            else super().forward(x)
        )


class _Nonzero(torch.autograd.Function):
    """Where x (batch, n) is not zero, int64 positions in the flattened x; none if that is no use.

    A function of autograd only because these know whether they are batched over seeds.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        probe = x[:PROBED]
        if probe.count_nonzero() > DENSEST * probe.numel():
            return torch.empty(0, dtype=torch.int64)
        return torch.from_numpy(np.flatnonzero((x != 0).numpy()))

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: object, in_dims: tuple[int | None], x: Tensor
    ) -> tuple[Tensor, None]:
        """Many seeds: batched products are dense."""
        return torch.empty(0, dtype=torch.int64), None


class _Product(torch.autograd.Function):
    """x (batch, in), weight (out, in), bias (out,) and where x is not zero -> (batch, out)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, at: Tensor) -> Tensor:
        count, pixels = x.shape
        columns = at % pixels
        starts = torch.searchsorted(at, torch.arange(0, count * pixels, pixels))
        values, y = x.flatten()[at].to(weight), bias.repeat(count, 1)
        for strip in _split_strips(len(weight)):
            y[:, strip] += _sum_rows(
                weight[strip].T.contiguous(), columns, starts, values
            )
        return y

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        x, weight, _, at = inputs
        ctx.save_for_backward(x, weight, at)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, at = ctx.saved_tensors
        of_x = grad @ weight if ctx.needs_input_grad[0] else None
        of_weight = _weight_gradient(x, at, grad) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, grad.sum(0) if ctx.needs_input_grad[2] else None, None


def _weight_gradient(x: Tensor, at: Tensor, grad: Tensor) -> Tensor:
    """Gradient of the weight, (out, in), where x is not zero at ``at``."""
    pixels = x.shape[1]
    # a narrow type is sorted by its digits, in linear time
    narrow = torch.int16 if pixels <= 2**15 else torch.int32
    columns, order = (at % pixels).to(narrow).sort(stable=True)
    at = at[order]
    values = x.flatten()[at].to(grad)
    starts = torch.searchsorted(columns.int(), torch.arange(pixels, dtype=torch.int32))
    rows, gradient = at // pixels, grad.new_empty(grad.shape[1], pixels)
    for strip in _split_strips(grad.shape[1]):
        gradient[strip] = _sum_rows(grad[:, strip].contiguous(), rows, starts, values).T
    return gradient


def _sum_rows(table: Tensor, rows: Tensor, starts: Tensor, values: Tensor) -> Tensor:
    """Sums of rows of a table times values, a sum from each start to the next: (starts, n)."""
    return functional.embedding_bag(
        rows, table, starts, mode="sum", per_sample_weights=values
    )


def _split_strips(size: int) -> Iterator[slice]:
    return (slice(start, start + STRIP) for start in range(0, size, STRIP))
