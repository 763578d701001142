"""A batch of draws that the objectives are tested on."""

import torch

from priorbench.bench.models.vae import Draw
from priorbench.priors import Gaussian

LATENTS = 4


def make_draw(prior, batch=6, dtype=torch.float64, seed=0):
    """Return posteriors, draws and log-likelihoods that depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    raw = 0.5 * torch.randn(batch, 2 * LATENTS, generator=generator, dtype=dtype)
    q = Gaussian()(raw)
    noise = torch.randn(batch, LATENTS, generator=generator, dtype=dtype)
    log_likelihood = -100 * torch.rand(batch, generator=generator, dtype=dtype)
    return Draw(q, q.rsample(noise), log_likelihood, prior)
