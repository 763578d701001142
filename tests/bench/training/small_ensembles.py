"""Ensembles small enough to be trained many times in the tests."""

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaTCVAE, BetaVAE
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.train import Training
from priorbench.datasets import FactorDataset

CPU = torch.device("cpu")
SHAPE, LATENTS, COUNT, BATCH, HIDDEN = (1, 6, 6), 4, 64, 8, 16
PRIORS = {"normal": {}, "isa": {"subspaces": [2, 2], "learn_exponents": True}}
OBJECTIVES = {"beta_vae": BetaVAE, "beta_tcvae": BetaTCVAE}


@pytest.fixture(scope="module")
def pixels():
    """Return 64 binary images, in which some pixels are on more often than others."""
    generator = np.random.default_rng(0)
    bits = generator.random((COUNT, 36)) < np.linspace(0.05, 0.95, 36)
    packed = np.packbits(bits, axis=1)
    data = FactorDataset("bits", ("a", "b"), (8, 8), SHAPE, packed=packed)
    return Pixels(data, CPU)


def make_loss(prior="normal", objective="beta_vae", beta=2.0, architecture=MLP):
    """Make one seed's model and objective."""
    density = priors.build_prior(prior, latent_dim=LATENTS, **PRIORS[prior])
    network = architecture(SHAPE, LATENTS, 2 * LATENTS, hidden=HIDDEN)
    model = VAE(network, density, Bernoulli())
    return Loss(model, OBJECTIVES[objective](beta))


def make_ensemble(seeds, learning_rate=1e-2, **arguments):
    return Ensemble(lambda: make_loss(**arguments), seeds, learning_rate, CPU)


def run_steps(ensemble, pixels, epochs=7):
    """Return loss and log-likelihood of every step, (steps, 2, seeds)."""
    return torch.stack(
        [
            torch.stack(ensemble.step(pixels, BATCH, epoch, position, epochs))
            for epoch in range(epochs)
            for position in range(COUNT // BATCH)
        ]
    )


def train_to_end(*arguments, **named):
    """Return the outcomes of a :class:`Training`."""
    training = Training(*arguments, **named)
    while not training.done:
        training.run_epoch()
    return training.outcomes()
