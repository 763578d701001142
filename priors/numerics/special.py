"""Special functions of floats or tensors, and stable samplers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)

TensorOrFloat = Tensor | float
"""Functions of these give a tensor for a tensor, and a float for a float."""

FLOOR = -80.0
"""Log ratios below this count nothing in a sum of exponentials."""


def log_gamma(x: TensorOrFloat) -> TensorOrFloat:
    """Return the log of the gamma function."""
    if isinstance(x, Tensor):
        return torch.lgamma(x)
    return math.lgamma(x)


def log_real(x: TensorOrFloat) -> TensorOrFloat:
    """Return the natural logarithm."""
    if isinstance(x, Tensor):
        return torch.log(x)
    return math.log(x)


def exp_real(x: TensorOrFloat) -> TensorOrFloat:
    """Return the exponential."""
    if isinstance(x, Tensor):
        return torch.exp(x)
    return math.exp(x)


def log_abs(z: Tensor) -> Tensor:
    """Return ``log |z|``, cut off at the smallest normal number.

    It is finite, with zero gradient, at z = 0.
    """
    tiny = torch.finfo(z.dtype).tiny
    return z.abs().clamp_min(tiny).log()


def log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """Return the log of the sum of exponentials over ``dim``, for finite x.

    Terms below e^-80 of the largest are raised to it: they count nothing, and where exp
    underflows, PyTorch's on a CPU takes tens of times longer.

    Example:
        >>> log_sum_exp(torch.tensor([[0.0, 0.0, -1000.0]]), dim=1)
        tensor([0.6931])
    """
    peak = x.detach().amax(dim, keepdim=True)
    log_ratio = (x - peak).clamp_min(FLOOR)
    total = log_ratio.exp().sum(dim)
    return total.log() + peak.squeeze(dim)


def inverse_softplus(y: float) -> float:
    """Return the x of ``softplus(x) = y``, y > 0.

    Example:
        >>> x = torch.tensor(inverse_softplus(1.5))
        >>> round(float(torch.nn.functional.softplus(x)), 6)
        1.5
    """
    log_ratio = math.log(-math.expm1(-y))
    return y + log_ratio


def sample_log_gamma(
    shape: Sequence[int], concentration: float, generator: torch.Generator
) -> Tensor:
    """Draw the log of Gamma(concentration, 1) variates, float64.

    By Gamma(a) = Gamma(a + 1) u^(1/a), u uniform (Marsaglia and Tsang 2000, section 6),
    they do not underflow at small concentrations.

    Args:
        shape: of the result.
        concentration: a > 0.
        generator: on the CPU.
    """
    shape = tuple(shape)
    alpha = torch.full(shape, concentration + 1.0, dtype=torch.float64)
    uniform = torch.rand(shape, dtype=torch.float64, generator=generator)
    # 1 - u is in (0, 1]: its logarithm is finite
    log_power = torch.log1p(-uniform) / concentration
    gamma = torch._standard_gamma(alpha, generator=generator)
    return gamma.log() + log_power


def draw_signs(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw independent signs, -1 or 1 with equal probability, float64.

    Args:
        shape: of the result.
        generator: on the CPU.
    """
    bits = torch.randint(0, 2, tuple(shape), generator=generator)
    signs = 2 * bits - 1
    return signs.double()
