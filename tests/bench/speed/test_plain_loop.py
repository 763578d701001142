import pytest
import torch

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaTCVAE, BetaVAE
from priorbench.bench.speed.plain_loop import PlainLoop
from priorbench.bench.speed.training import copy_networks
from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble, Loss
from tests.bench.training.small_ensembles import BATCH, COUNT, CPU, LATENTS, SHAPE

OURS = {
    "beta_vae": BetaVAE,
    "beta_vae_estimator": BetaVAE,
    "beta_tcvae": lambda beta: BetaTCVAE(beta, "stratified", "latents"),
}


def build(objective):
    networks = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=16)
    return Loss(
        VAE(networks, priors.build_prior("normal", LATENTS), Bernoulli()),
        OURS[objective](3.0),
    )


@pytest.mark.parametrize("objective", OURS)
def test_the_plain_loop_gives_the_same_losses(objective, pixels):
    """Two epochs from the same start, with the same order and noise."""
    block, seed = Ensemble(lambda: build(objective), [7], 1e-2, CPU), torch.tensor([7])
    steps = iter(range(100))

    def noise(shape):
        return random_streams.draw_normal(
            seed, random_streams.NOISE, next(steps), shape
        )[0]

    class Order:
        """A sampler: the seed's own order, epoch by epoch."""

        epoch = -1

        def __len__(self):
            return COUNT

        def __iter__(self):
            self.epoch += 1
            return iter(
                random_streams.draw_permutation(seed, self.epoch, COUNT)[0].tolist()
            )

    images = pixels[torch.arange(COUNT)]
    loop = PlainLoop(
        copy_networks(block.member(0).architecture),
        images,
        BATCH,
        objective,
        3.0,
        1e-2,
        CPU,
        Order(),
        noise,
    )
    for epoch in range(2):
        for position in range(COUNT // BATCH):
            ours = torch.stack(block.step(pixels, BATCH, epoch, position, 2)).flatten()
            torch.testing.assert_close(
                ours, torch.tensor(loop.step()), rtol=1e-4, atol=1e-5
            )


def test_it_shuffles_and_draws_of_its_own(pixels):
    images = pixels[torch.arange(COUNT)]
    networks = copy_networks(MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=16))
    loop = PlainLoop(networks, images, BATCH, "beta_vae", 1.0, 1e-2, CPU)
    found = [loop.step()[0] for _ in range(40)]
    assert len(set(found)) == 40
    assert sum(found[-8:]) < sum(found[:8])
