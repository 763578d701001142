"""Metrics of all of dSprites after encoding: exact, and by samples as published."""

from functools import partial

import torch

from priorbench.bench.speed.timing import time_call
from priorbench.metrics.base import Codes, registry
from priorbench.priors.posteriors.gaussian import Gaussian

SIZES = (3, 6, 40, 32, 32)
"""dSprites' factors: shape, scale, orientation, posX, posY."""

SAMPLED = "_sampled"
"""How the names of metrics end that estimate the metric of the name before it."""

SAMPLES = (10, 20)
"""Draws of an entropy that are timed; the published 10,000 follow in proportion."""

PUBLISHED = 10_000


def measure_scoring(
    device: torch.device, latents: int = 10, sizes: tuple[int, ...] = SIZES
) -> dict[str, dict[str, float]]:
    """Measure the metrics that have an estimator by samples, on synthetic codes.

    The estimator's time is linear in its draws, so that two small numbers of them give
    its slope: the published 10,000 would take hours on a CPU.

    Returns:
        For each metric ``exact_seconds``, ``sampled_seconds`` (from the slope) and
        their ratio ``times``.
    """
    codes = make_codes(device, latents, sizes)
    few, many = SAMPLES
    measured = {}
    for name in registry.names():
        if f"{name}{SAMPLED}" not in registry.names():
            continue
        exact, sampled = registry.get(name), registry.get(f"{name}{SAMPLED}")
        exact(codes)  # warms up
        exact_seconds = time_call(partial(exact, codes), device)
        few_seconds = time_call(partial(sampled, codes, num_samples=few), device)
        many_seconds = time_call(partial(sampled, codes, num_samples=many), device)
        slope = max(many_seconds - few_seconds, 0.0) / (many - few)
        sampled_seconds = many_seconds + (PUBLISHED - many) * slope
        measured[name] = {
            "exact_seconds": exact_seconds,
            "sampled_seconds": sampled_seconds,
            "times": sampled_seconds / exact_seconds,
        }
    return measured


def make_codes(device: torch.device, latents: int, sizes: tuple[int, ...]) -> Codes:
    """Make codes like a trained model's: some latents follow a factor.

    The other latents are the prior's.
    """
    generator = torch.Generator().manual_seed(0)
    levels = torch.cartesian_prod(*(torch.arange(size) for size in sizes))
    loc = 0.05 * torch.randn(len(levels), latents, generator=generator)
    log_scale = 0.02 * torch.randn(len(levels), latents, generator=generator)
    for latent, size in zip(range(latents), sizes, strict=False):
        level = levels[:, latent] / max(size - 1, 1)
        loc[:, latent] += 3 * (level - 0.5)
        log_scale[:, latent] -= 2.5
    posterior = Gaussian()(torch.cat([loc, log_scale], 1).to(device))
    noise = torch.randn(loc.shape, generator=generator).to(device)
    return Codes(
        posterior,
        z=posterior.rsample(noise),
        log_prior=torch.zeros(len(levels), device=device),
        factors=levels.to(device),
        factor_names=tuple(f"factor{i}" for i in range(len(sizes))),
        factor_sizes=sizes,
        groups=tuple((i,) for i in range(latents)),
    )
