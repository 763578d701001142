"""MIG of all of dSprites after encoding: exact, and by samples as published."""

import torch

from priorbench import metrics
from priorbench.bench.speed.timing import time_call
from priorbench.priors import Gaussian

SIZES = (3, 6, 40, 32, 32)
"""dSprites' factors: shape, scale, orientation, posX, posY."""

SAMPLES = (10, 20)
"""Draws of an entropy that are timed; the published 10,000 follow in proportion."""

PUBLISHED = 10_000


def measure_scoring(
    device: torch.device, latents: int = 10, sizes: tuple[int, ...] = SIZES
) -> dict[str, float]:
    """Seconds of ``metrics.mig`` and of the published estimator, of synthetic codes.

    The latter's time is linear in its draws, so that two small numbers of them give its slope:
    its own 10,000 would take hours on a CPU.

    Returns:
        ``exact_seconds``, ``sampled_seconds`` (from the slope) and their ratio ``times``.
    """
    codes = _make_codes(device, latents, sizes)
    metrics.get("mig")(codes)
    exact = time_call(lambda: metrics.get("mig")(codes), device)
    few, more = (
        time_call(lambda n=n: metrics.get("mig_sampled")(codes, num_samples=n), device)
        for n in SAMPLES
    )
    sampled = more + (PUBLISHED - SAMPLES[1]) * max(more - few, 0.0) / (
        SAMPLES[1] - SAMPLES[0]
    )
    return {
        "exact_seconds": exact,
        "sampled_seconds": sampled,
        "times": sampled / exact,
    }


def _make_codes(
    device: torch.device, latents: int, sizes: tuple[int, ...]
) -> metrics.Codes:
    """Codes like a trained model's: some latents follow a factor, the others are the prior."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.cartesian_prod(*(torch.arange(size) for size in sizes))
    loc = 0.05 * torch.randn(len(levels), latents, generator=generator)
    log_scale = 0.02 * torch.randn(len(levels), latents, generator=generator)
    for latent in range(min(len(sizes), latents)):
        factor = levels[:, latent].float()
        loc[:, latent] += 3 * (factor / max(sizes[latent] - 1, 1) - 0.5)
        log_scale[:, latent] -= 2.5
    posterior = Gaussian(torch.cat([loc, log_scale], 1).to(device))
    z = posterior.rsample(torch.randn(loc.shape, generator=generator).to(device))
    return metrics.Codes(
        posterior,
        z,
        torch.zeros(len(z), device=device),
        levels.to(device),
        tuple(f"factor{i}" for i in range(len(sizes))),
        sizes,
        tuple((i,) for i in range(latents)),
    )
