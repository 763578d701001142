"""Importance-weighted estimate of the log-likelihood of a trained model."""

import math

import torch
from torch import Tensor

from priorbench.bench.training import random_streams
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels

CHUNK = 4096


ORDER_SEED, ORDER_EPOCH = 0, random_streams.MASK
"""Of the order in which images are chosen; no training gets to that epoch."""


def choose_images(count: int, wanted: int) -> Tensor:
    """Images at random without replacement, the same for every model: int64, rising.

    Args:
        count: images of the dataset.
        wanted: how many; all where there are fewer.
    Raises:
        ValueError: ``wanted`` is less than 1.
    """
    if wanted < 1:
        raise ValueError(f"'images' must be at least 1; got {wanted}")
    order = random_streams.draw_permutation(
        torch.tensor([ORDER_SEED]), ORDER_EPOCH, count
    )[0]
    return order[:wanted].sort().values


@torch.no_grad()
def estimate_log_likelihood(
    model: VAE, pixels: Pixels, seed: int, samples: int, images: int | None = None
) -> Tensor:
    r"""Importance-weighted log-likelihood of images, float64 (images,), in nats.

    .. math:: \log \frac1K \sum_k \frac{p(x|z_k) p(z_k)}{q(z_k|x)}, \quad z_k \sim q(z|x)

    A lower bound in expectation, closer the larger K, and log p(x) itself for every K where q is
    the exact posterior. The sum is streamed: memory does not grow with K. It asks of the
    posterior no more than its draws and their density.

    References: Burda et al. 2016, Eq. 8.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        seed: of the draws.
        samples: K, >= 1.
        images: how many, from :func:`choose_images`; None for all, in order.
    Raises:
        ValueError: ``samples`` or ``images`` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"'samples' must be at least 1; got {samples}")
    device = next(model.parameters()).device
    seeds, count = torch.tensor([seed], device=device), len(pixels)
    chosen = choose_images(count, count if images is None else images).to(device)
    return torch.cat(
        [
            _estimate_chunk(model, pixels[rows], seeds, number * samples, samples)
            for number, rows in enumerate(chosen.split(CHUNK))
        ]
    )


def _estimate_chunk(
    model: VAE, x: Tensor, seeds: Tensor, start: int, samples: int
) -> Tensor:
    """The estimates of a chunk of images, float64 (n,); few images take many samples at a time.

    Args:
        model: one seed's.
        x: the images, (n, pixels).
        seeds: of the draws, (1,).
        start: position in the stream of the seed's noise.
        samples: K.
    """
    n, noise_dim = len(x), model.prior.posterior.noise_dim(model.prior.latent_dim)
    at_once = min(samples, CHUNK // n)
    q = model.encode(x)[torch.arange(n, device=x.device).repeat(at_once)]
    x = x.repeat(at_once, 1)
    total = x.new_full((n,), -math.inf, dtype=torch.float64)
    for step, first in enumerate(range(0, samples, at_once)):
        now = n * min(at_once, samples - first)
        noise = random_streams.draw_normal(
            seeds, random_streams.IMPORTANCE, start + step, (now, noise_dim)
        )[0]
        own = q[:now]
        z = own.rsample(noise.to(x))
        log_weight = (
            model.log_likelihood(model.decode(z), x[:now])
            + model.prior.log_prob(z)
            - own.log_prob(z)
        )
        log_weight = log_weight.double().reshape(-1, n)
        total = torch.logaddexp(total, torch.logsumexp(log_weight, dim=0))
    return total - math.log(samples)
