"""From a job's settings and a block of seeds to trained models."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from priorbench.bench.training.early_stopping import Course, EarlyStopping
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels

Report = Callable[[int, float], None]
"""Called with the epochs done and the images per second of the whole block."""


@dataclass
class Trained:
    """What became of one seed.

    Attributes:
        seed: whose run it is.
        model: the trained model, None if the run failed.
        losses: columns of the loss curve by name, one entry per step, in nats per image;
            ``valid_elbo`` has one at the end of each epoch, and NaN elsewhere.
        failed_step: step (from 0) of the first loss that was not finite.
        reason: why the run failed, in words.
        seconds: that the block trained for.
        images_per_second: of the whole block.
        seeds_in_block: seeds that trained at once.
        scores: ``valid_elbo``, ``best_epoch`` and ``epochs`` of a seed that could stop early.
        best: of a failed run, the model of the best epoch that was validated, if there was one.
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


def train_block(
    ensemble: Ensemble,
    pixels: Pixels,
    epochs: int,
    batch_size: int,
    report: Report = lambda epoch, rate: None,
    stopping: EarlyStopping | None = None,
) -> list[Trained]:
    """Train a block of seeds; a seed whose loss stops being finite leaves it, the others go on.

    The images that do not fill a last batch are left out of an epoch, others in every epoch.

    Args:
        ensemble: the block, at its initialisation.
        pixels: the images.
        epochs: passes over the data, at most.
        batch_size: images of a batch; at most all.
        report: called after every epoch.
        stopping: takes seeds out of the block early; what it kept of them is returned.
    """
    batch_size = min(batch_size, len(pixels))
    steps = len(pixels) // batch_size
    seeds = ensemble.seeds.tolist()
    curve = np.full((2, epochs * steps, len(seeds)), np.nan)
    taken = np.zeros(len(seeds), dtype=int)
    start, images, rate = time.perf_counter(), 0, 0.0
    for epoch in range(epochs):
        for first, last, alive, values in _train_epoch(
            ensemble, pixels, batch_size, epoch, epochs
        ):
            columns = [seeds.index(s) for s in alive]
            curve[:, epoch * steps + first : epoch * steps + last, columns] = values
            taken[columns] = epoch * steps + last
            images += values[0].size * batch_size
        if stopping is not None:
            stopping.after_epoch(ensemble)
        rate = images / (time.perf_counter() - start)
        report(epoch + 1, rate)
        if not len(ensemble):
            break
    timings = time.perf_counter() - start, rate, len(seeds)
    courses = {} if stopping is None else stopping.courses
    return [
        _make_outcome(
            ensemble, seed, curve[:, : taken[i], i], steps, courses.get(seed), *timings
        )
        for i, seed in enumerate(seeds)
    ]


def _train_epoch(
    ensemble: Ensemble, pixels: Pixels, batch_size: int, epoch: int, epochs: int
) -> Iterator[tuple[int, int, Sequence[int], np.ndarray]]:
    """Steps of an epoch with their losses, read from the device once per chunk.

    Reading makes the device wait, so that on an accelerator a chunk is the epoch; on a CPU it
    is a step.
    """
    steps = len(pixels) // batch_size
    length = 1 if ensemble.seeds.device.type == "cpu" else steps
    for first in range(0, steps, length):
        if not len(ensemble):
            return
        alive, last = ensemble.seeds.tolist(), min(first + length, steps)
        values = (
            torch.stack(
                [
                    torch.stack(
                        ensemble.step(pixels, batch_size, epoch, position, epochs)
                    )
                    for position in range(first, last)
                ],
                dim=1,
            )
            .cpu()
            .numpy()
        )
        yield first, last, alive, values
        finite = np.isfinite(values[0]).all(axis=0)
        if not finite.all():
            ensemble.keep(torch.from_numpy(finite).to(ensemble.seeds.device))


def _make_outcome(
    ensemble: Ensemble,
    seed: int,
    curve: np.ndarray,
    steps: int,
    course: Course | None,
    *timings: float,
) -> Trained:
    """What became of one seed.

    Args:
        ensemble: the block, at its end.
        seed: whose.
        curve: loss and log-likelihood of its steps, (2, steps taken).
        steps: of an epoch.
        course: of its validation, if there was any.
        timings: the block's.
    """
    finite = np.isfinite(curve[0])
    end = len(finite) if finite.all() else int(finite.argmin()) + 1
    losses = {
        "step": np.arange(end),
        "loss": curve[0, :end],
        "log_likelihood": curve[1, :end],
    }
    if course is not None:
        losses["valid_elbo"] = _spread_over_steps(course.elbos, steps, end)
    if not finite.all():
        step = end - 1
        reason = f"the loss became {curve[0, step]:g} at step {step} (epoch {step // steps + 1})"
        if course is None:
            return Trained(seed, None, losses, step, reason, *timings)
        reason += (
            f"; the parameters of epoch {course.best_epoch}, whose validation ELBO was the "
            f"best, {course.elbos[course.best_epoch - 1]:.5g}, are kept"
        )
        return Trained(seed, None, losses, step, reason, *timings, best=course.model)
    if course is None:
        model = ensemble.member(ensemble.seeds.tolist().index(seed))
        return Trained(seed, model, losses, None, None, *timings)
    scores = {
        "valid_elbo": course.elbos[course.best_epoch - 1],
        "best_epoch": float(course.best_epoch),
        "epochs": float(len(course.elbos)),
    }
    return Trained(seed, course.model, losses, None, None, *timings, scores)


def _spread_over_steps(values: Sequence[float], steps: int, length: int) -> np.ndarray:
    """One value for each of ``length`` steps: NaN but at the last of an epoch."""
    column = np.full(length, np.nan)
    ends = column[steps - 1 :: steps][
        : len(values)
    ]  # the last epoch's may not have been reached,
    ends[:] = values[: len(ends)]  # nor validated
    return column
