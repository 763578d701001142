"""The work of one process: train, score and save one block of seeds."""

import math
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from priorbench.bench.execution import experiment
from priorbench import plugins
from priorbench.errors import locate_error
from priorbench.bench.results import store
from priorbench.bench.study.beta import format_beta
from priorbench.bench.execution.devices import claim_device
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.scoring.evaluate import Evaluation, evaluate_model
from priorbench.bench.study.job import Job
from priorbench.bench.results.store import Record
from priorbench.bench.training.train import Trained, train_block

Tell = Callable[[tuple], None]
"""Takes messages of progress: block, its runs, epochs done, epochs in all, images per second."""


@dataclass(frozen=True)
class Block:
    """Seeds of one setting that train at once."""

    jobs: tuple[Job, ...]

    @property
    def label(self) -> str:
        """For progress: the setting and its seeds."""
        first, seeds = self.jobs[0], [job.seed for job in self.jobs]
        span = (
            f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[-1]}"
        )
        return f"{first.method} β={format_beta(first.beta)} {span}"


@dataclass(frozen=True)
class Machine:
    """Where and how blocks are run.

    Attributes:
        device: "cpu", "cuda:1", or "cuda": of several GPUs each process has one.
        workers: processes.
        threads: of each process.
        block_size: seeds that train at once.
        plugins: files that each process imports first.
    """

    device: str
    workers: int = 1
    threads: int = 1
    block_size: int = 1
    plugins: tuple[str, ...] = ()


def run_block(block: Block, folder: Path, machine: Machine, tell: Tell) -> list[Record]:
    """Train, score and save a block; an error raised by a plug-in makes its runs failed ones.

    Raises:
        OSError: a record could not be written.
        MemoryError: host or device has too little memory.
    """
    torch.set_num_threads(machine.threads)
    plugins.load_plugins(machine.plugins)
    if machine.workers > 1:
        exit_with_parent()
        # a terminal's Ctrl-C goes to all processes; the parent alone answers it, and ends these
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    machine = replace(
        machine, device=claim_device(machine.device, machine.workers, folder)
    )
    started, training = time.perf_counter(), block.jobs[0].config["training"]
    find_commit()  # that of the code that runs: another may be checked out before the end
    pixels = experiment.load_pixels(block.jobs[0], machine.device)

    def report(epoch: int, rate: float) -> None:
        tell((block.label, len(block.jobs), epoch, training["epochs"], rate))

    report(0, 0.0)
    try:
        with experiment.set_precision(block.jobs[0].precision):
            trained = train_block(
                make_ensemble(block, machine.device),
                pixels,
                training["epochs"],
                training["batch_size"],
                report,
                experiment.make_early_stopping(block.jobs[0], machine.device),
            )
    except Exception as error:
        seconds = time.perf_counter() - started
        trained = [
            Trained(job.seed, None, {}, reason=_explain_failure(error), seconds=seconds)
            for job in block.jobs
        ]
    return [
        _score_seed(job, result, folder, machine)
        for job, result in zip(block.jobs, trained, strict=True)
    ]


def make_ensemble(block: Block, device: str) -> Ensemble:
    """The block's seeds at their initialisation."""
    first = block.jobs[0]
    return Ensemble(
        lambda: experiment.make_loss(first),
        [job.seed for job in block.jobs],
        first.config["training"]["learning_rate"],
        torch.device(device),
    )


def _score_seed(job: Job, trained: Trained, folder: Path, machine: Machine) -> Record:
    """Score a trained seed and write its record."""
    started, evaluation, reason = time.perf_counter(), Evaluation(), trained.reason
    if trained.model is not None:
        chosen = {
            part["name"]: {k: v for k, v in part.items() if k != "name"}
            for part in job.config["metrics"]
        }
        try:
            with experiment.set_precision(job.precision):
                evaluation = evaluate_model(
                    trained.model,
                    experiment.load_dataset(job),
                    experiment.load_pixels(job, machine.device, "test"),
                    job.seed,
                    chosen,
                    job.config["importance_samples"],
                    job.config["importance_images"],
                )
            evaluation.add("early stopping", trained.scores)
            reason = _list_not_finite(evaluation)
        except Exception as error:
            reason = _explain_failure(error)
    result = Record(
        id=job.id,
        grid=job.grid,
        profile=job.profile,
        method=job.method,
        prior=job.config["prior"]["name"],
        objective=job.config["objective"]["name"],
        beta=job.beta,
        seed=job.seed,
        status="finished" if reason is None else "failed",
        reason=reason,
        failed_step=trained.failed_step,
        scores=evaluation.scores if reason is None else {},
        learned=evaluation.learned,
        timings={
            "train_seconds": trained.seconds,
            "evaluate_seconds": time.perf_counter() - started,
            "images_per_second": trained.images_per_second,
            "seeds_in_block": trained.seeds_in_block,
        },
        config=job.config,
        versions=list_versions(),
        commit=find_commit(),
        device=describe_device(machine.device),
        precision=job.precision,
    )
    # parameters of a failed run are kept: the training behind them is not lost
    kept = trained.model if job.keep_model or reason is not None else None
    kept = kept or trained.best
    parameters = {} if kept is None else kept.state_dict()
    store.save_run(
        folder,
        result,
        trained.losses,
        evaluation.artefacts,
        {name: value.cpu().numpy() for name, value in parameters.items()},
    )
    return result


@cache
def exit_with_parent() -> None:
    """End this process within a second of its parent's end: nobody waits for what it does."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _list_not_finite(evaluation: Evaluation) -> str | None:
    """Why a trained run has failed whose scores, or what it learned, are not all finite."""
    values = {
        **{name: [value] for name, value in evaluation.scores.items()},
        **evaluation.learned,
    }
    wrong = [
        f"{name} is {value:g}"
        for name, column in values.items()
        for value in column
        if not math.isfinite(value)
    ]
    return "after training, " + ", ".join(wrong) if wrong else None


def _explain_failure(error: Exception) -> str:
    """An error in one line; those of the machine, not the run's, go on up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        raise error
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{locate_error(error, anywhere=True)}"


@cache
def list_versions() -> dict[str, str]:
    """Versions of the project, of Python and of what computes."""
    names = ("priorbench", "torch", "numpy", "scipy")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


@cache
def find_commit() -> str | None:
    """The project's commit, with "-dirty" if it has changes; None outside a checkout."""
    try:
        command = [
            "git",
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
            "--exclude=*",
        ]
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def describe_device(device: str) -> str:
    """The device and its model, like "cuda:0 (NVIDIA H200)"."""
    if device == "cpu":
        return "cpu"
    return f"{device} ({torch.cuda.get_device_name(torch.device(device))})"
