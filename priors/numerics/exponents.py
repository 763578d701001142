"""Exponents of generalised norms: fixed, or learned and kept valid."""

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional

from priorbench.priors.numerics.special import inverse_softplus

MIN_EXPONENT = 0.5
"""Learned exponents stay above this: the density is valid for all p > 0, but degenerates at 0."""

LEARNING_RATE = 5e-4
"""Learning rate of exponents (ISA-VAE, published code)."""


class Exponents(nn.Module):
    r"""Exponents :math:`p_i > 0`; learned ones are :math:`0.5 + \mathrm{softplus}(\rho_i)`.

    Fixed exponents stay Python floats, so that no rounding to a tensor's precision and no
    transfer to a device comes between the user's value and the density.

    Args:
        values: the exponents, or where learning starts.
        learn: whether they are learned.
        name: of the argument, for errors.

    Raises:
        ValueError: a value is not positive (or, if learned, not above 0.5).
    """

    def __init__(self, values: Sequence[float], learn: bool, name: str = "p") -> None:
        super().__init__()
        low = MIN_EXPONENT if learn else 0.0
        for value in values:
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not low < value < math.inf:
                above = (
                    f"greater than {low} to be learned"
                    if learn
                    else "a positive number"
                )
                raise ValueError(f"'{name}' must be {above}; got {value!r}")
        self.initial = [float(v) for v in values]
        self.rho = None
        if learn:
            start = [inverse_softplus(v - MIN_EXPONENT) for v in self.initial]
            self.rho = nn.Parameter(torch.tensor(start))

    def forward(self) -> list[float] | list[Tensor]:
        """The exponents: floats if fixed, scalars of the graph if learned."""
        if self.rho is None:
            return self.initial
        return list((MIN_EXPONENT + functional.softplus(self.rho)).unbind(-1))

    def values(self) -> list[float]:
        """The exponents' present values, outside of the graph."""
        return [float(p.detach()) if isinstance(p, Tensor) else p for p in self()]


def check_scale(scale: float, name: str = "scale") -> float:
    """``scale`` as a float.

    Raises:
        ValueError: it is not a positive, finite number.
    """
    good = isinstance(scale, Real) and not isinstance(scale, bool)
    if not good or not 0 < scale < float("inf"):
        raise ValueError(f"'{name}' must be a positive number; got {scale!r}")
    return float(scale)
