"""The local back end: processes of this machine, through joblib and loky."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.managers import SyncManager
from pathlib import Path

import joblib
from joblib.externals.loky import get_reusable_executor

from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.worker import Message, Tell, complete_block
from priorbench.processes import exit_with_parent, shield_children
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
        Each block when it is done; all that it lacked is on the disk. After the
        machine's deadline no block is started any more.
    """
    if not blocks:
        return
    with _open_messages(machine, show) as tell:
        entries = list_session_entries() if machine.workers > 1 else []
        tasks = (
            joblib.delayed(_work)(block, folder, machine, tell, entries)
            for block in blocks
            if time.time() < machine.deadline  # asked when the block is to start
        )
        pool = joblib.parallel_config(
            "loky",
            inner_max_num_threads=machine.threads,
            initializer=exit_with_parent,
            initargs=(os.getpid(),),
        )
        with pool:
            parallel = joblib.Parallel(
                n_jobs=machine.workers,
                return_as="generator_unordered",
                pre_dispatch="n_jobs",
                batch_size=1,
            )
            with shield_children() if machine.workers > 1 else nullcontext():
                done = parallel(tasks)  # which starts the processes
            yield from (block for block in done if block is not None)


def end_pool() -> None:
    """End the processes that wait for blocks, at once.

    Left to themselves they end with the command; but one that lost its messages, or
    that is still at work after a stop, would let the command wait for it.
    """
    # any other arguments would make a second pool, after waiting for the first
    pool = get_reusable_executor(reuse=True, kill_workers=True)
    # joblib's own has a folder to remove too
    end = getattr(pool, "terminate", pool.shutdown)
    end(kill_workers=True)


def _work(
    block: Block,
    folder: Path,
    machine: Machine,
    tell: Tell,
    entries: Sequence[Registration],
) -> Block | None:
    """Complete one block, in a process of its own where there are several."""
    if machine.workers == 1:
        return complete_block(block, folder, machine, tell)
    restore_entries(entries)

    def tell_parent(message: Message) -> None:
        try:
            tell(message)
        except (OSError, EOFError):
            os._exit(1)  # the command is gone: nobody waits for this block

    return complete_block(block, folder, machine, tell_parent)


@contextmanager
def _open_messages(machine: Machine, show: Tell) -> Iterator[Tell]:
    """Open a way for workers to tell of their progress."""
    if machine.workers == 1:
        yield show
        return
    # a socket of the file system would leave its folder behind after kill -9
    manager = SyncManager(address=(LOCALHOST, 0))
    with shield_children():
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
