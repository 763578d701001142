"""The training of an ensemble, epoch by epoch, and what became of each seed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from priorbench.bench.models.vae import VAE
from priorbench.bench.training.early_stopping import EarlyStopping, ValidationHistory
from priorbench.bench.training.ensemble import Ensemble, list_tensors, select_names
from priorbench.bench.training.pixels import Pixels

STEPS_PER_READ = 500
"""Steps of an accelerator after which losses are read from it, at most."""


@dataclass
class Trained:
    """What became of one seed.

    Attributes:
        seed: number of the seed.
        model: the trained model, None if the run failed.
        losses: columns of the loss curve by name, one entry per step, in nats per
            image; ``valid_elbo`` has one at the end of each epoch, and NaN elsewhere.
        failed_step: step (from 0) of the first loss that was not finite.
        reason: why the run failed, in words.
        seconds: time that all the seeds together trained for.
        images_per_second: speed of all the seeds together.
        seeds_in_block: seeds that trained at once.
        scores: ``valid_elbo``, ``best_epoch`` and ``epochs`` of a seed that could stop
            early.
        best: model of the best epoch that was validated, if the run failed and there
            was one.
    """

    seed: int
    model: VAE | None
    losses: dict[str, np.ndarray]
    failed_step: int | None = None
    reason: str | None = None
    seconds: float = 0.0
    images_per_second: float = 0.0
    seeds_in_block: int = 1
    scores: dict[str, float] = field(default_factory=dict)
    best: VAE | None = None


class Training:
    """The training of an ensemble, which its caller advances.

    A seed whose loss stops being finite leaves the ensemble, and the others go on. The
    images that do not fill a last batch are left out of an epoch, others in every
    epoch::

        while not training.done:
            training.run_epoch()
        trained = training.outcomes()

    Args:
        ensemble: the seeds, at their initialisation.
        pixels: the images.
        epochs: passes over the data, at most.
        batch_size: images of a batch; at most all.
        stopping: ends seeds early; the models that it keeps are returned.

    Attributes:
        epoch: epochs that are done.
        position: steps of the present epoch that are done.
        seconds: time that they took.
        steps: optimiser steps of an epoch.
        steps_per_read: steps after which losses are read from the device. Reading makes
            the device wait, so that on an accelerator it is done once in
            :data:`STEPS_PER_READ` and at the end of an epoch; on a CPU it is done at
            every step.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        pixels: Pixels,
        epochs: int,
        batch_size: int,
        stopping: EarlyStopping | None = None,
    ) -> None:
        self.ensemble = ensemble
        self.pixels = pixels
        self.epochs = epochs
        self.batch_size = min(batch_size, len(pixels))
        self.stopping = stopping
        self.epoch = self.position = 0
        self.seconds = 0.0
        self.steps = len(pixels) // self.batch_size
        on_cpu = ensemble.seeds.device.type == "cpu"
        self.steps_per_read = 1 if on_cpu else min(STEPS_PER_READ, self.steps)
        self._seeds: list[int] = ensemble.seeds.tolist()
        count = len(self._seeds)
        self._curves = np.full((2, epochs * self.steps, count), np.nan)
        self._steps_taken = np.zeros(count, dtype=int)

    @property
    def done(self) -> bool:
        """Return whether all epochs are done or no seed is left."""
        return self.epoch >= self.epochs or not len(self.ensemble)

    @property
    def images_per_second(self) -> float:
        """Return the images per second of all the seeds together."""
        images = self.batch_size * float(self._steps_taken.sum())
        return images / self.seconds if self.seconds else 0.0

    def run_epoch(self) -> None:
        """Train to the end of the epoch and validate, where there is early stopping."""
        epoch = self.epoch
        while self.epoch == epoch:
            self.run_steps()

    def run_steps(self) -> None:
        """Train until losses are read next; the last steps of an epoch end it."""
        start = time.perf_counter()
        if len(self.ensemble):
            self._take_steps()
        if self.position == self.steps or not len(self.ensemble):
            self._validate()
            self.epoch, self.position = self.epoch + 1, 0
        self.seconds += time.perf_counter() - start

    def outcomes(self) -> list[Trained]:
        """Return what became of each seed, in the order of the seeds."""
        return [self._make_outcome(index) for index in range(len(self._seeds))]

    def seed_state(self, index: int) -> dict[str, np.ndarray]:
        """Return all that the training has changed of one seed, by name.

        Args:
            index: of the seed among those that began.
        """
        seed = self._seeds[index]
        tensors = {}
        going = self.ensemble.seeds.tolist()
        if seed in going:
            own = self.ensemble.seed_state(going.index(seed))
            tensors |= {f"ensemble/{name}": value for name, value in own.items()}
        history = self._find_history(seed)
        if history is not None and history.model is not None:
            best = list_tensors(history.model)
            tensors |= {f"best/{name}": value for name, value in best.items()}
        state = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        state["elbos"] = np.array([] if history is None else history.elbos)
        state["curves"] = self._curves[:, : self._steps_taken[index], index]
        return state

    def load_states(
        self,
        epoch: int,
        position: int,
        seconds: float,
        states: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        """Go on where another training of the same seeds was; before the first step.

        The rest is the same, bit by bit on a CPU, as if it had gone on itself.

        Args:
            epoch: its attribute.
            position: its attribute.
            seconds: its attribute.
            states: its :meth:`seed_state` of every seed.

        Raises:
            KeyError, ValueError: the states are of another training.
        """
        if not (0 <= epoch < self.epochs and 0 <= position < self.steps):
            raise ValueError(f"there is no step {position} of epoch {epoch}")
        self.epoch, self.position, self.seconds = epoch, position, seconds
        own = []
        for index, (seed, state) in enumerate(zip(self._seeds, states, strict=True)):
            taken = state["curves"].shape[1]
            self._curves[:, :taken, index] = state["curves"]
            self._steps_taken[index] = taken
            tensors = {name: torch.tensor(array) for name, array in state.items()}
            own.append(select_names(tensors, "ensemble/"))
            if self.stopping is not None and len(state["elbos"]):
                model = self.ensemble.make_model(select_names(tensors, "best/"))
                self.stopping.load_history(seed, state["elbos"].tolist(), model)
        if not all(own):
            self.ensemble.keep([bool(values) for values in own])
        self.ensemble.load_states([values for values in own if values])

    def _take_steps(self) -> None:
        """Take the next steps of the epoch and read their losses."""
        first = self.position
        last = min(first + self.steps_per_read, self.steps)
        values = []
        for position in range(first, last):
            loss_and_log_likelihood = self.ensemble.step(
                self.pixels, self.batch_size, self.epoch, position, self.epochs
            )
            values.append(torch.stack(loss_and_log_likelihood))
        curves = torch.stack(values, dim=1).cpu().numpy()

        columns = [self._seeds.index(seed) for seed in self.ensemble.seeds.tolist()]
        offset = self.epoch * self.steps
        self._curves[:, offset + first : offset + last, columns] = curves
        self._steps_taken[columns] = offset + last
        self.position = last

        finite = np.isfinite(curves[0]).all(axis=0)
        if not finite.all():
            self.ensemble.keep(finite)

    def _validate(self) -> None:
        """Validate every seed; those that wait for too long leave the ensemble."""
        if self.stopping is None:
            return
        going = []
        for position, seed in enumerate(self.ensemble.seeds.tolist()):
            model = self.ensemble.member(position)
            going.append(self.stopping.validate_seed(seed, model))
        if not all(going):
            self.ensemble.keep(going)

    def _find_history(self, seed: int) -> ValidationHistory | None:
        return None if self.stopping is None else self.stopping.histories.get(seed)

    def _make_outcome(self, index: int) -> Trained:
        """Return what became of the seed at ``index`` of those that began."""
        seed = self._seeds[index]
        curve = self._curves[:, : self._steps_taken[index], index]
        finite = np.isfinite(curve[0])
        diverged = not finite.all()
        end = int(finite.argmin()) + 1 if diverged else len(finite)
        trained = Trained(
            seed=seed,
            model=None,
            losses={
                "step": np.arange(end),
                "loss": curve[0, :end],
                "log_likelihood": curve[1, :end],
            },
            seconds=self.seconds,
            images_per_second=self.images_per_second,
            seeds_in_block=len(self._seeds),
        )
        history = self._find_history(seed)
        if history is not None:
            trained.losses["valid_elbo"] = self._spread_over_steps(history, end)
        if diverged:
            trained.failed_step = end - 1
            trained.reason = (
                f"the loss became {curve[0, end - 1]:g} at step {end - 1} "
                f"(epoch {(end - 1) // self.steps + 1})"
            )
            if history is not None:
                trained.best = history.model
                trained.reason += (
                    f"; the parameters of epoch {history.best_epoch}, which had the "
                    f"best validation ELBO, {history.best_elbo:.5g}, are kept"
                )
        elif history is not None:
            trained.model = history.model
            trained.scores = {
                "valid_elbo": history.best_elbo,
                "best_epoch": float(history.best_epoch),
                "epochs": float(len(history.elbos)),
            }
        else:
            position = self.ensemble.seeds.tolist().index(seed)
            trained.model = self.ensemble.member(position)
        return trained

    def _spread_over_steps(self, history: ValidationHistory, length: int) -> np.ndarray:
        """Return the bounds at the last step of each epoch, NaN at the other steps."""
        column = np.full(length, np.nan)
        ends = column[self.steps - 1 :: self.steps]
        # a seed that diverges may not reach the end of its last epoch, or not be
        # validated there
        count = min(len(ends), len(history.elbos))
        ends[:count] = history.elbos[:count]
        return column
