"""Mixtures of many posteriors, at many points: the aggregate posterior."""

import itertools
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from priorbench.compiled import fuse_on_gpu, fuse_with_gradient, is_fused
from priorbench.priors.numerics.special import FLOOR, LOG_2PI, log_sum_exp
from priorbench.priors.posteriors.base import Groups, Posterior
from priorbench.priors.posteriors.gaussian import GaussianPosterior

PAIRS_AT_ONCE = 65_536
"""Pairs that a CPU works on at once, within its cache."""

DISTANCES_AT_ONCE = 2**29
"""Pairs times latents of which a GPU takes the gradient at once: it may hold all."""


def log_mixture(
    q: Posterior, z: Tensor, groups: Groups, log_weights: Tensor | float
) -> tuple[Tensor, Tensor]:
    r"""Return the log of a mixture of posteriors, jointly and of each group.

    .. math:: \log \sum_n w_{sn} \prod_g q(z^s_g | x_n), \qquad
        \log \sum_n w_{sn} q(z^s_g | x_n)

    For Gaussians no array has a dimension for the latents beside those of the pairs,
    forward or backward: the gradient computes the pairs' densities again. A CPU takes
    the pairs in portions that stay within its cache, a GPU in fused kernels, and the
    gradient in portions of its memory.

    Args:
        q: N posteriors, parameters (N, num_params).
        z: S points, (S, latent_dim).
        groups: coordinates of each group; they partition the latents, and the posterior
            factorises over them.
        log_weights: of each posterior at each point, (S, N), or one for all; no
            gradient is taken to them.

    Returns:
        (S,) and (S, groups), in nats.

    Example:
        >>> import math
        >>> from priorbench.priors import Gaussian
        >>> q, z = Gaussian()(torch.zeros(3, 4)), torch.zeros(1, 2)
        >>> joint, parts = log_mixture(q, z, [[0], [1]], -math.log(3))
        >>> torch.allclose(joint, q[0].log_prob(torch.zeros(2))), parts.shape
        (True, torch.Size([1, 2]))
    """
    if isinstance(q, GaussianPosterior):
        fixed = tuple(tuple(group) for group in groups)
        mixed = _GaussianMixture.apply(z, q.loc, q.log_scale, log_weights, fixed)
        return mixed[:2]
    joint = log_weights
    parts = []
    for log_prob in q.log_prob_pairs(z, groups):
        joint = joint + log_prob
        parts.append(_log_weighted_sum(log_prob, log_weights))
    return _log_sum(joint), torch.stack(parts, dim=-1)


@fuse_with_gradient
def _log_sum(log_summands: Tensor) -> Tensor:
    return log_sum_exp(log_summands, dim=-1)


@fuse_with_gradient
def _log_weighted_sum(log_prob: Tensor, log_weights: Tensor | float) -> Tensor:
    return log_sum_exp(log_prob + log_weights, dim=-1)


class _GaussianMixture(torch.autograd.Function):
    """The mixture of Gaussians, jointly and of each group.

    z (..., S, d), loc and log_scale (..., N, d) -> (..., S), (..., S, groups) and
    (..., S, N). The third output, the log of every summand of the joint mixture, is for
    the gradient.
    """

    @staticmethod
    def forward(
        z: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        log_weights: Tensor | float,
        groups: Groups,
    ) -> tuple[Tensor, Tensor, Tensor]:
        if is_fused(z):
            return _mixture_forward(z, loc, log_scale, log_weights, groups)
        batch = z.shape[:-1]
        joint = z.new_empty(batch)
        parts = z.new_empty(*batch, len(groups))
        summands = z.new_empty(*batch, loc.shape[-2])
        for at, points in _split_pairs(z, loc):
            mixed = _mixture_forward(
                z[points],
                loc[at],
                log_scale[at],
                _pick_weights(log_weights, points),
                groups,
            )
            joint[points] = mixed[0]
            parts[points] = mixed[1]
            summands[points] = mixed[2]
        return joint, parts, summands

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple) -> None:
        *tensors, ctx.log_weights, ctx.groups = inputs
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, of_joint: Tensor, of_parts: Tensor, _: Tensor
    ) -> tuple[Tensor | None, ...]:
        z, loc, log_scale, *outputs = ctx.saved_tensors
        given = (*outputs, of_joint, of_parts)
        of_z = torch.zeros_like(z)
        of_loc = torch.zeros_like(loc)
        of_log_scale = torch.zeros_like(log_scale)
        for at, points in _split_pairs(z, loc):
            gradients = _mixture_backward(
                z[points],
                loc[at],
                log_scale[at],
                _pick_weights(ctx.log_weights, points),
                *(t[points] for t in given),
                ctx.groups,
            )
            of_z[points] = gradients[0]
            of_loc[at].add_(gradients[1])
            of_log_scale[at].add_(gradients[2])
        return of_z, of_loc, of_log_scale, None, None

    @staticmethod
    def vmap(
        info: object,
        in_dims: tuple,
        z: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        log_weights: Tensor | float,
        groups: Groups,
    ) -> tuple[tuple, tuple[int, int, int]]:
        """Give many seeds another leading dimension; they share the weights."""
        tensors = []
        for tensor, dim in zip((z, loc, log_scale), in_dims[:3], strict=True):
            if dim is None:
                seeds = tensor.expand(info.batch_size, *tensor.shape)
            else:
                seeds = tensor.movedim(dim, 0)
            tensors.append(seeds)
        mixed = _GaussianMixture.apply(*tensors, log_weights, groups)
        return mixed, (0, 0, 0)


