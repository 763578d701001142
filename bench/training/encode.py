"""Images under a trained model: posteriors, draws and the terms of the bound."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.random_streams import EVALUATION, draw_normal
from priorbench.priors.posteriors.base import Posterior

CHUNK_SIZE = 4096
"""Images that pass through the model at once; each chunk has noise of its own, so that
another size gives other draws."""


@dataclass(frozen=True)
class Encoded:
    """Images under a model, with one draw of the latents for every image.

    Attributes:
        posterior: q(z|x_n), parameters (N, num_params).
        z: the draws, (N, latent_dim).
        log_likelihood: log p(x_n|z_n), (N,), in nats.
        log_prior: log p(z_n), (N,), in nats.
        kl: the prior's KL(q(z|x_n) || p), closed or from the draw, (N,), in nats.
    """

    posterior: Posterior
    z: Tensor
    log_likelihood: Tensor
    log_prior: Tensor
    kl: Tensor


def encode_images(model: VAE, pixels: Pixels, seed: int) -> Encoded:
    """Pass all the images through the model, chunk by chunk.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        seed: seed of the draws.
    """
    device = next(model.parameters()).device
    prior = model.prior
    noise_dim = prior.posterior.noise_dim(prior.latent_dim)
    seeds = torch.tensor([seed], device=device)
    chunks: list[tuple[Tensor, ...]] = []
    images = torch.arange(len(pixels), device=device)
    for number, rows in enumerate(images.split(CHUNK_SIZE)):
        (noise,) = draw_normal(seeds, EVALUATION, number, (len(rows), noise_dim))
        draw = model(pixels[rows], noise)
        chunks.append(
            (
                draw.q.params,
                draw.z,
                draw.log_likelihood.double(),
                prior.log_prob(draw.z).double(),
                prior.kl(draw.q, draw.z).double(),
            )
        )
    params, *rest = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    return Encoded(prior.posterior(params), *rest)
