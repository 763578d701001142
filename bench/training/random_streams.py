"""Random streams of many seeds, drawn by counter: the same on every device, alone or in a block."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.compiled import fuse_on_gpu

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

ORDER, NOISE, EVALUATION, IMPORTANCE = range(4)
"""Purposes of a seed's streams: order of the data; noise of training, of the evaluation, and of
the importance-weighted likelihood."""


def apply_philox(
    counter: Sequence[Tensor], key: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Philox-4x32 with ten rounds.

    References: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Args:
        counter: four words, int64 tensors with values in [0, 2^32) that broadcast.
        key: two words likewise.
    Returns:
        Four random words, int64 tensors with values in [0, 2^32).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        # the product wraps modulo 2^64; its high word is what the mask leaves of the shift
        c0, c1, c2, c3 = (
            ((second >> 32) & MASK) ^ c1 ^ k0,
            second & MASK,
            ((first >> 32) & MASK) ^ c3 ^ k1,
            first & MASK,
        )
        k0, k1 = (k0 + KEY_STEPS[0]) & MASK, (k1 + KEY_STEPS[1]) & MASK
    return c0, c1, c2, c3


def _draw_words(
    seeds: Tensor, purpose: int, step: int | Tensor, count: int
) -> tuple[Tensor, ...]:
    """Four random words for each of ``count`` counters and each seed, each (seeds, count)."""
    if not isinstance(step, Tensor):
        step = torch.full((), step, device=seeds.device)
    return _draw_at_counters(
        seeds[:, None], torch.arange(count, device=seeds.device), step, purpose
    )


@fuse_on_gpu
def _draw_at_counters(
    seeds: Tensor, index: Tensor, step: Tensor, purpose: int
) -> tuple[Tensor, ...]:
    zero = torch.zeros_like(index)
    return apply_philox(
        (index, zero + step, zero + purpose, zero), (seeds & MASK, seeds >> 32)
    )


def draw_normal(
    seeds: Tensor, purpose: int, step: int | Tensor, shape: Sequence[int]
) -> Tensor:
    """Standard normal noise of every seed, float32 (seeds, *shape); Box and Muller 1958.

    Args:
        seeds: int64, (seeds,), each >= 0.
        purpose: which of the seed's streams.
        step: position in the stream, >= 0; a number, or an int64 tensor of no dimension.
        shape: of one seed's noise.
    """
    size = math.prod(shape)
    words = _draw_words(seeds, purpose, step, -(-size // 4))
    return _box_muller(*words).flatten(1)[:, :size].reshape(len(seeds), *shape)


@fuse_on_gpu
def _box_muller(*words: Tensor) -> Tensor:
    """Four independent normal variates of four words (...), float32 (..., 4)."""
    pairs = []
    for first, second in (words[:2], words[2:]):
        radius = torch.sqrt(-2 * torch.log((first.double() + 0.5) / 2**32))
        angle = second.double() * (2 * math.pi / 2**32)
        pairs += [radius * torch.cos(angle), radius * torch.sin(angle)]
    return torch.stack(pairs, -1).float()


def draw_permutation(seeds: Tensor, epoch: int, size: int) -> Tensor:
    """A random order of ``range(size)`` for every seed, int64 (seeds, size)."""
    high, low, *_ = _draw_words(seeds, ORDER, epoch, size)
    return torch.argsort((high >> 1 << 32) | low, dim=-1, stable=True)
