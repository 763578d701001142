"""The work of one process: train and score a block of seeds."""

import gc
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from priorbench.bench.execution.block_checkpoint import BlockCheckpoint
from priorbench.bench.execution.devices import claim_device, enter_device
from priorbench.bench.execution.provenance import describe_device, make_provenance
from priorbench.bench.execution.schedule import Block, Machine, split_evenly
from priorbench.bench.execution.stopping import hold_stops
from priorbench.bench.models.vae import VAE
from priorbench.bench.results.checkpoints import Checkpoints
from priorbench.bench.results.curves import thin_curve
from priorbench.bench.results.records import ModelRecord, Provenance, ScoreRecord
from priorbench.bench.results.store import Store
from priorbench.bench.results.trained_model import restore_model
from priorbench.bench.scoring.evaluate import Score, Subject, score_model
from priorbench.bench.study.job import TRAINING_VERSION, Job
from priorbench.bench.training.experiment import Experiment
from priorbench.bench.training.failure import explain_failure
from priorbench.bench.training.train import Trained
from priorbench.plugins import load_plugins

log = logging.getLogger("priorbench")

Progress = Callable[[int, float], None]
"""Called with the epochs that are done and the images per second of the block."""

Message = tuple[str, int, int, int, float]
"""Progress of a block: label, runs, epochs done, epochs in all, images per second."""

Tell = Callable[[Message], None]

Restore = Callable[[Job], VAE]
"""Returns the trained model of a job that is in the store, on the CPU."""


POINTS = 250
"""Of the loss curve of a model that is not kept."""


@dataclass(frozen=True)
class ModelResult:
    """A training that ended, to be saved.

    Attributes:
        record: of the training.
        losses: columns of the loss curve, by name.
        parameters: of the model, by name; empty where they are not to be kept.
    """

    record: ModelRecord
    losses: Mapping[str, np.ndarray]
    parameters: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ScoreResult:
    """A score of a model, to be saved.

    Attributes:
        record: of the score.
        arrays: by name.
    """

    record: ScoreRecord
    arrays: Mapping[str, np.ndarray]


Save = Callable[[ModelResult | ScoreResult], None]


def complete_block(
    block: Block,
    folder: Path,
    machine: Machine,
    tell: Tell,
    save: Save | None = None,
    restore: Restore | None = None,
) -> Block | None:
    """Train and score a block of seeds, each result saved as soon as it is there.

    It is what a back end does with a block: it may run in any thread or process.

    Args:
        block: the seeds, and what they lack.
        folder: of the study, ``runs/<grid>``; results go into the store beside it.
        machine: whose threads, device and plug-ins are used.
        tell: called with messages of progress; what it raises ends the block, of which
            nothing is recorded as failed.
        save: takes results to another machine's store; none is written here then, nor
            a checkpoint.
        restore: returns models that are trained already, where their store is another
            machine's.

    Returns:
        The block; None where a stop or the deadline came before its training's end.

    Raises:
        OSError: a result cannot be written.
    """
    torch.set_num_threads(machine.threads)
    load_plugins(machine.plugins)
    device = claim_device(machine.device, machine.workers, folder)
    enter_device(device)
    experiment, root = Experiment(block.setting), folder.parent
    epochs, count = experiment.grid.training.epochs, len(block.seeds)
    checkpoint = None
    if block.train:
        checkpoint = BlockCheckpoint(
            root,
            [job.id for job in block.jobs] if save is None else [],
            make_provenance(describe_device(device), machine.command),
            machine.checkpoint_minutes,
            machine.deadline,
        )

    def progress(epoch: int, rate: float) -> None:
        tell((block.label, count, epoch, epochs, rate))

    def restore_stored(job: Job) -> VAE:
        return restore_model(Store(root), job.id)

    results = run_block(
        experiment,
        block,
        device,
        restore or restore_stored,
        progress,
        machine.command,
        checkpoint,
    )
    trained = 0
    with closing(results):  # an error here would leave it holding back stops
        for result in results:
            if save is None:
                save_result(root, result)
            else:
                save(result)
            trained += isinstance(result, ModelResult)
    return block if trained == count or not block.train else None


