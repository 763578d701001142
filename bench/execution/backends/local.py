"""The local back end: processes of this machine, through joblib and loky."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.managers import SyncManager
from pathlib import Path

import joblib
from joblib.externals.loky.backend import resource_tracker

from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.worker import Message, Tell, complete_block
from priorbench.processes import exit_with_parent
from priorbench.registry import (
    Registration,
    list_session_entries,
    restore_entries,
)

LOCALHOST = "127.0.0.1"


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
    if machine.workers > 1:
        _start_tracker()
    with _open_messages(machine, show) as tell:
        entries = list_session_entries() if machine.workers > 1 else []
        tasks = (
            joblib.delayed(_work)(block, folder, machine, tell, entries)
            for block in blocks
        )
        with joblib.parallel_config(
            "loky",
            inner_max_num_threads=machine.threads,
            initializer=exit_with_parent,
            initargs=(os.getpid(),),
        ):
            yield from joblib.Parallel(
                n_jobs=machine.workers,
                return_as="generator_unordered",
                pre_dispatch="n_jobs",
                batch_size=1,
            )(tasks)


def _work(
    block: Block,
    folder: Path,
    machine: Machine,
    tell: Tell,
    entries: Sequence[Registration],
) -> Block:
    """Complete one block, in a process of its own where there are several."""
    if machine.workers == 1:
        return complete_block(block, folder, machine, tell)
    restore_entries(entries)
    # a terminal's Ctrl-C goes to all processes; the parent alone answers it
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell_parent(message: Message) -> None:
        try:
            tell(message)
        except (OSError, EOFError):
            os._exit(1)  # the command is gone: nobody waits for this block

    return complete_block(block, folder, machine, tell_parent)


def _start_tracker() -> None:
    """Start loky's process that cleans up, so that a terminal's end does not end it.

    It ignores other signals itself; SIGHUP it ignores if it is started so.
    """
    main = threading.current_thread() is threading.main_thread()
    signum = getattr(signal, "SIGHUP", None) if main else None
    before = signal.signal(signum, signal.SIG_IGN) if signum else None
    try:
        resource_tracker.ensure_running()
    finally:
        if signum:
            signal.signal(signum, before)


@contextmanager
def _open_messages(machine: Machine, show: Tell) -> Iterator[Tell]:
    """Open a way for workers to tell of their progress."""
    if machine.workers == 1:
        yield show
        return
    # a socket of the file system would leave its folder behind after kill -9
    manager = SyncManager(address=(LOCALHOST, 0))
    manager.start(exit_with_parent, (os.getpid(),))
    with manager:
        messages = manager.Queue()

        def forward_messages() -> None:
            with suppress(OSError, EOFError):  # the workers notice it too, and end
                while (message := messages.get()) is not None:
                    show(message)

        thread = threading.Thread(target=forward_messages, daemon=True)
        thread.start()
        try:
            yield messages.put
        finally:
            with suppress(OSError, EOFError):
                messages.put(None)
            thread.join(timeout=1)
