"""The processes of a cluster: here, at a scheduler that runs, or in a batch queue."""

import logging
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from priorbench.atomic_files import make_unfinished_path
from priorbench.bench.execution.stopping import hold_stops
from priorbench.errors import UserError, prefix_errors
from priorbench.paths import expand_path
from priorbench.processes import shield_children
from priorbench.registry import suggest_names

if TYPE_CHECKING:
    from distributed import Client

QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
"""Classes of dask-jobqueue, by the key ``system`` of a cluster's file."""

CONFIG = {
    # a process has one block: one that ends takes no other with it
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 3,
    # the parameters of a model that is to be scored are sent with its block
    "distributed.admin.large-graph-warning-threshold": "4GB",
    # what goes wrong is told by the command
    "logging": {"distributed": "critical", "distributed.client": "critical"},
}


@contextmanager
def open_client(
    target: str | None, workers: int, folder: Path
) -> Iterator[tuple["Client", int]]:
    """Connect to a scheduler, and start it and its processes if need be.

    Args:
        target: address of a scheduler, path of a cluster's file, or None for processes
            of this machine.
        workers: number of processes of this machine.
        folder: of the study, where these have their temporary files.

    Yields:
        The client, and the number of processes that the cluster may grow to; 0 where
        the scheduler's own processes say it.

    Raises:
        UserError: a package is not installed, there is no such scheduler, the
            cluster's file is not valid, or processes did not start.
    """
    stack = ExitStack()
    try:
        # a stop here would leave what is half open, or half closed
        with hold_stops():
            client, workers = _connect(stack, target, workers, folder)
        yield client, workers
    finally:
        with hold_stops():
            stack.close()


def _connect(
    stack: ExitStack, target: str | None, workers: int, folder: Path
) -> tuple["Client", int]:
    """Return what :func:`open_client` yields; the stack closes it."""
    try:
        import dask

        dask.config.set(CONFIG)  # some of it is read by the next import
        from distributed import Client, LocalCluster
        from distributed.gc import disable_gc_diagnosis
    except ImportError as error:
        raise UserError(
            "distributed is needed for --backend dask; run: pip install distributed"
        ) from error
    # a plug-in may have imported it before
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    place: Any = target
    if target is None:
        # which the next command removes, should this one be killed
        scratch = make_unfinished_path(folder / "dask")
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        dask.config.set({"temporary-directory": str(scratch)})
        try:
            with shield_children():
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                )
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"the processes of this machine did not start ({error}); give the "
                "same command again"
            ) from error
        place = stack.enter_context(cluster)
    elif target.endswith(".toml"):
        cluster, workers = _make_cluster(expand_path(target))
        place = stack.enter_context(cluster)
    elif "://" in target:
        workers = 0
    else:
        raise UserError(
            f"'--dask' must be the address of a scheduler, like tcp://host:8786, "
            f"or a .toml file; got {target!r}"
        )
    try:
        client = stack.enter_context(Client(place, set_as_default=False))
    except (OSError, ValueError) as error:
        raise UserError(f"--dask: no scheduler at {target}: {error}") from error
    # a scheduler in this process watches the garbage collector: a stop that came while
    # it does so would be lost
    disable_gc_diagnosis(force=True)
    crowded = [name for name, count in client.nthreads().items() if count > 1]
    if crowded:
        raise UserError(
            f"--dask: the worker {crowded[0]} has several threads, and a run needs "
            "a process of its own; start it with --nthreads 1 --nworkers N"
        )
    return client, workers


def _make_cluster(path: Path) -> tuple[Any, int]:
    """Return the cluster that a file describes, and the most processes that it has."""
    with prefix_errors(f"--dask {path}"):
        try:
            keys = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"not valid TOML: {error}") from error
        system = str(keys.pop("system", None))
        if system not in QUEUES:
            raise ValueError(f"'system': {suggest_names(system, list(QUEUES))}")
        try:
            import dask_jobqueue
        except ImportError as error:
            raise UserError(
                "dask-jobqueue is needed for it; run: pip install dask-jobqueue"
            ) from error
        scale = {key: keys.pop(key) for key in ("jobs", "minimum_jobs") if key in keys}
        jobs, least = scale.get("jobs", 1), scale.get("minimum_jobs")
        for key, value in {"jobs": jobs, "minimum_jobs": least or 0}.items():
            if not isinstance(value, int) or value < (key == "jobs"):
                raise ValueError(f"{key!r} must be a whole number; got {value!r}")
        # one thread of dask each; what trains has threads of its own
        keys.setdefault("scheduler_options", {"dashboard_address": ":0"})
        keys.setdefault("processes", keys.get("cores"))
        extra = [*keys.pop("worker_extra_args", []), "--nthreads", "1"]
        cluster = getattr(dask_jobqueue, QUEUES[system])(
            worker_extra_args=extra, **keys
        )
        cluster.scale(jobs=jobs if least is None else max(least, 1))
        try:
            cluster.sync(cluster._correct_state)  # which submits the jobs
        except RuntimeError as error:
            cluster.close()
            last = str(error).strip().splitlines()[-1]
            raise ValueError(f"no job can be submitted: {last}") from error
        if least is not None:
            cluster.adapt(minimum_jobs=least, maximum_jobs=jobs)
        return cluster, jobs * (keys["processes"] or 1)
