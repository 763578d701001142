"""A linear layer with products that are fast for a block of seeds, and in bfloat16."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class Linear(nn.Linear):
    """``nn.Linear``, with other products for many seeds and for bfloat16 on a CPU.

    Under ``vmap``, PyTorch takes its layer apart: the bias is added in float32, so that
    all that follows is float32 too, whatever the precision of the products, and weights
    are copied to be transposed. Here the operands are cast once, the output has the
    precision of autocast, and the weights' gradients have the weights' layout. In
    bfloat16 on a CPU, where PyTorch's gradient of the weights is slow, a seed alone has
    the same; elsewhere it has ``nn.Linear`` itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (..., in_features) to (..., out_features)."""
        block = torch._C._functorch.is_batchedtensor(self.weight)
        dtype = find_precision(x) if block or x.device.type == "cpu" else None
        if self.bias is None or not (block or dtype):
            return super().forward(x)
        operands = (x, self.weight, self.bias)
        if dtype is not None:
            operands = tuple(operand.to(dtype) for operand in operands)
        return _Product.apply(*operands)


def find_precision(x: Tensor) -> torch.dtype | None:
    """Return the precision of products of a tensor under autocast; None without it."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return None
    return torch.get_autocast_dtype(device)


class _Product(torch.autograd.Function):
    """The layer's output, (*seeds, ..., out).

    Its inputs are x (*seeds, ..., in), the weight (*seeds, out, in) and the bias
    (*seeds, out), of one dtype.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the output."""
        *seeds, outputs, inputs = weight.shape
        if not seeds:
            return nn.functional.linear(x, weight, bias)
        rows = x.reshape(*seeds, -1, inputs)
        y = torch.baddbmm(
            bias.flatten(0, -2)[:, None],
            rows.flatten(0, -3),
            weight.flatten(0, -3).mT,
        )
        return y.view(*x.shape[:-1], outputs)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        """Keep all but the bias for the gradient."""
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that are needed: of x, of the weight and of the bias."""
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        *seeds, outputs, inputs = weight.shape
        rows = x.reshape(*seeds, -1, inputs)
        slopes = grad.reshape(*seeds, -1, outputs)
        grad_x = (slopes @ weight).view(x.shape) if needs_x else None
        grad_weight = _multiply_transposed(slopes, rows) if needs_weight else None
        grad_bias = slopes.sum(-2) if needs_bias else None
        return grad_x, grad_weight, grad_bias

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, int]:
        """Give seeds of their own weights one more leading dimension."""
        operands = [
            value.expand(info.batch_size, *value.shape)
            if dim is None
            else value.movedim(dim, 0)
            for value, dim in zip((x, weight, bias), in_dims, strict=True)
        ]
        return _Product.apply(*operands), 0


def _multiply_transposed(a: Tensor, b: Tensor) -> Tensor:
    """Return the transpose of a (..., n, p) times b (..., n, q), (..., p, q)."""
    transposed = a.mT
    # in bfloat16 on a CPU the copy takes less time than it saves
    if a.dtype == torch.bfloat16 and a.device.type == "cpu":
        transposed = transposed.contiguous()
    return transposed @ b
