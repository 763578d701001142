import copy
import math

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaVAE
from priorbench.bench.training.early_stopping import EarlyStopping, ValidationHistory
from priorbench.bench.training.encode import encode_images
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import Images
from tests.bench.training.small_ensembles import CPU, train_to_end

SHAPE, LATENTS, BATCH, STEPS = (1, 5, 6), 3, 16, 3


@pytest.fixture(scope="module")
def splits():
    """Random images: a network that learns them by heart gets worse on others."""
    bits = np.packbits(np.random.default_rng(0).random((96, 30)) < 0.3, axis=1)
    return [
        Pixels(Images(name, SHAPE, packed=part), CPU)
        for name, part in (("train", bits[:48]), ("valid", bits[48:]))
    ]


def make_ensemble(seeds, learning_rate=2e-2, objective=BetaVAE):
    def build():
        network = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=32)
        return Loss(VAE(network, priors.Normal(LATENTS), Bernoulli()), objective(1.0))

    return Ensemble(build, seeds, learning_rate, CPU)


class ScriptedStopping(EarlyStopping):
    """Early stopping by bounds that are listed for each seed."""

    def __init__(self, bounds, *settings):
        super().__init__(None, *settings)
        self.bounds = bounds

    def compute_elbo(self, model, seed):
        done = self.histories[seed].elbos if seed in self.histories else []
        return self.bounds[seed][len(done)]


def train_with_bounds(pixels, bounds, look_ahead, warm_up=0, epochs=9):
    stopping = ScriptedStopping(bounds, look_ahead, warm_up)
    return train_to_end(
        make_ensemble(list(bounds)), pixels, epochs, BATCH, stopping=stopping
    )


UP = [-90.0 + i for i in range(9)]


def test_the_first_of_the_best_epochs_is_kept():
    history = ValidationHistory()
    for elbo, model in ((-5.0, "a"), (-3.0, "b"), (-4.0, "c"), (-3.0, "d")):
        history.add(elbo, model)
    assert (history.best_epoch, history.model, history.elbos) == (
        2,
        "b",
        [-5.0, -3.0, -4.0, -3.0],
    )


def test_a_bound_that_is_not_a_number_is_never_the_best():
    history = ValidationHistory()
    for elbo, model in ((math.nan, "a"), (-3.0, "b"), (math.nan, "c")):
        history.add(elbo, model)
    assert (history.best_epoch, history.model) == (2, "b")
    assert history.elbos == [-math.inf, -3.0, -math.inf]


def test_each_seed_stops_by_its_own_bound(splits):
    """A look-ahead of 2: epochs 3 and 4 are no better than 2; the other seed rises to the end."""
    first, second = train_with_bounds(
        splits[0], {4: [-9, -5, -6, -5, 0, 0, 0, 0, 0], 1: UP}, look_ahead=2
    )
    assert first.scores == {"valid_elbo": -5, "best_epoch": 2, "epochs": 4}
    assert second.scores == {"valid_elbo": -82, "best_epoch": 9, "epochs": 9}
    assert len(first.losses["loss"]) == 4 * STEPS
    assert len(second.losses["loss"]) == 9 * STEPS
    assert first.model is not None
    assert (first.failed_step, first.reason) == (None, None)


def test_a_better_bound_starts_the_waiting_anew(splits):
    (trained,) = train_with_bounds(
        splits[0], {0: [-9, -8.5, -8.6, -8, -8.1, -8.2, 0, 0, 0]}, look_ahead=2
    )
    assert trained.scores == {"valid_elbo": -8, "best_epoch": 4, "epochs": 6}


def test_the_warm_up_does_not_count(splits):
    """Best in its first epoch, but waits from the end of the warm-up on; the best still counts."""
    (trained,) = train_with_bounds(
        splits[0], {0: [-1, *[-5] * 8]}, look_ahead=2, warm_up=4
    )
    assert trained.scores == {"valid_elbo": -1, "best_epoch": 1, "epochs": 6}


def test_the_model_of_the_best_epoch_is_returned(splits):
    """As though its training had ended there; the other seed changes nothing."""
    down = [-9, -5, *[-6] * 7]
    stopped, _ = train_with_bounds(splits[0], {4: down, 1: UP}, look_ahead=4)
    (short,) = train_to_end(make_ensemble([4]), splits[0], 2, BATCH)
    for name, value in short.model.state_dict().items():
        torch.testing.assert_close(
            stopped.model.state_dict()[name], value, rtol=1e-3, atol=1e-5
        )
    np.testing.assert_allclose(
        stopped.losses["loss"][: 2 * STEPS], short.losses["loss"], rtol=1e-4
    )


