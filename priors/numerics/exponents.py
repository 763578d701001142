"""Exponents of generalised norms: fixed, or learned and kept valid."""

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional

from priorbench.priors.numerics.special import inverse_softplus

MIN_EXPONENT = 0.5
"""Learned exponents stay above this: densities hold for p > 0, but degenerate at 0."""

LEARNING_RATE = 5e-4
"""Learning rate of exponents (ISA-VAE, published code)."""


class Exponents(nn.Module):
    r"""Exponents :math:`p_i > 0`, fixed or learned.

    Learned ones are :math:`0.5 + \mathrm{softplus}(\rho_i)`.
    Fixed exponents stay Python floats, so that no rounding to a tensor's precision and
    no transfer to a device comes between the user's value and the density.

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
            if is_number(value) and low < value < math.inf:
                continue
            expected = "a positive number"
            if learn:
                expected = f"greater than {low} to be learned"
            raise ValueError(f"'{name}' must be {expected}; got {value!r}")
        self.initial = [float(v) for v in values]
        self.rho = None
        if learn:
            above = [value - MIN_EXPONENT for value in self.initial]
            start = [inverse_softplus(value) for value in above]
            self.rho = nn.Parameter(torch.tensor(start))

    def forward(self) -> list[float] | list[Tensor]:
        """Return the exponents: floats if fixed, scalars of the graph if learned."""
        if self.rho is None:
            return self.initial
        return list(self.stack().unbind(-1))

    def stack(self) -> Tensor:
        """Return the learned exponents as one tensor of the graph, (exponents,)."""
        return MIN_EXPONENT + functional.softplus(self.rho)

    def values(self) -> list[float]:
        """Return the exponents' present values, outside of the graph."""
        if self.rho is None:
            return self.initial
        return [float(p.detach()) for p in self()]


def is_number(value: object) -> bool:
    """Return whether a value is a real number, which a bool is not here."""
    if isinstance(value, bool):
        return False
    return isinstance(value, Real)


def check_scale(scale: float, name: str = "scale") -> float:
    """Return ``scale`` as a float.

    Raises:
        ValueError: it is not a positive, finite number.
    """
    if not is_number(scale) or not 0 < scale < math.inf:
        raise ValueError(f"'{name}' must be a positive number; got {scale!r}")
    return float(scale)
