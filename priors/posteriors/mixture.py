"""Mixtures of the posteriors of many data points, at many points: the aggregate posterior."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from priorbench.compiled import fuse_on_gpu
from priorbench.priors.posteriors.base import LOG_2PI, Gaussian, Groups, Posterior
from priorbench.priors.numerics.special import FLOOR, log_sum_exp

BLOCK = 65_536
"""Pairs that a CPU works on at once, within its cache."""


def log_mixture(
    q: Posterior, z: Tensor, groups: Groups, log_weights: Tensor | float
) -> tuple[Tensor, Tensor]:
    r"""Log of a mixture of posteriors, jointly and of each group of coordinates.

    .. math:: \log \sum_n w_{sn} \prod_g q(z^s_g | x_n), \qquad \log \sum_n w_{sn} q(z^s_g | x_n)

    For Gaussians no array has a dimension for the latents beside those of the pairs, forward or
    backward: the gradient computes the pairs' densities again. A CPU goes through the pairs in
    blocks that stay within its cache, a GPU in fused kernels.

    Args:
        q: N posteriors, parameters (N, num_params).
        z: S points, (S, latent_dim).
        groups: coordinates of each group; they partition the latents, and the posterior
            factorises over them.
        log_weights: of each posterior at each point, (S, N), or one for all; no gradient is
            taken to them.

    Returns:
        (S,) and (S, groups), in nats.

    Example:
        >>> import math
        >>> q = Gaussian(torch.zeros(3, 4))
        >>> joint, parts = log_mixture(q, torch.zeros(1, 2), [[0], [1]], -math.log(3))
        >>> torch.allclose(joint, q[0].log_prob(torch.zeros(2))), parts.shape
        (True, torch.Size([1, 2]))
    """
    if isinstance(q, Gaussian):
        fixed = tuple(tuple(group) for group in groups)
        return _Mixture.apply(z, q.loc, q.log_scale, log_weights, fixed)[:2]
    joint, parts = log_weights, []
    for log_prob in q.log_prob_pairs(z, groups):
        joint = joint + log_prob
        parts.append(log_sum_exp(log_prob + log_weights, dim=1))
    return log_sum_exp(joint, dim=1), torch.stack(parts, dim=-1)


class _Mixture(torch.autograd.Function):
    """z (..., S, d), loc and log_scale (..., N, d) -> (..., S), (..., S, groups), (..., S, N).

    The third output, the log of every summand of the joint mixture, is for the gradient.
    """

    @staticmethod
    def forward(
        z: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        log_weights: Tensor | float,
        groups: Groups,
    ) -> tuple[Tensor, Tensor, Tensor]:
        if z.device.type != "cpu":
            return _mixture_forward(z, loc, log_scale, log_weights, groups)
        joint, parts = (
            z.new_empty(z.shape[:-1]),
            z.new_empty(*z.shape[:-1], len(groups)),
        )
        summands = z.new_empty(*z.shape[:-1], loc.shape[-2])
        for at, points in _split_pairs(z, loc):
            joint[points], parts[points], summands[points] = _mixture_forward(
                z[points],
                loc[at],
                log_scale[at],
                _pick_weights(log_weights, points),
                groups,
            )
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
        if z.device.type != "cpu":
            return (
                *_mixture_backward(
                    z, loc, log_scale, ctx.log_weights, *given, ctx.groups
                ),
                None,
                None,
            )
        of_z, of_loc, of_log_scale = (torch.zeros_like(t) for t in (z, loc, log_scale))
        for at, points in _split_pairs(z, loc):
            found = _mixture_backward(
                z[points],
                loc[at],
                log_scale[at],
                _pick_weights(ctx.log_weights, points),
                *(t[points] for t in given),
                ctx.groups,
            )
            of_z[points] = found[0]
            of_loc[at] += found[1]
            of_log_scale[at] += found[2]
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
        """Many seeds: another leading dimension; the weights are the same for all."""
        tensors = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((z, loc, log_scale), in_dims[:3], strict=True)
        ]
        return _Mixture.apply(*tensors, log_weights, groups), (0, 0, 0)


def _split_pairs(z: Tensor, loc: Tensor) -> Iterator[tuple[tuple, tuple]]:
    """Blocks of pairs: where their posteriors are in ``loc`` (..., N, d), and their points."""
    rows = max(1, BLOCK // loc.shape[-2])
    for at in itertools.product(*map(range, z.shape[:-2])):
        for start in range(0, z.shape[-2], rows):
            yield at, (*at, slice(start, start + rows))


def _pick_weights(log_weights: Tensor | float, points: tuple) -> Tensor | float:
    return log_weights[points[-1]] if isinstance(log_weights, Tensor) else log_weights


@fuse_on_gpu
def _mixture_forward(
    z: Tensor,
    loc: Tensor,
    log_scale: Tensor,
    log_weights: Tensor | float,
    groups: Groups,
) -> tuple[Tensor, Tensor, Tensor]:
    columns, joint, parts = _make_columns(loc, log_scale), log_weights, []
    for group in groups:
        log_prob = _group_log_prob(
            _standardise_pairs(z, columns, group), columns, group
        )
        joint = joint + log_prob
        parts.append(_log_sum_inplace(log_prob.add_(log_weights)))
    return _log_sum_inplace(joint.clone()), torch.stack(parts, dim=-1), joint


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
    """Gradients of z, loc and log_scale: every density's, times those of its coordinates."""
    columns = _make_columns(loc, log_scale)
    precision, of_z, of_loc, of_log_scale = columns[1], {}, {}, {}
    shared = _share_gradient(summands.clone(), joint, of_joint)
    for g, group in enumerate(groups):
        standardised = _standardise_pairs(z, columns, group)
        log_prob = _group_log_prob(standardised, columns, group).add_(log_weights)
        share = _share_gradient(log_prob, parts[..., g], of_parts[..., g]).add_(shared)
        total = share.sum(-2)
        for i, t in zip(group, standardised, strict=True):
            pull = share * t
            of_loc[i] = pull.sum(-2) * precision[..., i, :]
            of_log_scale[i] = t.mul_(pull).sum(-2) - total
            of_z[i] = -pull.mul_(precision[..., i, None, :]).sum(-1)
    return tuple(
        torch.stack([own[i] for i in range(z.shape[-1])], dim=-1)
        for own in (of_z, of_loc, of_log_scale)
    )