def test_the_bound_is_on_validation_images_at_beta_1(splits):
    """And with the noise of the evaluation, the same after every epoch."""
    model = make_ensemble([3]).member(0)
    encoded = encode_images(model, splits[1], 3)
    expected = (encoded.log_likelihood - encoded.kl).mean().item()
    stopping = EarlyStopping(splits[1], 1)
    assert (
        stopping.compute_elbo(model, 3)
        == stopping.compute_elbo(copy.deepcopy(model), 3)
        == expected
    )
    assert stopping.compute_elbo(model, 4) != expected


def test_training_that_learns_by_heart_is_stopped(splits):
    stopping = EarlyStopping(splits[1], 5)
    trained = train_to_end(
        make_ensemble([0, 1, 2]), splits[0], 200, BATCH, stopping=stopping
    )
    for t in trained:
        epochs = int(t.scores["epochs"])
        assert 5 < epochs < 200
        assert t.scores["best_epoch"] == epochs - 5
        column = t.losses["valid_elbo"]
        assert len(column) == epochs * STEPS
        bounds = column[STEPS - 1 :: STEPS]
        assert np.isfinite(column).sum() == epochs == len(bounds)
        assert bounds.max() == t.scores["valid_elbo"] == bounds[-6]
        assert stopping.compute_elbo(t.model, t.seed) == t.scores["valid_elbo"]
    assert len({t.scores["valid_elbo"] for t in trained}) == 3


@pytest.mark.parametrize("batch", [BATCH, 48])
@pytest.mark.parametrize(
    ("epoch", "position"), [(1, 0), (2, 1), (3, 2), (4, 0), (4, 2)]
)
def test_a_seed_that_diverges_fails_and_another_stops(splits, batch, epoch, position):
    """At any step of an epoch; the model of its best epoch is kept."""
    steps = 48 // batch
    position = min(position, steps - 1)

    class Sick(BetaVAE):
        def __init__(self, beta):
            super().__init__(beta)
            self.register_buffer("sick", torch.tensor(float(torch.initial_seed() == 7)))

        def forward(self, draw, dataset_size, progress):
            loss = super().forward(draw, dataset_size, progress)
            start = (epoch + position / steps) / 8
            return loss * torch.exp(200 * self.sick * float(progress >= start))

    stopping = ScriptedStopping({7: UP, 1: [-9, *[-10] * 8]}, 6)
    sick, other = train_to_end(
        make_ensemble([7, 1], objective=Sick), splits[0], 8, batch, stopping=stopping
    )
    assert (sick.model, sick.failed_step, sick.scores) == (
        None,
        epoch * steps + position,
        {},
    )
    assert sick.best is stopping.histories[7].model
    assert sick.reason.startswith(
        f"the loss became inf at step {sick.failed_step} (epoch "
        f"{epoch + 1}); the parameters of epoch {epoch}, which had the best "
        f"validation ELBO, {UP[epoch - 1]:.5g}, are kept"
    )
    column = sick.losses["valid_elbo"]
    assert len(column) == sick.failed_step + 1
    np.testing.assert_array_equal(column[np.isfinite(column)], UP[:epoch])
    assert other.scores == {"valid_elbo": -9, "best_epoch": 1, "epochs": 7}
    assert other.best is None


def test_a_seed_that_diverges_at_once_has_nothing_to_keep(splits):
    class Sick(BetaVAE):
        def forward(self, draw, dataset_size, progress):
            return super().forward(draw, dataset_size, progress) * math.inf

    (trained,) = train_to_end(
        make_ensemble([7], objective=Sick),
        splits[0],
        8,
        BATCH,
        stopping=ScriptedStopping({7: UP}, 6),
    )
    assert (trained.model, trained.best) == (None, None)
    assert trained.reason == "the loss became inf at step 0 (epoch 1)"
    assert "valid_elbo" not in trained.losses


def test_look_ahead_is_an_epoch_at_least(splits):
    with pytest.raises(
        ValueError, match="'look_ahead' must be at least 1 epoch; got 0"
    ):
        EarlyStopping(splits[1], 0)
