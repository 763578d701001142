"""Numerics with no opinion: functions of floats or tensors, and stable samplers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

FLOOR = -80.0
"""Log ratios below this count nothing in a sum of exponentials."""


def log_gamma(x: Tensor | float) -> Tensor | float:
    """Log of the gamma function, of a tensor or a float."""
    return torch.lgamma(x) if isinstance(x, Tensor) else math.lgamma(x)


def log_real(x: Tensor | float) -> Tensor | float:
    """Natural logarithm, of a tensor or a float."""
    return torch.log(x) if isinstance(x, Tensor) else math.log(x)


def exp_real(x: Tensor | float) -> Tensor | float:
    """Exponential, of a tensor or a float."""
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(x)


def log_abs(z: Tensor) -> Tensor:
    """``log |z|``, cut off at the smallest normal number: finite, with zero gradient, at z = 0."""
    return z.abs().clamp_min(torch.finfo(z.dtype).tiny).log()


def log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """Log of the sum of exponentials over ``dim``, for finite x.

    Terms below e^-80 of the largest are raised to it: they count nothing, and where exp
    underflows, PyTorch's on a CPU takes tens of times longer.

    Example:
        >>> log_sum_exp(torch.tensor([[0.0, 0.0, -1000.0]]), dim=1)
        tensor([0.6931])
    """
    peak = x.detach().amax(dim, keepdim=True)
    return (x - peak).clamp_min(FLOOR).exp().sum(dim).log() + peak.squeeze(dim)


def inverse_softplus(y: float) -> float:
    """The x of ``softplus(x) = y``, y > 0.

    Example:
        >>> round(float(torch.nn.functional.softplus(torch.tensor(inverse_softplus(1.5)))), 6)
        1.5
    """
    return y + math.log(-math.expm1(-y))


def sample_log_gamma(
    shape: Sequence[int], concentration: float, generator: torch.Generator | None = None
) -> Tensor:
    """Log of Gamma(concentration, 1) variates, float64; no underflow at small concentrations.

    By Gamma(a) = Gamma(a + 1) u^(1/a), u uniform (Marsaglia and Tsang 2000, section 6).
    """
    device = generator.device if generator is not None else None
    alpha = torch.full(
        tuple(shape), concentration + 1.0, dtype=torch.float64, device=device
    )
    uniform = torch.rand(
        alpha.shape, dtype=alpha.dtype, device=device, generator=generator
    )
    # 1 - u is in (0, 1]: its logarithm is finite
    return (
        torch._standard_gamma(alpha, generator=generator).log()
        + torch.log1p(-uniform) / concentration
    )


def random_signs(
    shape: Sequence[int], generator: torch.Generator | None = None
) -> Tensor:
    """Independent signs, -1 or 1 with equal probability, float64."""
    device = generator.device if generator is not None else None
    bits = torch.randint(0, 2, tuple(shape), device=device, generator=generator)
    return (2 * bits - 1).double()
