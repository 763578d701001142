"""Importance-weighted estimate of the log-likelihood of a trained model."""

import math

import torch
from torch import Tensor

from bench import streams
from bench.model import VAE
from bench.pixels import Pixels

CHUNK = 4096


@torch.no_grad()
def log_likelihood(model: VAE, pixels: Pixels, seed: int, samples: int) -> Tensor:
    r"""Importance-weighted log-likelihood of every image, float64 (N,), in nats.

    .. math:: \log \frac1K \sum_k \frac{p(x|z_k) p(z_k)}{q(z_k|x)}, \quad z_k \sim q(z|x)

    A lower bound in expectation, closer the larger K, and log p(x) itself for every K where q is
    the exact posterior. The sum is streamed: memory does not grow with K.

    References: Burda et al. 2016, Eq. 8.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        seed: of the draws.
        samples: K, >= 1.
    Raises:
        ValueError: ``samples`` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"'samples' must be at least 1; got {samples}")
    device = next(model.parameters()).device
    seeds = torch.tensor([seed], device=device)
    noise_dim = model.prior.posterior.noise_dim(model.prior.latent_dim)
    values = []
    for number, rows in enumerate(torch.arange(len(pixels), device=device).split(CHUNK)):
        x = pixels[rows]
        q = model.encode(x)
        total = torch.full((len(rows),), -math.inf, dtype=torch.float64, device=device)
        for k in range(samples):
            noise = streams.normal(seeds, streams.IMPORTANCE, number * samples + k,
                                   (len(rows), noise_dim))[0].to(x)
            z = q.rsample(noise)
            log_weight = (model.log_likelihood(model.decode(z), x) + model.prior.log_prob(z)
                          - q.log_prob(z))
            total = torch.logaddexp(total, log_weight.double())
        values.append(total - math.log(samples))
    return torch.cat(values)
