"""The decoder's distribution of an image, and the registry of likelihoods."""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from priorbench.compiled import fuse_on_gpu, is_fused
from priorbench.priors.numerics.special import FLOOR, LOG_2PI
from priorbench.registry import Registry

registry = Registry("likelihood", "priorbench.likelihoods")
register = registry.register

ELEMENTS_IN_CACHE = 65_536
"""Elements that a CPU works on at once, so that they stay within its cache."""

LINEAR_ABOVE = 40.0
"""Logits above which log(1 + exp) is the identity, in float64 too."""


class Likelihood:
    """The decoder's distribution of an image: log density and mean.

    Attributes:
        needs_float32: whether the decoder's output must be float32 where the networks
            run in bfloat16; false for a likelihood that widens the output itself.
    """

    needs_float32: bool = True

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) in nats, (batch,).

        Args:
            raw: the decoder's output, (batch, pixels).
            x: the images, (batch, pixels).
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(raw, x)")

    def mean(self, raw: Tensor) -> Tensor:
        """Return the expected image, (batch, pixels) -> (batch, pixels)."""
        raise NotImplementedError(f"{type(self).__name__} must define mean(raw)")


@register("bernoulli")
class Bernoulli(Likelihood):
    r"""Independent binary pixels; the decoder gives logits l.

    .. math:: \log p(x|z) = \sum_i [x_i l_i - \log(1 + e^{l_i})]
    """

    needs_float32 = False

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        return _BernoulliLogDensity.apply(raw, x)

    def mean(self, raw: Tensor) -> Tensor:
        """Return the probability of every pixel, (batch, pixels)."""
        return torch.sigmoid(raw.float())


@register("gaussian")
class Gaussian(Likelihood):
    r"""Independent Gaussian pixels of one fixed standard deviation σ.

    .. math::
        \log p(x|z)
            = -\sum_i \Bigl[\frac{(x_i - m_i)^2}{2 σ^2} + \log σ + \tfrac12\log 2π\Bigr]

    The decoder gives the means m.

    References: Pérez Rey et al. 2019 (ΔVAE), where the decoder's covariance is the
    identity.

    Args:
        sigma: standard deviation σ of every pixel, > 0.

    Raises:
        ValueError: ``sigma`` is not a positive number.

    Example:
        >>> Gaussian()(torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([-1.8379])
    """

    def __init__(self, sigma: float = 1.0) -> None:
        if not isinstance(sigma, int | float) or not 0 < sigma < math.inf:
            raise ValueError(f"'sigma' must be a positive number; got {sigma!r}")
        self.sigma = float(sigma)

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        log_scale = math.log(self.sigma) + 0.5 * LOG_2PI
        constant = raw.shape[-1] * log_scale
        standardised = (x - raw) / self.sigma
        return -0.5 * standardised.square().sum(-1) - constant

    def mean(self, raw: Tensor) -> Tensor:
        """Return the decoder's output, cut to the range of a pixel, (batch, pixels)."""
        return raw.clamp(0, 1)


class _BernoulliLogDensity(torch.autograd.Function):
    """Logits and images (..., pixels) -> log density (...), in nats.

    Nothing but the inputs is kept for the gradient. A CPU does the elementwise work a
    few rows at a time, so that they stay within its cache; on a GPU it is fused.
    """

    @staticmethod
    def forward(raw: Tensor, x: Tensor) -> Tensor:
        """Return the log density, (...)."""
        if is_fused(raw):
            return _bernoulli_log_density(raw, x)
        rows = max(1, ELEMENTS_IN_CACHE // raw.shape[-1])
        parts = [
            _bernoulli_log_density(logits, images)
            for logits, images in zip(
                raw.flatten(0, -2).split(rows),
                x.flatten(0, -2).split(rows),
                strict=True,
            )
        ]
        return torch.cat(parts).reshape(raw.shape[:-1])

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        """Keep the logits and the images for the gradient."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of the logits and, if it is needed, of the images."""
        raw, x = ctx.saved_tensors
        grad_x = grad[..., None] * raw if ctx.needs_input_grad[1] else None
        if is_fused(raw):
            return _bernoulli_gradient(raw, x, grad), grad_x
        # contiguous even where the logits are not: its parts must be views
        grad_raw = torch.empty_like(raw, memory_format=torch.contiguous_format)
        rows = max(1, ELEMENTS_IN_CACHE // raw.shape[-1])
        parts = zip(
            raw.flatten(0, -2).split(rows),
            x.flatten(0, -2).split(rows),
            grad.flatten().split(rows),
            grad_raw.flatten(0, -2).split(rows),
            strict=True,
        )
        for logits, images, weights, out in parts:
            out.copy_(_bernoulli_gradient(logits, images, weights))
        return grad_raw, grad_x

    @staticmethod
    def vmap(
        info: object, in_dims: tuple[int | None, ...], raw: Tensor, x: Tensor
    ) -> tuple[Tensor, int]:
        """Evaluate many seeds as one more leading dimension."""
        batched = []
        for value, dim in zip((raw, x), in_dims, strict=True):
            if dim is None:
                batched.append(value.expand(info.batch_size, *value.shape))
            else:
                batched.append(value.movedim(dim, 0))
        return _BernoulliLogDensity.apply(*batched), 0


@fuse_on_gpu
def _bernoulli_log_density(raw: Tensor, x: Tensor) -> Tensor:
    """Return the log density, (..., pixels) -> (...), in nats.

    Every summand is negative, so that none cancel.
    """
    logits = _widen_to_float32(raw)
    # below the floor nothing is left of exp, which is slow on a CPU where it underflows
    bounded = logits.clamp(min=FLOOR)
    softplus = functional.softplus(bounded, threshold=LINEAR_ABOVE)
    summands = torch.addcmul(softplus, logits, x.to(logits), value=-1)
    return summands.sum(-1).neg()


@fuse_on_gpu
def _bernoulli_gradient(raw: Tensor, x: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient of the logits: ``grad`` times (x - probability)."""
    expected = torch.sigmoid(_widen_to_float32(raw))
    gradient = (x.to(expected) - expected) * grad[..., None]
    return gradient.to(raw.dtype)


def _widen_to_float32(raw: Tensor) -> Tensor:
    return raw.float() if raw.dtype in (torch.bfloat16, torch.float16) else raw
