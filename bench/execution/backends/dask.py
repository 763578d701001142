"""The dask back end: processes of one machine or many, through a scheduler.

They need the project and the data set, and share nothing but the network: plug-ins are
sent with a block, and its results come back through the scheduler and are written by
the command. A disk that all of them share may be used instead.
"""

import math
import pickle
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from priorbench.bench.execution.devices import claim_device
from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.stopping import hold_stops
from priorbench.bench.execution.worker import (
    Message,
    Tell,
    complete_block,
    fail_block,
    save_result,
)
from priorbench.bench.models.vae import VAE
from priorbench.bench.results.store import Store
from priorbench.bench.results.trained_model import build_trained
from priorbench.bench.study.data import identify_dataset
from priorbench.bench.study.job import Job
from priorbench.bench.training.experiment import Experiment
from priorbench.errors import UserError
from priorbench.machine_errors import is_machine_fault
from priorbench.paths import expand_path
from priorbench.plugins import import_copy
from priorbench.registry import list_session_entries, restore_entries

if TYPE_CHECKING:
    from distributed import Client, Queue

POLL = 0.1
"""Seconds between two looks at what has come."""

PAUSE = 1.0
"""Seconds between two messages of a block's progress."""

PATIENCE = 900
"""Seconds in which the command has to take a result."""

WAITING = 64
"""Results that wait for the command; a process that has another waits itself."""

SEVERAL = 2
"""Processes of a machine, of which a process of a cluster does not know the number."""


