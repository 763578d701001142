"""The local back end: processes of this machine, through joblib and loky."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor

from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.stopping import (
    LAST_SECONDS,
    SAVING_SECONDS,
    ask_to_stop,
    hold_stops,
    is_stop_asked,
    prepare_stops,
)
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
    # a process whose memory has grown is replaced, which loses nothing
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    trainings = Trainings()
    with _open_messages(machine, show, trainings) as tell:
        entries = list_session_entries() if machine.workers > 1 else []
        tasks = (
            joblib.delayed(_work)(block, folder, machine, tell, entries)
            for block in blocks
            # asked when the block is to start
            if time.time() < machine.deadline and not is_stop_asked()
        )
        pool = joblib.parallel_config(
            "loky",
            inner_max_num_threads=machine.threads,
            initializer=_start_worker,
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
            with prepare_stops(trainings.stop):
                yield from (block for block in done if block is not None)


class Trainings:
    """The processes that train at present, which keep the state when they stop."""

    def __init__(self) -> None:
        self._processes: set[int] = set()

    def note(self, process: int, message: Message | None) -> None:
        """Note what a process told; None for the end of its block."""
        if message is not None and message[2] < message[3]:
            self._processes.add(process)
        else:
            self._processes.discard(process)

    def stop(self) -> None:
        """Ask them to stop and wait for their checkpoints; they are idle then."""
        for process in tuple(self._processes):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        end = time.monotonic() + SAVING_SECONDS
        while self._processes and time.monotonic() < end:
            time.sleep(0.02)


def _start_worker(parent: int) -> None:
    """Let a process end with its parent, and stop a training at SIGTERM."""
    exit_with_parent(parent)

    def stop(signum: int, _: object) -> None:
        if not ask_to_stop(128 + signum):
            os._exit(128 + signum)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def _start_manager(parent: int) -> None:
    """Let a process end with its parent alone.

    A batch queue sends SIGTERM to all processes of a job, and workers tell of their
    last checkpoints after it.
    """
    exit_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


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
    tell: Callable[[Any], None],
    entries: Sequence[Registration],
) -> Block | None:
    """Complete one block, in a process of its own where there are several."""
    if machine.workers == 1:
        return complete_block(block, folder, machine, tell)
    restore_entries(entries)

    def tell_parent(message: Message | None) -> None:
        # where the command itself is gone, this process ends soon
        with suppress(OSError, EOFError):
            tell((os.getpid(), message))

    with hold_stops():
        done = complete_block(block, folder, machine, tell_parent)
        tell_parent(None)
        if is_stop_asked():
            time.sleep(LAST_SECONDS)  # the command ends this process, with the others
            os._exit(1)
    return done


@contextmanager
def _open_messages(
    machine: Machine, show: Tell, trainings: Trainings
) -> Iterator[Callable[[Any], None]]:
    """Open a way for workers to tell of their progress.

    Yields:
        What takes a message; of several processes a pair of the process's number and
        its message, or None at the end of its block.
    """
    if machine.workers == 1:
        yield show
        return
    # a socket of the file system would leave its folder behind after kill -9
    manager = SyncManager(address=(LOCALHOST, 0))
    with shield_children():
        manager.start(_start_manager, (os.getpid(),))
    with manager:
        messages = manager.Queue()

        def forward_messages() -> None:
            with suppress(OSError, EOFError):
                while (told := messages.get()) is not None:
                    process, message = told
                    trainings.note(process, message)
                    if message is not None:
                        show(message)

        thread = threading.Thread(target=forward_messages, daemon=True)
        thread.start()
        try:
            yield messages.put
        finally:
            with suppress(OSError, EOFError):
                messages.put(None)
            thread.join(timeout=1)
