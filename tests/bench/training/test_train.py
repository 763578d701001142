import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from priorbench import datasets, priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaTCVAE, BetaVAE
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.train import Training
from tests.bench.training.small_ensembles import CPU, train_to_end

LATENTS = 4
SICK = 7
"""The seed that goes wrong."""


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIORBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        data = datasets.load_dataset(
            "dsprites",
            factors={
                "shape": ["square", "heart"],
                "scale": [2],
                "orientation": [0],
                "posX": [0, 6, 12, 18, 24, 30],
                "posY": [0, 6, 12, 18, 24, 30],
            },
        )
    return Pixels(data, CPU)


def make_ensemble(seeds, objective, prior=None, learning_rate=1e-3, autocast=None):
    def build():
        p = priors.Normal(LATENTS) if prior is None else prior()
        network = MLP((1, 64, 64), LATENTS, 2 * LATENTS, hidden=16)
        return Loss(VAE(network, p, Bernoulli(), autocast), objective())

    return Ensemble(build, seeds, learning_rate, CPU)


class Sickly(BetaVAE):
    """Overflows for one seed from a given share of the training on, gradients included."""

    def __init__(self, start=0.5):
        super().__init__(1.0)
        self.start = start
        self.register_buffer("sick", torch.tensor(float(torch.initial_seed() == SICK)))

    def forward(self, draw, dataset_size, progress):
        loss = super().forward(draw, dataset_size, progress)
        return loss * torch.exp(200 * self.sick * float(progress >= self.start))


def list_parameters(trained):
    return {name: value.numpy() for name, value in trained.model.state_dict().items()}


def assert_same_run(first, second):
    np.testing.assert_allclose(first.losses["loss"], second.losses["loss"], rtol=1e-4)
    for name, value in list_parameters(first).items():
        np.testing.assert_allclose(
            value, list_parameters(second)[name], rtol=1e-2, atol=1e-4
        )


def test_a_curve_has_an_entry_for_each_step(sprites):
    objective = lambda: BetaVAE(1.0)  # noqa: E731
    trained = train_to_end(
        make_ensemble([0, 1], objective, learning_rate=1e-2), sprites, 3, batch_size=16
    )
    assert [t.seed for t in trained] == [0, 1]
    for t in trained:
        assert (t.failed_step, t.reason) == (None, None)
        assert t.losses.keys() == {"step", "loss", "log_likelihood"}
        assert t.losses["step"].tolist() == list(range(3 * 4))
        assert np.isfinite(t.losses["loss"]).all()
        # a KL is added to it
        assert (t.losses["loss"] > -t.losses["log_likelihood"]).all()
        assert t.losses["loss"][-1] < 0.5 * t.losses["loss"][0]
        assert t.seeds_in_block == 2
        assert t.seconds > 0
        assert np.isclose(t.images_per_second * t.seconds, 2 * 3 * 64, rtol=0.1)


def test_first_loss_is_that_of_the_initialisation(sprites):
    """Pixels are even odds at first: 4096 log 2 nats."""
    (trained,) = train_to_end(
        make_ensemble([0], lambda: BetaVAE(1.0), learning_rate=1e-12), sprites, 1, 16
    )
    np.testing.assert_allclose(
        -trained.losses["log_likelihood"], 4096 * np.log(2), rtol=0.02
    )


def test_a_batch_is_at_most_all_images(sprites):
    (trained,) = train_to_end(
        make_ensemble([0], lambda: BetaVAE(1.0)), sprites, epochs=2, batch_size=1000
    )
    assert len(trained.losses["step"]) == 2


def test_a_training_is_advanced_epoch_by_epoch(sprites):
    ensemble = make_ensemble([0], lambda: BetaVAE(1.0))
    training = Training(ensemble, sprites, 3, 32)
    assert (training.epoch, training.images_per_second, training.done) == (0, 0, False)
    rates = []
    while not training.done:
        training.run_epoch()
        rates.append(training.images_per_second)
        assert training.epoch == len(rates)
    assert len(rates) == 3
    assert all(rate > 0 for rate in rates)


def test_time_between_epochs_is_not_that_of_the_training(sprites):
    training = Training(make_ensemble([0], lambda: BetaVAE(1.0)), sprites, 2, 64)
    training.run_epoch()
    time.sleep(0.5)
    training.run_epoch()
    (trained,) = training.outcomes()
    assert 0 < trained.seconds < 0.5
    assert trained.images_per_second == 2 * 64 / trained.seconds


