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
from priorbench.bench.execution.experiment import Experiment
from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.worker import run_block
from priorbench.bench.results.store import Record, save_run
from priorbench.plugins import load_plugins

Message = tuple[str, int, int, int, float]
"""Progress of a block: label, runs, epochs done, epochs in all, images per second."""

Tell = Callable[[Message], None]


def run_blocks(
    blocks: Sequence[Block], folder: Path, machine: Machine, show: Tell
) -> Iterator[tuple[str, list[Record]]]:
    """Train and score blocks of seeds in processes of this machine.

    Args:
        blocks: in the order in which they are started.
        folder: of the grid, ``runs/<grid>``.
        machine: where, and in how many processes.
        show: called in this process with messages of progress.

    Yields:
        Label and records of each block when it is done; all are on the disk.
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


def _run_and_save(
    block: Block, folder: Path, machine: Machine, tell: Tell
) -> tuple[str, list[Record]]:
    """Do the work of one task, in a process of its own where there are several."""
    if machine.workers > 1:
        exit_with_parent()
        # a terminal's Ctrl-C goes to all processes; the parent alone answers it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(machine.threads)
    load_plugins(machine.plugins)
    device = claim_device(machine.device, machine.workers, folder)
    experiment = Experiment(block.setting)
    epochs, count = experiment.grid.training.epochs, len(block.seeds)

    def progress(epoch: int, rate: float) -> None:
        try:
            tell((block.label, count, epoch, epochs, rate))
        except (OSError, EOFError):
            if machine.workers == 1:
                raise
            os._exit(1)  # the command is gone: nobody waits for this block

    records = []
    for run in run_block(experiment, block.seeds, device, progress, machine.command):
        save_run(folder, run.record, run.losses, run.artefacts, run.parameters)
        records.append(run.record)
    return block.label, records


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
