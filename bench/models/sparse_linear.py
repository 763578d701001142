"""A linear layer for inputs that are mostly zero, as many data sets' pixels are."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from priorbench.bench.models.linear import Linear, find_precision
from priorbench.compiled import is_fused

MAX_DENSITY = 0.2
"""Share of nonzero inputs above which the dense product is faster."""

MIN_PRODUCTS = 1_000_000_000
"""Products of the dense layer below which finding the pixels does not pay."""

PROBED_ROWS = 64
"""Rows of a batch from which its share of nonzero inputs is estimated."""

STRIP_WIDTH = 80
"""Columns at once: a strip of all rows of a matrix stays within a processor's cache."""


class SparseLinear(Linear):
    """A linear layer which on a CPU skips the inputs that are zero.

    It is the same function with the same parameters, up to the order of the sums. On a
    GPU, in bfloat16, for many seeds at once, for inputs of which more than a fifth are
    not zero, and for small batches or layers, it is the dense product.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_features) to (batch, out_features)."""
        small = x.numel() * self.out_features < MIN_PRODUCTS
        on_cpu = x.device.type == "cpu" and not is_fused(x)
        plain = on_cpu and x.ndim == 2 and self.bias is not None
        if small or not plain or find_precision(x) is not None:
            return super().forward(x)
        positions = _NonzeroPositions.apply(x.detach())
        if len(positions) == 0:
            return super().forward(x)
        return _SparseProduct.apply(x, self.weight, self.bias, positions)


class _NonzeroPositions(torch.autograd.Function):
    """Positions in the flattened x (batch, n) that are not zero, int64.

    This is a function of autograd only because these know whether they are batched over
    seeds.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """Return the positions, or an empty tensor where x is too dense."""
        probe = x[:PROBED_ROWS]
        if probe.count_nonzero() > MAX_DENSITY * probe.numel():
            return torch.empty(0, dtype=torch.int64)
        positions = np.flatnonzero((x != 0).numpy())
        return torch.from_numpy(positions)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        """Declare that positions have no gradient."""
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: object, in_dims: tuple[int | None], x: Tensor
    ) -> tuple[Tensor, None]:
        """Return no positions for many seeds: batched products are dense."""
        return torch.empty(0, dtype=torch.int64), None


class _SparseProduct(torch.autograd.Function):
    """The layer's output, (batch, out), from the inputs that are not zero.

    Its inputs are x (batch, in), the weight (out, in), the bias (out,) and the
    positions of :class:`_NonzeroPositions`.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, positions: Tensor) -> Tensor:
        """Return the output, (batch, out)."""
        count, pixels = x.shape
        columns = positions % pixels
        first_of_rows = torch.arange(0, count * pixels, pixels)
        starts = torch.searchsorted(positions, first_of_rows)
        values = x.flatten()[positions].to(weight)
        y = bias.repeat(count, 1)
        for strip in _split_strips(len(weight)):
            table = weight[strip].T.contiguous()
            y[:, strip] += _sum_rows(table, columns, starts, values)
        return y

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        """Keep all but the bias for the gradient."""
        x, weight, _, positions = inputs
        ctx.save_for_backward(x, weight, positions)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that are needed: of x, of the weight and of the bias."""
        x, weight, positions = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = grad @ weight if needs_x else None
        grad_weight = _weight_gradient(x, positions, grad) if needs_weight else None
        grad_bias = grad.sum(0) if needs_bias else None
        return grad_x, grad_weight, grad_bias, None


def _weight_gradient(x: Tensor, positions: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient of the weight, (out, in); x is nonzero at ``positions``."""
    pixels = x.shape[1]
    # a narrow type is sorted by its digits, in linear time
    narrow = torch.int16 if pixels <= 2**15 else torch.int32
    columns = (positions % pixels).to(narrow)
    columns, order = columns.sort(stable=True)
    positions = positions[order]
    values = x.flatten()[positions].to(grad)
    every_column = torch.arange(pixels, dtype=torch.int32)
    starts = torch.searchsorted(columns.int(), every_column)
    rows = positions // pixels
    gradient = grad.new_empty(grad.shape[1], pixels)
    for strip in _split_strips(grad.shape[1]):
        table = grad[:, strip].contiguous()
        gradient[strip] = _sum_rows(table, rows, starts, values).T
    return gradient


def _sum_rows(table: Tensor, rows: Tensor, starts: Tensor, values: Tensor) -> Tensor:
    """Return sums of rows of a table times values, one from each start to the next."""
    return functional.embedding_bag(
        rows, table, starts, mode="sum", per_sample_weights=values
    )


def _split_strips(size: int) -> Iterator[slice]:
    for start in range(0, size, STRIP_WIDTH):
        yield slice(start, start + STRIP_WIDTH)
