"""The local back end: processes of this machine, through joblib and loky."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing.managers import SyncManager
from pathlib import Path

import joblib
import torch

from priorbench.bench.execution.devices import claim_device
from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.worker import ModelResult, run_block
from priorbench.bench.models.vae import VAE
from priorbench.bench.results.store import Store
from priorbench.bench.results.trained_model import restore_model
from priorbench.bench.study.job import Job
from priorbench.bench.training.experiment import Experiment
from priorbench.plugins import load_plugins

Message = tuple[str, int, int, int, float]
"""Progress of a block: label, runs, epochs done, epochs in all, images per second."""

Tell = Callable[[Message], None]


def run_blocks(
    blocks: Sequence[Block], folder: Path, machine: Machine, show: Tell
) -> Iterator[Block]:
    """Train and score blocks of seeds in processes of this machine.

    Args:
        blocks: in the order in which they are started.
        folder: of the study, ``runs/<grid>``; models go into the store beside it.
        machine: where, and in how many processes.
        show: called in this process with messages of progress.

    Yields:
        Each block when it is done; all that it lacked is on the disk.
    """
    if not blocks:
        return
    with _open_messages(machine, show) as tell:
        tasks = (
            joblib.delayed(_run_and_save)(block, folder, machine, tell)
            for block in blocks
        )
        with joblib.parallel_config("loky", inner_max_num_threads=machine.threads):
            yield from joblib.Parallel(
                n_jobs=machine.workers,
                return_as="generator_unordered",
                pre_dispatch="n_jobs",
                batch_size=1,
            )(tasks)


def _run_and_save(block: Block, folder: Path, machine: Machine, tell: Tell) -> Block:
    """Do the work of one block, in a process of its own where there are several."""
    if machine.workers > 1:
        exit_with_parent()
        # a terminal's Ctrl-C goes to all processes; the parent alone answers it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(machine.threads)
    load_plugins(machine.plugins)
    device = claim_device(machine.device, machine.workers, folder)
    experiment, store = Experiment(block.setting), Store(folder.parent)
    epochs, count = experiment.grid.training.epochs, len(block.seeds)

    def progress(epoch: int, rate: float) -> None:
        try:
            tell((block.label, count, epoch, epochs, rate))
        except (OSError, EOFError):
            if machine.workers == 1:
                raise
            os._exit(1)  # the command is gone: nobody waits for this block

    def restore(job: Job) -> VAE:
        return restore_model(store, job.id)

    results = run_block(experiment, block, device, restore, progress, machine.command)
    for result in results:
        if isinstance(result, ModelResult):
            store.save_model(result.record, result.losses, result.parameters)
        else:
            store.save_score(result.record, result.arrays)
    return block


@contextmanager
def _open_messages(machine: Machine, show: Tell) -> Iterator[Tell]:
    """Open a way for workers to tell of their progress."""
    if machine.workers == 1:
        yield show
        return
    manager = SyncManager()
    manager.start(exit_with_parent)
    with manager:
        messages = manager.Queue()

        def forward_messages() -> None:
            while (message := messages.get()) is not None:
                show(message)

        thread = threading.Thread(target=forward_messages, daemon=True)
        thread.start()
        try:
            yield messages.put
        finally:
            messages.put(None)
            thread.join(timeout=1)


@cache
def exit_with_parent() -> None:
    """End this process within a second of its parent's end."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