def _split_pairs(z: Tensor, loc: Tensor) -> Iterator[tuple[tuple, tuple]]:
    """Yield the indices of the posteriors and of the points of portions of pairs.

    A GPU takes all of the batch at once, a CPU one after the other.

    Args:
        z: (..., S, d).
        loc: (..., N, d).
    """
    *batch, count, latent_dim = z.shape
    pairs = loc.shape[-2]
    batches: Iterable[tuple] = itertools.product(*map(range, batch))
    rows = max(1, PAIRS_AT_ONCE // pairs)
    if is_fused(z):
        batches = [(slice(None),) * len(batch)]
        rows = max(1, DISTANCES_AT_ONCE // (pairs * latent_dim * math.prod(batch)))
    for at in batches:
        for start in range(0, count, rows):
            portion = slice(start, start + rows)
            yield at, (*at, portion)


def _pick_weights(log_weights: Tensor | float, points: tuple) -> Tensor | float:
    if isinstance(log_weights, Tensor):
        return log_weights[points[-1]]
    return log_weights


@fuse_on_gpu
def _mixture_forward(
    z: Tensor,
    loc: Tensor,
    log_scale: Tensor,
    log_weights: Tensor | float,
    groups: Groups,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the joint mixture, those of the groups, and the joint's log summands."""
    columns = _make_columns(loc, log_scale)
    joint = log_weights
    parts = []
    for group in groups:
        standardised = _standardise_pairs(z, columns, group)
        log_prob = _group_log_prob(standardised, columns, group)
        joint = joint + log_prob
        parts.append(_log_sum_inplace(log_prob.add_(log_weights)))
    mixed = _log_sum_inplace(joint.clone())
    return mixed, torch.stack(parts, dim=-1), joint


@fuse_on_gpu
def _mixture_backward(
    z: Tensor,
    loc: Tensor,
    log_scale: Tensor,
    log_weights: Tensor | float,
    joint: Tensor,
    parts: Tensor,
    summands: Tensor,
    of_joint: Tensor,
    of_parts: Tensor,
    groups: Groups,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of z, loc and log_scale.

    Each is the gradient of every pair's density, times that density's own.
    """
    columns = _make_columns(loc, log_scale)
    precision = columns[1]
    of_z = {}
    of_loc = {}
    of_log_scale = {}
    shared = _share_gradient(summands.clone(), joint, of_joint)
    for g, group in enumerate(groups):
        standardised = _standardise_pairs(z, columns, group)
        log_prob = _group_log_prob(standardised, columns, group)
        log_prob.add_(log_weights)
        share = _share_gradient(log_prob, parts[..., g], of_parts[..., g])
        share.add_(shared)
        total = share.sum(-2)
        for i, t in zip(group, standardised, strict=True):
            own = precision[..., i, None, :]
            pull = share * t
            of_loc[i] = pull.sum(-2) * precision[..., i, :]
            of_log_scale[i] = t.mul_(pull).sum(-2) - total
            of_z[i] = -pull.mul_(own).sum(-1)
    latents = range(z.shape[-1])
    return tuple(
        torch.stack([gradients[i] for i in latents], dim=-1)
        for gradients in (of_z, of_loc, of_log_scale)
    )


def _share_gradient(log_summands: Tensor, log_sum: Tensor, grad: Tensor) -> Tensor:
    """Return, in place, the gradients of log summands from that of their sum's log.

    Args:
        log_summands: (..., S, N), overwritten.
        log_sum: (..., S).
        grad: of ``log_sum``, (..., S).
    """
    log_shares = log_summands.sub_(log_sum[..., None])
    shares = log_shares.clamp_min_(FLOOR).exp_()
    return shares.mul_(grad[..., None])


def _log_sum_inplace(log_summands: Tensor) -> Tensor:
    """Return the ``logsumexp`` over the last dimension, overwriting the summands."""
    peak = log_summands.amax(-1, keepdim=True)
    log_ratios = log_summands.sub_(peak)
    ratios = log_ratios.clamp_min_(FLOOR).exp_()
    total = ratios.sum(-1)
    return total.log_() + peak.squeeze(-1)


def _make_columns(loc: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return means, reciprocal and log scales, each (..., d, N): contiguous in N."""
    precision = torch.exp(-log_scale)
    rows = (loc, precision, log_scale)
    return tuple(t.mT.contiguous() for t in rows)


def _standardise_pairs(
    z: Tensor, columns: tuple[Tensor, Tensor, Tensor], group: tuple[int, ...]
) -> list[Tensor]:
    """Return (z - loc) / scale of every pair, (..., S, N), for each coordinate."""
    loc, precision, _ = columns
    standardised = []
    for i in group:
        distance = z[..., i, None] - loc[..., i, None, :]
        own = precision[..., i, None, :]
        standardised.append(distance.mul_(own))
    return standardised


def _group_log_prob(
    standardised: list[Tensor],
    columns: tuple[Tensor, Tensor, Tensor],
    group: tuple[int, ...],
) -> Tensor:
    """Return the log density of a group in every pair, (..., S, N), in nats."""
    log_scale = columns[2]
    log_scales = sum(log_scale[..., i, None, :] for i in group)
    constant = -log_scales - 0.5 * len(group) * LOG_2PI
    first, *others = standardised
    total = torch.addcmul(constant, first, first, value=-0.5)
    for t in others:
        total.addcmul_(t, t, value=-0.5)
    return total