def save_result(root: Path, result: ModelResult | ScoreResult) -> None:
    """Write a result into the store; the checkpoint of a model goes.

    Args:
        root: folder of the results, ``runs``.
        result: of a block.

    Raises:
        OSError: it cannot be written.
    """
    if isinstance(result, ScoreResult):
        Store(root).save_score(result.record, result.arrays)
        return
    Store(root).save_model(result.record, result.losses, result.parameters)
    Checkpoints(root).remove(result.record.id)


def fail_block(
    block: Block, store: Store, reason: str, machine: Machine
) -> Iterator[ModelResult | ScoreResult]:
    """Yield what is recorded of a block that no process lived to the end of.

    Its trainings have failed, or, of models that are in the store, the scores that they
    lack.

    Args:
        block: the seeds.
        store: with the results that the block had before its end.
        reason: in one line.
        machine: that ran it.
    """
    provenance = make_provenance(machine.device, machine.command)
    keys = [request.key for request in block.requests]
    for job in block.jobs:
        model = store.load_model(job.id)
        if model is None or model.status == "failed":
            trained = Trained(job.seed, None, {}, reason=reason)
            record = _make_record(Experiment(block.setting), trained, provenance)
            yield ModelResult(record, {}, {})
            continue
        found = store.load_scores(job.id, keys)
        for request in block.requests:
            if request.key not in found:
                score = Score(request, reason=reason)
                record = make_score_record(job.id, job.seed, score, provenance)
                yield ScoreResult(record, {})


def run_block(
    experiment: Experiment,
    block: Block,
    device: str,
    restore: Restore,
    progress: Progress = lambda epoch, rate: None,
    command: str | None = None,
    checkpoint: BlockCheckpoint | None = None,
) -> Generator[ModelResult | ScoreResult, None, None]:
    """Train a block of seeds, then score one after the other.

    A block that does not fit the device's memory is done in two halves. All models are
    yielded before the first score, so that nothing that happens while scoring loses a
    training. An error that the training or a score raises makes it a failed one. An
    error of ``progress`` does not: it ends the block. Nothing is yielded where the
    checkpoint ends the training. A stop waits until the trainings, or their state, are
    kept.

    Args:
        experiment: the setting of the block.
        block: the seeds, and what they lack.
        device: "cpu", "cuda" or "cuda:N".
        restore: returns models that are trained already.
        progress: called after every epoch.
        command: kept in the records.
        checkpoint: keeps the state of the training, and ends it at its deadline; what
            it found is gone on from.

    Raises:
        MemoryError: host or device has too little memory.
        OSError: the data set cannot be read, or a model in the store.
        Stopped: this process is to stop.
    """
    # the commit is that of the code that runs: it may change before the end
    provenance = make_provenance(describe_device(device), command)
    models: dict[int, VAE] = {}
    if block.train:
        experiment.pixels(device)
        checkpoint = checkpoint or BlockCheckpoint(Path(), (), provenance)
        too_large = False
        outcomes: list[Trained] | None = None
        with hold_stops():  # until the trainings, or their state, are kept
            try:
                outcomes = _train_seeds(
                    experiment, block.seeds, device, progress, checkpoint
                )
            except _TooLarge:
                too_large = True  # below, the error holds the block's memory no longer
            for trained in outcomes or []:
                result = _make_model_result(experiment, trained, provenance)
                if result.record.status == "finished" and trained.model is not None:
                    models[trained.seed] = trained.model
                yield result
        if too_large:
            yield from _run_halves(
                experiment, block, device, restore, progress, command, checkpoint
            )
            return
        if outcomes is None:
            return
    for job in block.jobs:
        model = models.pop(job.seed, None)
        if block.train and model is None:
            continue  # its training failed
        if model is None:
            model = restore(job).to(device)
        pixels = experiment.pixels(device, "test")
        subject = Subject(model, experiment.dataset, pixels, job.seed)
        with experiment.set_precision():
            for score in score_model(subject, block.requests):
                found = make_score_record(job.id, job.seed, score, provenance)
                yield ScoreResult(found, score.arrays)


