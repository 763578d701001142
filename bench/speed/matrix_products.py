"""The dense matrix products of a training step, alone: the rate that a step is held against."""

from collections.abc import Callable

import torch
from torch import nn

from priorbench.bench.models.vae import VAE


def make_products(
    model: VAE, seeds: int, batch: int, precision: str, device: torch.device
) -> Callable[[], None]:
    """All products of one step of ``seeds`` seeds: forward, and backward without the images'.

    Args:
        model: whose linear layers they are.
        seeds: of the block; several are batched.
        batch: images of each seed's batch.
        precision: "bf16" for operands of that type.
        device: where.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    shapes = [(layer.in_features, layer.out_features) for layer in layers]
    lead = (seeds,) if seeds > 1 else ()
    operands = [
        tuple(
            torch.randn(*lead, *shape, dtype=kind, device=device)
            for shape in ((batch, before), (before, after), (batch, after))
        )
        for before, after in shapes
    ]

    def run() -> None:
        for number, (x, weight, grad) in enumerate(operands):
            x @ weight
            x.mT @ grad
            if number:
                grad @ weight.mT

    return run
