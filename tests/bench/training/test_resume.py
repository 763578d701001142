"""A training that goes on from a state is the one that was not stopped, bit by bit."""

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaTCVAE, BetaVAE, Capacity, FactorVAE
from priorbench.bench.training.early_stopping import EarlyStopping
from priorbench.bench.training.ensemble import Ensemble, Loss, list_tensors
from priorbench.bench.training.train import Training
from tests.bench.training.recorded_ensemble import RecordedEnsemble
from tests.bench.training.small_ensembles import (
    BATCH,
    COUNT,
    CPU,
    HIDDEN,
    LATENTS,
    SHAPE,
)

EPOCHS, STEPS = 5, COUNT // BATCH


class Diverging(BetaVAE):
    """A β-VAE whose loss is infinite where the first latent of a batch is far out."""

    def forward(self, draw, dataset_size, progress):
        far = (draw.z[:, 0].detach().abs() > 3.3).any()
        return super().forward(draw, dataset_size, progress) * torch.where(
            far, torch.inf, 1.0
        )


OBJECTIVES = {
    "beta_vae": lambda: BetaVAE(2.0),
    "beta_tcvae": lambda: BetaTCVAE(4.0),
    "capacity": lambda: Capacity(3.0, c_max=5.0),
    "factor_vae": lambda: FactorVAE(2.0, hidden=8),
    "diverging": lambda: Diverging(1.0),
}


def make_training(
    pixels, objective="beta_vae", seeds=(3,), warm_up=0.0, stopping=None, kind=Ensemble
):
    """Make a training of models with a learned prior."""

    def build():
        prior = priors.ISA([2, 2], learn_exponents=True)
        network = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=HIDDEN)
        loss = OBJECTIVES[objective]()
        loss.adapt(prior)
        return Loss(VAE(network, prior, Bernoulli()), loss, warm_up)

    ensemble = kind(build, seeds, 1e-2, CPU)
    if stopping is not None:
        stopping = EarlyStopping(pixels, stopping)
    return Training(ensemble, pixels, EPOCHS, BATCH, stopping)


def interrupt_training(make, steps):
    """Train for some steps, and return a new training that goes on from there."""
    first = make()
    for _ in range(steps):
        first.run_steps()
    states = [first.seed_state(index) for index in range(len(first._seeds))]
    second = make()
    second.load_states(first.epoch, first.position, first.seconds, states)
    return second


def finish_training(training):
    while not training.done:
        training.run_steps()
    return training.outcomes()


def check_same(outcomes, expected):
    for one, other in zip(outcomes, expected, strict=True):
        assert (one.seed, one.reason, one.scores) == (
            other.seed,
            other.reason,
            other.scores,
        )
        assert one.losses.keys() == other.losses.keys()
        for name, column in one.losses.items():
            assert column.tobytes() == other.losses[name].tobytes(), name
        assert (one.model is None) == (other.model is None)
        if one.model is not None:
            tensors = list_tensors(other.model)
            for name, value in list_tensors(one.model).items():
                assert torch.equal(value, tensors[name]), name


CASES = {
    **{name: {"objective": name} for name in list(OBJECTIVES)[:-1]},
    "warm-up": {"warm_up": 0.7},
    "three seeds": {"seeds": (1, 5, 2)},
    "three seeds of FactorVAE": {"seeds": (1, 5, 2), "objective": "factor_vae"},
    "early stopping": {"seeds": (1, 5, 2), "stopping": 1},
    "seeds that diverge": {"seeds": tuple(range(6)), "objective": "diverging"},
}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(1, marks=pytest.mark.slow),
        STEPS + 3,
        3 * STEPS,
        pytest.param(EPOCHS * STEPS - 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("case", CASES)
def test_what_is_resumed_is_the_same(pixels, case, steps):
    def make():
        return make_training(pixels, **CASES[case])

    expected = finish_training(make())
    check_same(finish_training(interrupt_training(make, steps)), expected)
    if case == "seeds that diverge":
        ends = [one.failed_step for one in expected]
        assert None in ends
        assert any(end is not None for end in ends)


def test_the_first_steps_are_not_taken_again(pixels):
    def make():
        return make_training(pixels)

    resumed = interrupt_training(make, STEPS + 3)
    assert (resumed.epoch, resumed.position) == (1, 3)
    assert resumed.seconds > 0
    taken = resumed.seconds
    resumed.run_steps()
    assert resumed.seconds > taken


def test_seeds_that_stopped_early_stay_so(pixels):
    """Where all have, nothing is left to do but to take their best models."""

    class Falling(EarlyStopping):
        def compute_elbo(self, model, seed):
            return -float(len(self.histories[seed].elbos))

    def make():
        training = make_training(pixels, seeds=(1, 2))
        training.stopping = Falling(pixels, 1)
        return training

    expected = finish_training(make())
    assert [one.scores["epochs"] for one in expected] == [2.0, 2.0]
    resumed = interrupt_training(make, 2 * STEPS)
    assert resumed.done
    check_same(resumed.outcomes(), expected)


def test_a_resumed_training_is_recorded_as_another(pixels):
    """As on a GPU: the recording reads the tensors that the state was copied to."""

    def make():
        return make_training(pixels, seeds=(1, 2), kind=RecordedEnsemble)

    expected = finish_training(make_training(pixels, seeds=(1, 2)))
    resumed = interrupt_training(make, STEPS + 3)
    check_same(finish_training(resumed), expected)
    assert "replay" in resumed.ensemble._recorder.log


def test_another_state_is_refused(pixels):
    training = make_training(pixels)
    state = training.seed_state(0)
    with pytest.raises(ValueError, match="no step 8 of epoch 0"):
        training.load_states(0, STEPS, 0.0, [state])
    name = "ensemble/values/model.architecture.encoder.0.bias"
    other = {**state, name: np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"encoder.0.bias has shape \(16,\); got"):
        training.load_states(0, 1, 0.0, [other])
    other.pop(name)
    with pytest.raises(ValueError, match="other names"):
        training.load_states(0, 1, 0.0, [other])