def _run_halves(
    experiment: Experiment,
    block: Block,
    device: str,
    restore: Restore,
    progress: Progress,
    command: str | None,
    checkpoint: BlockCheckpoint,
) -> Iterator[ModelResult | ScoreResult]:
    """Do the two halves of a block one after the other."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    halves = [replace(block, seeds=part) for part in split_evenly(block.seeds, 2)]
    sizes = " and ".join(str(len(half.seeds)) for half in halves)
    log.warning(
        "%s do not fit the device's memory together; they train as %s (see "
        "--seeds-at-once)",
        block.label,
        sizes,
    )
    for half in halves:
        own = checkpoint.restrict_to([job.id for job in half.jobs])
        yield from run_block(experiment, half, device, restore, progress, command, own)


class _TooLarge(Exception):
    """Several seeds ran out of the device's memory before their first epoch's end."""


def _train_seeds(
    experiment: Experiment,
    seeds: Sequence[int],
    device: str,
    progress: Progress,
    checkpoint: BlockCheckpoint,
) -> list[Trained] | None:
    """Train seeds to their end; None where the checkpoint ended them before.

    Raises:
        _TooLarge: several seeds have no room on the device.
    """
    begun = checkpoint.reached.epoch
    progress(begun, 0.0)
    started = time.perf_counter() - checkpoint.reached.seconds
    make_training = partial(experiment.make_training, seeds, device)
    training = None
    while training is None or not training.done:
        try:
            with experiment.set_precision():
                if training is None:
                    training = checkpoint.resume_training(make_training)
                training.run_steps()
        except Exception as error:
            first = training is None or training.epoch == begun
            full = isinstance(error, torch.OutOfMemoryError)
            if full and first and len(seeds) > 1:
                raise _TooLarge from None
            reason = explain_failure(error)
            seconds = time.perf_counter() - started
            return [
                Trained(seed, None, {}, reason=reason, seconds=seconds)
                for seed in seeds
            ]
        if training.position == 0:
            progress(training.epoch, training.images_per_second)
        if not training.done and not checkpoint.keep_state(training):
            return None
    return training.outcomes()


def _make_model_result(
    experiment: Experiment, trained: Trained, provenance: Provenance
) -> ModelResult:
    """Return what is saved of a training, as much of it as the study keeps."""
    record = _make_record(experiment, trained, provenance)
    # of a failed training the parameters of its best epoch are not lost
    keep = experiment.grid.keep_models or record.status == "failed"
    model = trained.model if trained.model is not None else trained.best
    state = model.state_dict() if keep and model is not None else {}
    parameters = {name: value.cpu().numpy() for name, value in state.items()}
    losses = trained.losses if keep else thin_curve(trained.losses, POINTS)
    return ModelResult(record, losses, parameters)


def _make_record(
    experiment: Experiment, trained: Trained, provenance: Provenance
) -> ModelRecord:
    """Make the record of a training; one that left no numbers has failed."""
    setting, reason, learned = experiment.setting, trained.reason, {}
    if trained.model is not None:
        for name, value in trained.model.prior.learned().items():
            learned[name] = value.flatten().tolist()
        wrong = [
            name
            for name, value in trained.model.state_dict().items()
            if not torch.isfinite(value).all()
        ]
        if wrong and reason is None:
            reason = f"after training, {', '.join(wrong[:3])} is not finite"
    return ModelRecord(
        id=Job(setting, trained.seed).id,
        config=setting.config,
        beta=setting.beta,
        seed=trained.seed,
        precision=setting.precision,
        training_version=TRAINING_VERSION,
        image_shape=tuple(experiment.dataset.image_shape),
        status="finished" if reason is None else "failed",
        reason=reason,
        failed_step=trained.failed_step,
        outcome=trained.scores,
        learned=learned,
        timings={
            "train_seconds": trained.seconds,
            "images_per_second": trained.images_per_second,
            "seeds_in_block": trained.seeds_in_block,
        },
        provenance=provenance,
    )


def make_score_record(
    model: str, seed: int, score: Score, provenance: Provenance
) -> ScoreRecord:
    """Make the record of a score of a model.

    Args:
        model: its id.
        seed: of the draws.
        score: what the request gave.
        provenance: where it comes from.
    """
    request = score.request
    return ScoreRecord(
        key=request.key,
        model=model,
        name=request.name,
        arguments=dict(request.arguments),
        metric_version=request.version,
        source=request.source,
        seed=seed,
        status="finished" if score.reason is None else "failed",
        reason=score.reason,
        headline=score.headline,
        values=score.values,
        seconds=score.seconds,
        provenance=provenance,
    )
