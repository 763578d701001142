"""Random numbers of many seeds, drawn by counter.

They are the same on every device, and for a seed alone or among others.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.compiled import fuse_on_gpu

MASK = 0xFFFFFFFF
"""The low 32 bits of a word."""

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

ORDER, NOISE, EVALUATION, IMPORTANCE = range(4)
"""Purposes of a seed's random numbers: order of the data; noise of training, of the
evaluation, and of the importance-weighted likelihood."""


def apply_philox(
    counter: Sequence[Tensor], key: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Apply Philox-4x32 with ten rounds.

    References: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Args:
        counter: four words c0 to c3, int64 tensors with values in [0, 2^32) that
            broadcast.
        key: two words k0 and k1 likewise.

    Returns:
        Four random words, int64 tensors with values in [0, 2^32).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        first = c0 * MULTIPLIERS[0]
        second = c2 * MULTIPLIERS[1]
        # the product wraps modulo 2^64; its high word is what the mask leaves of the
        # shift
        first_high = (first >> 32) & MASK
        second_high = (second >> 32) & MASK
        c0, c2 = second_high ^ c1 ^ k0, first_high ^ c3 ^ k1
        c1, c3 = second & MASK, first & MASK
        k0 = (k0 + KEY_STEPS[0]) & MASK
        k1 = (k1 + KEY_STEPS[1]) & MASK
    return c0, c1, c2, c3


def draw_normal(
    seeds: Tensor, purpose: int, step: int | Tensor, shape: Sequence[int]
) -> Tensor:
    """Draw standard normal noise of every seed.

    References: Box and Muller 1958.

    Args:
        seeds: int64, (seeds,), each >= 0.
        purpose: one of the purposes above; each has numbers of its own.
        step: position in the numbers of this purpose, >= 0; a number, or an int64
            tensor of no dimension.
        shape: shape of one seed's noise.

    Returns:
        Noise, float32 (seeds, *shape).
    """
    size = math.prod(shape)
    words = _draw_words(seeds, purpose, step, -(-size // 4))
    noise = _box_muller(*words).flatten(1)[:, :size]
    return noise.reshape(len(seeds), *shape)


def draw_permutation(seeds: Tensor, epoch: int, size: int) -> Tensor:
    """Draw a random order of ``range(size)`` for every seed, int64 (seeds, size)."""
    high, low, *_ = _draw_words(seeds, ORDER, epoch, size)
    keys = (high >> 1 << 32) | low
    return torch.argsort(keys, dim=-1, stable=True)


def _draw_words(
    seeds: Tensor, purpose: int, step: int | Tensor, count: int
) -> tuple[Tensor, ...]:
    """Draw four random words for each seed and each of ``count`` counters.

    Each word is (seeds, count).
    """
    if not isinstance(step, Tensor):
        step = torch.full((), step, device=seeds.device)
    index = torch.arange(count, device=seeds.device)
    return _draw_at_counters(seeds[:, None], index, step, purpose)


@fuse_on_gpu
def _draw_at_counters(
    seeds: Tensor, index: Tensor, step: Tensor, purpose: int
) -> tuple[Tensor, ...]:
    zero = torch.zeros_like(index)
    counter = (index, zero + step, zero + purpose, zero)
    return apply_philox(counter, (seeds & MASK, seeds >> 32))


@fuse_on_gpu
def _box_muller(*words: Tensor) -> Tensor:
    """Turn four words (...) into independent normal variates, float32 (..., 4)."""
    variates = []
    for first, second in (words[:2], words[2:]):
        uniform = (first.double() + 0.5) / 2**32
        radius = torch.sqrt(-2 * torch.log(uniform))
        angle = second.double() * (2 * math.pi / 2**32)
        variates += [radius * torch.cos(angle), radius * torch.sin(angle)]
    return torch.stack(variates, -1).float()
