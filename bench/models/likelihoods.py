"""The decoder's distribution of an image, and the registry of likelihoods."""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from priorbench.registry import Registry
from priorbench.compiled import fuse_on_gpu
from priorbench.priors.posteriors.base import LOG_2PI
from priorbench.priors.numerics.special import FLOOR

registry = Registry("likelihood", "priorbench.likelihoods")
register = registry.register

BLOCK = 65_536
"""Elements that a CPU works on at once, within its cache."""

LINEAR = 40.0
"""Logits above which log(1 + exp) is the identity, in float64 too."""


class LogLikelihood:
    """The decoder's distribution of an image: log density and mean.

    Attributes:
        float32: whether the decoder's output is to be given in float32 where the networks run in
            bfloat16; false for a likelihood that widens it on its own.
    """

    float32: bool = True

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        raise NotImplementedError

    def mean(self, raw: Tensor) -> Tensor:
        """Expected image, (batch, pixels) -> (batch, pixels)."""
        raise NotImplementedError


@register("bernoulli")
class Bernoulli(LogLikelihood):
    r"""Independent binary pixels; the decoder gives logits l.

    .. math:: \log p(x|z) = \sum_i x_i l_i - \log(1 + e^{l_i})
    """

    float32 = False

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        return _Bernoulli.apply(raw, x)

    def mean(self, raw: Tensor) -> Tensor:
        """Probability of every pixel."""
        return torch.sigmoid(raw.float())


@register("gaussian")
class Gaussian(LogLikelihood):
    r"""Independent Gaussian pixels of one fixed standard deviation; the decoder gives the means m.

    .. math:: \log p(x|z) = \sum_i -\frac{(x_i - m_i)^2}{2 σ^2} - \log σ - \tfrac12 \log 2π

    References: Pérez Rey et al. 2019 (ΔVAE), whose decoder's covariance is the identity.

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
        """Log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        constant = raw.shape[-1] * (math.log(self.sigma) + 0.5 * LOG_2PI)
        return -0.5 * ((x - raw) / self.sigma).square().sum(-1) - constant

    def mean(self, raw: Tensor) -> Tensor:
        """The decoder's output, cut to what a pixel can be."""
        return raw.clamp(0, 1)


class _Bernoulli(torch.autograd.Function):
    """Logits and images (..., pixels) -> log density (...); nothing else is kept for the gradient.

    Elementwise work is done block by block within the cache of a CPU, and fused on a GPU.
    """

    @staticmethod
    def forward(raw: Tensor, x: Tensor) -> Tensor:
        if raw.device.type != "cpu":
            return _bernoulli_log_density(raw, x)
        logits, images = raw.flatten(0, -2), x.flatten(0, -2)
        rows = max(1, BLOCK // raw.shape[-1])
        parts = [
            _bernoulli_log_density(a, b)
            for a, b in zip(logits.split(rows), images.split(rows), strict=True)
        ]
        return torch.cat(parts).reshape(raw.shape[:-1])

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        raw, x = ctx.saved_tensors
        of_x = grad[..., None] * raw if ctx.needs_input_grad[1] else None
        if raw.device.type != "cpu":
            return _bernoulli_gradient(raw, x, grad), of_x
        # contiguous whatever the logits are: its blocks must be views
        of_raw = torch.empty_like(raw, memory_format=torch.contiguous_format)
        rows = max(1, BLOCK // raw.shape[-1])
        flat = (
            raw.flatten(0, -2),
            x.flatten(0, -2),
            grad.flatten(),
            of_raw.flatten(0, -2),
        )
        for logits, images, weights, out in zip(
            *(t.split(rows) for t in flat), strict=True
        ):
            out.copy_(_bernoulli_gradient(logits, images, weights))
        return of_raw, of_x

    @staticmethod
    def vmap(
        info: object, in_dims: tuple[int | None, ...], raw: Tensor, x: Tensor
    ) -> tuple[Tensor, int]:
        """Many seeds: another leading dimension."""
        raw, x = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((raw, x), in_dims, strict=True)
        )
        return _Bernoulli.apply(raw, x), 0


@fuse_on_gpu
def _bernoulli_log_density(raw: Tensor, x: Tensor) -> Tensor:
    """Log density, (..., pixels) -> (...), nats; every summand is negative, so none cancel."""
    logits = _widen(raw)
    # below the floor nothing is left of exp, which takes a CPU long where it underflows
    softplus = functional.softplus(logits.clamp(min=FLOOR), threshold=LINEAR)
    return torch.addcmul(softplus, logits, x.to(logits), value=-1).sum(-1).neg()


@fuse_on_gpu
def _bernoulli_gradient(raw: Tensor, x: Tensor, grad: Tensor) -> Tensor:
    """Gradient of the logits, ``grad`` times x minus the pixels' probabilities."""
    expected = torch.sigmoid(_widen(raw))
    return ((x.to(expected) - expected) * grad[..., None]).to(raw.dtype)


def _widen(raw: Tensor) -> Tensor:
    return raw.float() if raw.dtype in (torch.bfloat16, torch.float16) else raw
