"""Importance-weighted estimate of the log-likelihood of a trained model."""

import math

import torch
from torch import Tensor

from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.random_streams import (
    IMPORTANCE,
    MASK,
    draw_normal,
    draw_permutation,
)

CHUNK_SIZE = 4096
"""Images, or draws of fewer images, that pass through the decoder at once."""

ORDER_SEED, ORDER_EPOCH = 0, MASK
"""Seed and epoch of the order in which images are chosen; no training gets that far."""


def choose_images(count: int, wanted: int) -> Tensor:
    """Choose images at random without replacement, the same for every model.

    Args:
        count: images of the data set.
        wanted: how many to choose; all where there are fewer.

    Returns:
        Rows in rising order, int64.

    Raises:
        ValueError: ``wanted`` is less than 1.
    """
    if wanted < 1:
        raise ValueError(f"'images' must be at least 1; got {wanted}")
    seeds = torch.tensor([ORDER_SEED])
    (order,) = draw_permutation(seeds, ORDER_EPOCH, count)
    return order[:wanted].sort().values


@torch.no_grad()
def estimate_log_likelihood(
    model: VAE, pixels: Pixels, seed: int, samples: int, images: int | None = None
) -> Tensor:
    r"""Return the importance-weighted log-likelihood of images, in nats.

    .. math::
        \log \frac1K \sum_k \frac{p(x|z_k) p(z_k)}{q(z_k|x)}, \quad z_k \sim q(z|x)

    This is a lower bound in expectation, closer the larger K is, and log p(x) itself
    for every K where q is the exact posterior. The sum is streamed: memory does not
    grow with K. Of the posterior it needs no more than its draws and their density.

    References: Burda et al. 2016, Eq. 8.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        seed: seed of the draws.
        samples: K, >= 1.
        images: how many, from :func:`choose_images`; None for all, in order.

    Returns:
        The estimate of every image, float64 (images,).

    Raises:
        ValueError: ``samples`` or ``images`` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"'samples' must be at least 1; got {samples}")
    device = next(model.parameters()).device
    seeds = torch.tensor([seed], device=device)
    count = len(pixels)
    chosen = choose_images(count, count if images is None else images).to(device)
    return torch.cat(
        [
            _estimate_chunk(model, pixels[rows], seeds, number * samples, samples)
            for number, rows in enumerate(chosen.split(CHUNK_SIZE))
        ]
    )


def summarise_estimates(values: Tensor) -> dict[str, float]:
    """Return the mean over the images and its standard error, in nats.

    The error is that of the images' spread, as though they were few of many: it tells
    how far the mean of other images may be, not how far apart two models may be that
    are scored on the same ones.

    Args:
        values: log-likelihood of every image, (images,).

    Example:
        >>> summarise_estimates(torch.tensor([-3.0, -5.0]).double())
        {'log_likelihood': -4.0, 'log_likelihood_se': 1.0}
    """
    spread = values.std(correction=1).item() if len(values) > 1 else 0.0
    return {
        "log_likelihood": values.mean().item(),
        "log_likelihood_se": spread / math.sqrt(len(values)),
    }


def _estimate_chunk(
    model: VAE, x: Tensor, seeds: Tensor, start: int, samples: int
) -> Tensor:
    """Return the estimates of a chunk of images, float64 (n,).

    For few images, many draws of each are taken at a time.

    Args:
        model: one seed's.
        x: the images, (n, pixels).
        seeds: seed of the draws, (1,).
        start: position in the random numbers of the seed.
        samples: K.
    """
    n = len(x)
    noise_dim = model.prior.posterior.noise_dim(model.prior.latent_dim)
    at_once = min(samples, CHUNK_SIZE // n)
    rows = torch.arange(n, device=x.device).repeat(at_once)
    q_all = model.encode(x)[rows]
    x_all = x.repeat(at_once, 1)
    total = x.new_full((n,), -math.inf, dtype=torch.float64)
    for step, first in enumerate(range(0, samples, at_once)):
        draws = n * min(at_once, samples - first)
        (noise,) = draw_normal(seeds, IMPORTANCE, start + step, (draws, noise_dim))
        q = q_all[:draws]
        z = q.rsample(noise.to(x))
        log_likelihood = model.likelihood(model.decode(z), x_all[:draws])
        log_weight = log_likelihood + model.prior.log_prob(z) - q.log_prob(z)
        log_weight = log_weight.double().reshape(-1, n)
        total = torch.logaddexp(total, torch.logsumexp(log_weight, dim=0))
    return total - math.log(samples)