@dataclass(frozen=True)
class Pool:
    """The processes of a cluster.

    Attributes:
        client: of the scheduler.
        most: number that the cluster may grow to; 0 where it is what there is.
        limit: of the blocks that are run at once; None for one in each process.
        plugins: files that each process imports first.
        shared: whether the processes write results, to a disk that all share.
        command: to go on with.
    """

    client: "Client"
    most: int = 0
    limit: int | None = None
    plugins: tuple[str, ...] = ()
    shared: bool = False
    command: str = ""

    def count_processes(self) -> int:
        """Count the processes that there are or may be, as far as they are used."""
        count = max(self.most, len(self.client.nthreads()), 1)
        return min(count, self.limit or count)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in one of the processes, and return what it returns.

        Raises:
            UserError: the scheduler is gone, or the function or its process failed.
        """
        with self._explain_errors():
            return self._submit(function, *arguments).result()

    def count_neighbours(self) -> int:
        """Wait for a process, and count those of the machine that has most of them."""
        with self._explain_errors():
            # a task, for which a cluster that has no process yet starts one
            self.client.submit(socket.gethostname, pure=False).result()
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return max(Counter(worker["host"] for worker in workers).values())

    def run_blocks(
        self, blocks: Sequence[Block], folder: Path, machine: Machine, show: Tell
    ) -> Iterator[Block]:
        """Train and score blocks of seeds, as the local back end does.

        A block whose process dies is started again in another one, three times; if that
        dies too, the runs of the block have failed.

        Raises:
            UserError: the scheduler is gone, or a process lacks what it needs.
        """
        from distributed import Queue  # optional

        waiting = (n for n in range(len(blocks)) if time.time() < machine.deadline)
        running: dict[int, Any] = {}
        with closing(Queue(client=self.client, maxsize=WAITING)) as messages:
            while True:
                done = []
                with hold_stops():  # dask may lose one that comes during a call
                    with self._explain_errors():
                        free = self.count_processes() - len(running)
                        for n in islice(waiting, max(free, 0)):
                            block = blocks[n]
                            sent = self._pack_block(block, folder)
                            running[n] = self._submit(
                                _work, n, block, *sent, machine, messages
                            )
                        if not running:
                            return
                        # what has ended by now has told all that it had to tell
                        ended = [n for n, future in running.items() if future.done()]
                    for n, result in self._receive(messages):
                        if n not in running:
                            continue  # of a process that was taken for dead
                        if isinstance(result, tuple):
                            show(result)
                        elif not isinstance(result, bool):
                            save_result(folder.parent, result)
                        else:  # the end of the block
                            running.pop(n)
                            done += [blocks[n]] if result else []
                    for n in ended:
                        if n in running:
                            self._fail_block(running.pop(n), blocks[n], folder, machine)
                            done.append(blocks[n])
                yield from done
                time.sleep(POLL)

    def _pack_block(self, block: Block, folder: Path) -> tuple[Any, ...]:
        """Return what a process needs beside a block.

        That is the ids of its models, those of them that are trained, and the folder if
        it is shared.
        """
        store, models = Store(folder.parent), {}
        ids = [job.id for job in block.jobs]
        if self.shared:
            return ids, models, folder.resolve()
        for model in [] if block.train else ids:
            record = store.load_model(model)
            assert record is not None  # the plan has found it
            models[model] = record, store.load_parameters(record)
        return ids, models, None

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        import cloudpickle  # distributed needs it too

        plugins = [expand_path(plugin).resolve() for plugin in self.plugins]
        sources = [(str(path), path.read_bytes()) for path in plugins]
        # in parts, of which one needs what is imported before
        entries = cloudpickle.dumps(list_session_entries())
        call = cloudpickle.dumps((function, arguments))
        return self.client.submit(_call, sources, entries, call, pure=False)

    def _receive(self, messages: "Queue") -> Iterator[tuple[int, Any]]:
        """Yield each number of a block with a result, or a message of progress."""
        with self._explain_errors():
            while messages.qsize():
                yield pickle.loads(messages.get())

    def _fail_block(
        self, future: Any, block: Block, folder: Path, machine: Machine
    ) -> None:
        """Record that a block has failed, if that is for the death of its processes."""
        from distributed import KilledWorker  # optional

        with self._explain_errors():
            error = future.exception()
            if not isinstance(error, KilledWorker):
                future.result()
        times, last = error.allowed_failures + 1, error.last_worker.address
        reason = (
            f"its process died, in {times} workers one after the other, the last at "
            f"{last}; that is most often a lack of memory"
        )
        for result in fail_block(block, Store(folder.parent), reason, machine):
            save_result(folder.parent, result)

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn the end of the scheduler, and what a process lacks, into an error."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if is_machine_fault(error):
                raise
            lost = isinstance(error, CancelledError)
            if self.client.status == "running" and not lost:
                words = f"{type(error).__name__}: {error}".splitlines()[0]
                raise UserError(
                    f"a process of the cluster failed ({words}); finished runs are "
                    "kept: give the same command again"
                ) from error
            raise UserError(
                "the scheduler is gone; finished runs are kept: start one, and go on "
                f"with: {self.command}"
            ) from error


def _call(sources: Sequence[tuple[str, bytes]], entries: bytes, call: bytes) -> Any:
    """Call a function in a process of the cluster."""
    from distributed import get_worker

    for path, source in sources:
        import_copy(path, source, Path(get_worker().local_directory))
    restore_entries(pickle.loads(entries))
    function, arguments = pickle.loads(call)
    return function(*arguments)


def _work(
    number: int,
    block: Block,
    ids: Sequence[str],
    models: dict[str, Any],
    folder: Path | None,
    machine: Machine,
    messages: "Queue",
) -> None:
    """Complete a block in a process of the cluster, and tell whether it is done."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    here = Path(worker.local_directory).parent  # other processes of the machine have it
    device = claim_device(machine.device, SEVERAL, here)
    machine = replace(machine, device=device, workers=1, plugins=())
    _check_process(block, ids, folder)

    def put(result: Any) -> None:
        if worker.state.tasks[key].state == "cancelled":
            raise InterruptedError("the command is gone")
        messages.put(pickle.dumps((number, result)), timeout=PATIENCE)

    def restore(job: Job) -> VAE:
        return build_trained(*models[job.id])

    last = -math.inf

    def tell(message: Message) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE:
            put(message)
            last = time.monotonic()

    with closing(messages):
        if folder is not None:
            done = complete_block(block, folder, machine, tell)
        else:
            done = complete_block(block, here, machine, tell, put, restore)
        # what is returned would be lost with this process, and computed again
        put(done is not None)


def _check_process(block: Block, ids: Sequence[str], folder: Path | None) -> None:
    """Check that this process has the project, the data set and the folder.

    Raises:
        UserError: one of them is missing here, or another one.
    """
    host, setting = socket.gethostname(), block.setting
    if [job.id for job in block.jobs] != ids:
        raise UserError(f"{host} has another version of the project; install the same")
    if folder is not None and not folder.is_dir():
        raise UserError(f"{host} has no folder {folder}; it must be one that all share")
    try:
        found = identify_dataset(setting.grid.dataset)
        if found != setting.config["dataset"]:
            raise ValueError("it is not the one that the command has")
        len(Experiment(setting).dataset)
    except (ValueError, OSError, UserError) as error:
        name = setting.grid.dataset.name
        raise UserError(
            f"{host} cannot use the data set {name!r} ({error}); put the same file "
            "there under the same path, run python -m datasets.prepare there, or set "
            "PRIORBENCH_DATA to a folder that all machines share"
        ) from error
