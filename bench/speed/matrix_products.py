"""The dense matrix products of a training step alone, as a rate to compare with."""

from collections.abc import Callable

import torch
from torch import nn

from priorbench.bench.models.vae import VAE


def make_products(
    model: VAE, seeds: int, batch: int, precision: str, device: torch.device
) -> Callable[[], None]:
    """Make a function that computes all products of one step of ``seeds`` seeds.

    They are those forward, and those backward without the gradient of the images.

    Args:
        model: has the linear layers.
        seeds: of the block; several are batched.
        batch: images of each seed's batch.
        precision: "bf16" for operands of that type.
        device: of the operands.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    leading = (seeds,) if seeds > 1 else ()
    operands = []
    for layer in layers:
        inputs, outputs = layer.in_features, layer.out_features
        shapes = ((batch, inputs), (inputs, outputs), (batch, outputs))
        operands.append(
            [torch.randn(*leading, *s, dtype=dtype, device=device) for s in shapes]
        )

    def multiply_all() -> None:
        for number, (x, weight, grad) in enumerate(operands):
            x @ weight
            x.mT @ grad
            if number:
                grad @ weight.mT

    return multiply_all
