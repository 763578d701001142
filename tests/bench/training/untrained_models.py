"""A small data set and models of it, encoded with PyTorch's own distributions."""

import numpy as np
import torch
from torch import distributions

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.random_streams import EVALUATION, draw_normal
from priorbench.datasets import FactorDataset

SHAPE, LATENTS, COUNT = (1, 6, 5), 4, 60


def make_dataset():
    """Return 60 random binary images with three factors, of which one is excluded."""
    bits = np.random.default_rng(0).integers(0, 2, (COUNT, 30), dtype=np.uint8)
    return FactorDataset(
        "bits",
        ("shape", "x", "y"),
        (3, 4, 5),
        SHAPE,
        packed=np.packbits(bits, axis=1),
        excluded_factors=("shape",),
    )


def make_vae(prior=None, autocast=None):
    torch.manual_seed(1)
    prior = prior or priors.Normal(LATENTS)
    network = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=16)
    model = VAE(network, prior, Bernoulli(), autocast)
    with torch.no_grad():
        # away from the initialisation, at which all posteriors are nearly the same
        for parameter in model.architecture.parameters():
            parameter.mul_(3)
    return model.eval()


def encode_alone(model, data, seed, chunk_size):
    """Compute q, z and log p(x|z) of every image in another way, float64."""
    seeds = torch.tensor([seed])
    noise = []
    for number, rows in enumerate(torch.arange(COUNT).split(chunk_size)):
        noise.append(draw_normal(seeds, EVALUATION, number, (len(rows), LATENTS))[0])
    images = data.images(range(COUNT)).flatten(1)
    loc, log_scale = model.architecture.encoder(images).detach().chunk(2, 1)
    q = distributions.Normal(loc.double(), log_scale.double().exp())
    z = q.loc + q.scale * torch.cat(noise)
    logits = model.architecture.decoder(z.float()).detach().double()
    pixels = distributions.Bernoulli(logits=logits)
    return q, z, pixels.log_prob(images.double()).sum(1)
