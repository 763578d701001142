"""The work of one process: train and score a block of seeds."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from priorbench.bench.execution.experiment import Experiment
from priorbench.bench.execution.provenance import (
    describe_device,
    describe_machine,
    find_commit,
    list_versions,
)
from priorbench.bench.results.store import Record
from priorbench.bench.scoring.evaluate import Evaluation, evaluate_model
from priorbench.bench.study.job import Job
from priorbench.bench.training.train import Trained
from priorbench.errors import locate_error

Progress = Callable[[int, float], None]
"""Called with the epochs that are done and the images per second of the block."""


@dataclass(frozen=True)
class Run:
    """What one seed leaves.

    Attributes:
        record: its record.
        losses: columns of the loss curve, by name.
        artefacts: arrays that plots read, by name.
        parameters: of the model, by name; empty where they are not to be kept.
    """

    record: Record
    losses: Mapping[str, np.ndarray]
    artefacts: Mapping[str, np.ndarray]
    parameters: Mapping[str, np.ndarray]


def run_block(
    experiment: Experiment,
    seeds: Sequence[int],
    device: str,
    progress: Progress = lambda epoch, rate: None,
    command: str | None = None,
) -> Iterator[Run]:
    """Train a block of seeds, then score one seed after the other.

    An error that the training or the scoring raises makes failed runs of its seeds. An
    error of ``progress`` does not: it ends the block.

    Args:
        experiment: the setting.
        seeds: that are trained at once.
        device: "cpu", "cuda" or "cuda:N".
        progress: called after every epoch.
        command: kept in the records.

    Yields:
        The run of each seed as soon as it is scored.

    Raises:
        MemoryError: host or device has too little memory.
        OSError: the data set cannot be read.
    """
    find_commit()  # that of the code that runs: it may change before the end
    experiment.pixels(device)
    progress(0, 0.0)
    for seed, trained in zip(
        seeds, _train_seeds(experiment, seeds, device, progress), strict=True
    ):
        yield _score_seed(experiment, seed, trained, device, command)


def _train_seeds(
    experiment: Experiment, seeds: Sequence[int], device: str, progress: Progress
) -> list[Trained]:
    started = time.perf_counter()
    training = None
    while training is None or not training.done:
        try:
            with experiment.set_precision():
                if training is None:
                    training = experiment.make_training(seeds, device)
                training.run_epoch()
        except Exception as error:
            reason = _explain_failure(error)
            seconds = time.perf_counter() - started
            return [
                Trained(seed, None, {}, reason=reason, seconds=seconds)
                for seed in seeds
            ]
        progress(training.epoch, training.images_per_second)
    return training.outcomes()


def _score_seed(
    experiment: Experiment,
    seed: int,
    trained: Trained,
    device: str,
    command: str | None,
) -> Run:
    """Score a trained seed, and make its record."""
    started, evaluation, reason = time.perf_counter(), Evaluation(), trained.reason
    setting, grid = experiment.setting, experiment.grid
    if trained.model is not None:
        try:
            with experiment.set_precision():
                evaluation = evaluate_model(
                    trained.model,
                    experiment.dataset,
                    experiment.pixels(device, "test"),
                    seed,
                    {metric.name: metric.arguments for metric in grid.metrics},
                    grid.importance_samples,
                    grid.importance_images,
                )
            evaluation.add("early stopping", trained.scores)
            reason = _find_not_finite(evaluation)
        except Exception as error:
            reason = _explain_failure(error)
    record = Record(
        id=Job(setting, seed).id,
        grid=grid.name,
        profile=grid.profile,
        method=setting.method.name,
        prior=setting.method.prior.name,
        objective=setting.method.objective.name,
        beta=setting.beta,
        seed=seed,
        status="finished" if reason is None else "failed",
        reason=reason,
        failed_step=trained.failed_step,
        headlines=tuple(evaluation.headlines),
        scores=evaluation.scores if reason is None else {},
        learned=evaluation.learned,
        timings={
            "train_seconds": trained.seconds,
            "evaluate_seconds": time.perf_counter() - started,
            "images_per_second": trained.images_per_second,
            "seeds_in_block": trained.seeds_in_block,
        },
        config=setting.config,
        versions=list_versions(),
        commit=find_commit(),
        machine=describe_machine(),
        command=command,
        device=describe_device(device),
        precision=setting.precision,
    )
    # parameters of a failed run are kept: the training behind them is not lost
    keep = grid.keep_models or reason is not None
    model = trained.model if keep and trained.model is not None else trained.best
    state = {} if model is None else model.state_dict()
    parameters = {name: value.cpu().numpy() for name, value in state.items()}
    return Run(record, trained.losses, evaluation.artefacts, parameters)


def _find_not_finite(evaluation: Evaluation) -> str | None:
    """Return why a run whose scores are not all finite has failed; None if they are."""
    columns = {name: [value] for name, value in evaluation.scores.items()}
    wrong = [
        f"{name} is {value:g}"
        for name, column in {**columns, **evaluation.learned}.items()
        for value in column
        if not math.isfinite(value)
    ]
    return "after training, " + ", ".join(wrong) if wrong else None


def _explain_failure(error: Exception) -> str:
    """Return an error in one line.

    Raises:
        MemoryError, torch.OutOfMemoryError: it is the machine's fault, not the run's.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        raise error
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{locate_error(error, anywhere=True)}"