def _share_gradient(log_summands: Tensor, log_sum: Tensor, grad: Tensor) -> Tensor:
    """Gradient of a sum's logarithm to those of its summands, (..., S, N), in their place."""
    return (
        log_summands.sub_(log_sum[..., None])
        .clamp_min_(FLOOR)
        .exp_()
        .mul_(grad[..., None])
    )


def _log_sum_inplace(log_summands: Tensor) -> Tensor:
    """As ``logsumexp`` over the last dimension, but in the place of the summands."""
    peak = log_summands.amax(-1, keepdim=True)
    return log_summands.sub_(peak).clamp_min_(FLOOR).exp_().sum(
        -1
    ).log_() + peak.squeeze(-1)


def _make_columns(loc: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means, reciprocal and log scales, each (..., d, N): pairs are contiguous in N."""
    return tuple(t.mT.contiguous() for t in (loc, torch.exp(-log_scale), log_scale))


def _standardise_pairs(
    z: Tensor, columns: tuple[Tensor, Tensor, Tensor], group: tuple[int, ...]
) -> list[Tensor]:
    """(z - loc) / scale of every pair, (..., S, N), for each coordinate of a group."""
    loc, precision, _ = columns
    return [
        (z[..., i, None] - loc[..., i, None, :]).mul_(precision[..., i, None, :])
        for i in group
    ]


def _group_log_prob(
    standardised: list[Tensor],
    columns: tuple[Tensor, Tensor, Tensor],
    group: tuple[int, ...],
) -> Tensor:
    """Log density of a group in every pair, (..., S, N), in nats."""
    log_scales = sum(columns[2][..., i, None, :] for i in group)
    constant = -log_scales - 0.5 * len(group) * LOG_2PI
    first, *others = standardised
    total = torch.addcmul(constant, first, first, value=-0.5)
    for t in others:
        total.addcmul_(t, t, value=-0.5)
    return total