@pytest.mark.parametrize("objective", [BetaVAE, BetaTCVAE])
@pytest.mark.parametrize("prior", ["normal", "isa"])
def test_alone_or_among_others_the_same_run(sprites, objective, prior):
    """On images of dSprites' size, 52 steps."""

    def density():
        if prior == "normal":
            return priors.Normal(LATENTS)
        return priors.ISA([2, 2], learn_exponents=True)

    together = train_to_end(
        make_ensemble([1, 0], lambda: objective(4.0), density), sprites, 13, 16
    )
    for t in together:
        (alone,) = train_to_end(
            make_ensemble([t.seed], lambda: objective(4.0), density), sprites, 13, 16
        )
        assert len(alone.losses["loss"]) == 52
        np.testing.assert_allclose(t.losses["loss"], alone.losses["loss"], rtol=1e-4)
        np.testing.assert_allclose(
            t.losses["log_likelihood"], alone.losses["log_likelihood"], rtol=1e-4
        )


def test_a_seed_that_diverges_leaves_and_the_others_are_unchanged(sprites):
    with_it = train_to_end(
        make_ensemble([0, SICK, 3], Sickly), sprites, epochs=4, batch_size=16
    )
    without = train_to_end(
        make_ensemble([0, 3], Sickly), sprites, epochs=4, batch_size=16
    )
    first, sick, last = with_it
    assert sick.seed == SICK
    assert sick.model is None
    assert sick.failed_step == 8
    assert sick.reason == "the loss became inf at step 8 (epoch 3)"
    assert sick.losses["step"].tolist() == list(range(9))
    assert np.isfinite(sick.losses["loss"][:-1]).all()
    assert sick.losses["loss"][-1] == np.inf
    for got, expected in zip((first, last), without, strict=True):
        assert got.failed_step is None
        assert len(got.losses["loss"]) == 16
        assert_same_run(got, expected)


def test_a_seed_that_diverges_after_its_update_is_found_at_the_next_step(sprites):
    """A finite loss whose gradient is not: the square root at 0."""

    class Cusp(Sickly):
        def forward(self, draw, dataset_size, progress):
            zero = self.sick * (draw.z * 0).sum()
            loss = BetaVAE.forward(self, draw, dataset_size, progress)
            return loss + (torch.sqrt(zero) if progress >= 0.5 else 0) * self.sick

    (trained,) = train_to_end(
        make_ensemble([SICK], Cusp), sprites, epochs=2, batch_size=16
    )
    assert trained.failed_step == 5
    assert trained.reason == "the loss became nan at step 5 (epoch 2)"


def test_a_training_without_seeds_is_done(sprites):
    ensemble = make_ensemble([SICK], lambda: Sickly(0.0))
    training = Training(ensemble, sprites, 5, 16)
    training.run_epoch()
    assert training.done
    assert training.epoch == 1
    (trained,) = training.outcomes()
    assert (trained.model, trained.failed_step) == (None, 0)
    assert trained.losses["step"].tolist() == [0]


@pytest.mark.parametrize(("images", "steps"), [(100, 25), (4000, 500)])
def test_losses_are_seldom_read_from_a_device(images, steps):
    """But often enough for Ctrl-C to be heard in a long epoch."""
    seeds = SimpleNamespace(device=SimpleNamespace(type="cuda"), tolist=lambda: [0])
    training = Training(SimpleNamespace(seeds=seeds), range(images), 1, 4)
    assert training.steps_per_read == steps


def test_a_device_read_once_an_epoch_gives_the_same(sprites):
    """As on an accelerator: the sick seed leaves at the epoch's end, at the same step."""
    expected = train_to_end(
        make_ensemble([0, SICK, 3], lambda: Sickly(0.4)), sprites, 4, 16
    )
    ensemble = make_ensemble([0, SICK, 3], lambda: Sickly(0.4))
    training = Training(ensemble, sprites, 4, 16)
    assert training.steps_per_read == 1
    training.steps_per_read = training.steps
    sizes = []
    while not training.done:
        training.run_epoch()
        sizes.append(len(ensemble))
    assert sizes == [3, 2, 2, 2]
    for a, b in zip(training.outcomes(), expected, strict=True):
        assert (a.seed, a.failed_step, a.reason) == (b.seed, b.failed_step, b.reason)
        np.testing.assert_allclose(a.losses["loss"], b.losses["loss"], rtol=1e-4)
        if a.model is not None:
            assert_same_run(a, b)


def test_bf16(sprites):
    trained = train_to_end(
        make_ensemble([0, 1], lambda: BetaVAE(1.0), autocast=torch.bfloat16),
        sprites,
        3,
        16,
    )
    exact = train_to_end(make_ensemble([0, 1], lambda: BetaVAE(1.0)), sprites, 3, 16)
    for rounded, reference in zip(trained, exact, strict=True):
        assert all(p.dtype == torch.float32 for p in rounded.model.parameters())
        assert not np.array_equal(rounded.losses["loss"], reference.losses["loss"])
        np.testing.assert_allclose(
            rounded.losses["loss"], reference.losses["loss"], rtol=0.03
        )
