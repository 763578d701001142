"""From a study to its results: what is left to do is planned, run and reported."""

import contextlib
import itertools
import math
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from filelock import FileLock, Timeout
from rich.console import Console

from priorbench.atomic_files import remove_unfinished
from priorbench.bench.execution.backends.local import end_pool, run_blocks
from priorbench.bench.execution.chance import identify_chance, score_chance
from priorbench.bench.execution.devices import enter_device
from priorbench.bench.execution.dry_run import check_study
from priorbench.bench.execution.plan import Plan, pick_device, plan_study
from priorbench.bench.execution.progress import Display, announce_plan
from priorbench.bench.execution.provenance import make_provenance
from priorbench.bench.execution.remedies import (
    explain_disk_errors,
    explain_machine_errors,
)
from priorbench.bench.execution.schedule import Block, Machine, plan_rounds
from priorbench.bench.execution.stopping import (
    FAILED,
    LAST_MINUTE,
    TIME_UP,
    Stopped,
    stop_on_signals,
)
from priorbench.bench.execution.survey import survey_store
from priorbench.bench.execution.worker import Tell
from priorbench.bench.results.checkpoints import CHECKPOINTS, Checkpoints
from priorbench.bench.results.load import load_result
from priorbench.bench.results.manifest import (
    Entry,
    Manifest,
    copy_plugins,
    find_manifest,
    write_manifest,
)
from priorbench.bench.results.result import LEADING
from priorbench.bench.results.store import MODELS, Store
from priorbench.bench.study.grid import Grid, Plugin
from priorbench.bench.study.job import list_jobs, list_settings, pick_shard
from priorbench.bench.study.plugins import check_plugins
from priorbench.bench.study.scores import ScoreRequest, list_requests
from priorbench.bench.training.experiment import PRECISIONS
from priorbench.errors import UserError, prefix_errors
from priorbench.metrics.base import registry as metrics
from priorbench.processes import ignore_interrupts
from priorbench.registry import suggest_names
from priorbench.units import format_count

if TYPE_CHECKING:
    from priorbench.bench.execution.backends.dask import Pool


BACKENDS = ("local", "dask")

RunBlocks = Callable[[Sequence[Block], Path, Machine, Tell], Iterator[Block]]
"""Runs blocks in a study's folder, and yields each when it is done."""

LOCK = ".lock"


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        out: folder of the results.
        only: names of the methods to run; None for all.
        precision: of the matrix products.
        device: "auto", "cpu", "cuda" for all GPUs, or "cuda:N".
        jobs: number of processes; None to decide by the machine.
        seeds_at_once: seeds that train together at most; None to decide likewise.
        plugins: files of plug-ins, which are imported already.
        retry_failed: do failed trainings and scores again.
        backend: "local", or "dask" for processes of a cluster.
        dask: address of its scheduler, or a file that describes the cluster; None for
            processes of this machine.
        shared: the processes of the cluster write results, to a disk that all share.
        shard: number of a part of the study, from 1, and the number of parts; None for
            the whole.
        fail_fast: stop at the first run that fails.
        checkpoint_minutes: between two checkpoints of a training; with 0 there is one
            only when it is stopped.
        time_limit: minutes within which the command ends; None for no limit.
        dry_run: show the plan and stop.
        train: train what is not trained; otherwise models are only scored.
    """

    out: Path = Path("runs")
    only: Sequence[str] | None = None
    precision: str = "fp32"
    device: str = "auto"
    jobs: int | None = None
    seeds_at_once: int | None = None
    plugins: Sequence[str] = ()
    retry_failed: bool = False
    backend: str = "local"
    dask: str | None = None
    shared: bool = False
    shard: tuple[int, int] | None = None
    fail_fast: bool = False
    checkpoint_minutes: float = 15.0
    time_limit: float | None = None
    dry_run: bool = False
    train: bool = True


def run_study(
    study: Grid,
    options: Options,
    console: Console,
    added: Sequence[Plugin] = (),
) -> None:
    """Train and score what a study lacks, and write its report.

    Args:
        study: the grid.
        options: how it is run.
        console: where plan and progress are shown.
        added: metrics to score beside those of the grid; a later command goes on
            scoring them.

    Raises:
        UserError: the study, an option or a plug-in is at fault, or memory or disk ran
            out; the message says which.
        typer.Exit: with 1 where runs failed, with 130 after Ctrl-C, with 124 at the
            time limit.
    """
    end = time.time() + 60 * (options.time_limit or math.inf)
    _check_options(study, options)
    if options.dask is None:  # otherwise it is a device of another machine
        with prefix_errors("--device"):
            enter_device(pick_device(options.device))
    folder = options.out / study.name
    study, added = _add_metrics(study, added, folder)
    try:
        check_plugins(study)
    except UserError as error:
        own = "" if options.plugins else " (one of your own is named by --plugin FILE)"
        raise UserError(f"{error}{own}") from error
    check_study(study, list_settings(study, options.precision, options.only))
    requests = list_requests(study)
    wanted = list_jobs(study, options.precision, options.only)
    if options.shard is not None:
        with prefix_errors("--shard"):
            wanted = pick_shard(study, wanted, *options.shard)
    store, checkpoints = Store(options.out), Checkpoints(options.out)
    with contextlib.ExitStack() as stack:
        if not options.dry_run:
            stack.enter_context(lock_folder(folder, options.shard))
        if not options.dry_run:
            remove_unfinished(folder)
            store.remove_unfinished()
            checkpoints.remove_finished(store)
        survey = survey_store(
            store,
            wanted,
            requests,
            study.keep_models,
            options.retry_failed,
            options.train,
            checkpoints.find(),
            verify=not options.dry_run,
        )
        pools = stack.enter_context(contextlib.ExitStack())
        run: RunBlocks = run_blocks
        with explain_machine_errors():
            if options.dask is not None and survey.tasks:
                pool = _open_pool(pools, options, 1, folder)
                console.print(f"waiting for a process of {options.dask}")
                here, total = pool.count_neighbours(), pool.count_processes()
                words = (survey, options.device, here, (), format_command(), total)
                words = (*words, options.seeds_at_once)
                plan, run = pool.call(plan_study, *words), pool.run_blocks
            else:
                words = (survey, options.device, options.jobs, options.plugins)
                command, at_once = format_command(), options.seeds_at_once
                plan = plan_study(*words, command, seeds_at_once=at_once)
        machine = replace(
            plan.machine,
            checkpoint_minutes=options.checkpoint_minutes,
            deadline=end - min(LAST_MINUTE, 6 * (options.time_limit or 0)),
        )
        plan = replace(plan, survey=survey, machine=machine)
        others = [p for p in study.file.profiles if p != study.profile]
        folders = (options.out, *options.out.absolute().parents)
        existing = next(path for path in folders if path.exists())
        free = shutil.disk_usage(existing).free
        announce_plan(console, study, plan, options.precision, others, free)
        if options.dry_run:
            return
        with explain_disk_errors(folder):
            manifest = _make_manifest(study, options, requests, added, folder)
            write_manifest(folder, manifest)
        if options.backend == "dask" and options.dask is None and survey.tasks:
            run = _open_pool(pools, options, machine.workers, folder).run_blocks
        pools.callback(end_pool)
        work = Work(plan, run, folder, manifest, options.fail_fast)
        _run_plan(work, pools, study, requests, console, end)


def _check_options(study: Grid, options: Options) -> None:
    if options.precision not in PRECISIONS:
        raise UserError(
            f"'--precision' must be one of {', '.join(PRECISIONS)}; got "
            f"{options.precision!r}"
        )
    known = [method.name for method in study.methods]
    for name in options.only or []:
        if name not in known:
            raise UserError(f"unknown method {name!r}; {suggest_names(name, known)}")
    if study.name in (MODELS, CHECKPOINTS):
        raise UserError(
            f"{study.locate('name')}: {study.name!r} is the folder of the "
            f"{study.name}; give the grid another name"
        )
    if options.backend not in BACKENDS:
        raise UserError(
            f"'--backend' must be one of {', '.join(BACKENDS)}; got {options.backend!r}"
        )
    if options.shared and options.backend != "dask":
        raise UserError("'--shared' is an option of --backend dask")
    if options.time_limit is not None and not 0 < options.time_limit < math.inf:
        raise UserError(
            f"'--time-limit' must be a positive number of minutes; got "
            f"{options.time_limit}"
        )


def _add_metrics(
    study: Grid, added: Sequence[Plugin], folder: Path
) -> tuple[Grid, list[Plugin]]:
    """Add metrics to a study: those given, and those of its last command."""
    previous = find_manifest(folder)
    earlier = [] if previous is None else [Plugin(**p) for p in previous.added]
    known = [plugin for plugin in earlier if plugin.name in metrics.names()]
    merged = {plugin.name: plugin for plugin in (*known, *added)}
    own = [plugin.name for _, plugin in study.list_metrics()]
    more = [p for name, p in merged.items() if name not in own or p in added]
    return study.add_metrics(more), more


def _make_manifest(
    study: Grid,
    options: Options,
    requests: Sequence[ScoreRequest],
    added: Sequence[Plugin],
    folder: Path,
) -> Manifest:
    """Make the manifest of a command: all models of the study, whatever it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    command, plugins = format_command(), copy_plugins(folder, options.plugins)
    previous = None if options.train else find_manifest(folder)
    if previous is not None:  # what trained the models is still needed to repeat them
        before = (previous.provenance.command or "").split("; ")
        command = "; ".join(dict.fromkeys([*filter(None, before), command]))
        plugins = tuple(dict.fromkeys([*previous.plugins, *plugins]))
    models = tuple(
        Entry(
            method=job.setting.method.name,
            prior=job.setting.method.prior.name,
            objective=job.setting.method.objective.name,
            beta=job.setting.beta,
            seed=job.seed,
            id=job.id,
        )
        for job in list_jobs(study, options.precision)
    )
    return Manifest(
        grid=study.name,
        profile=study.profile,
        precision=options.precision,
        overrides=study.overrides,
        description=study.description,
        models=models,
        scores=tuple(request.key for request in requests),
        added=tuple(plugin.model_dump() for plugin in added),
        chance=identify_chance(study),
        provenance=make_provenance(options.device, command),
        plugins=plugins,
        file=study.file.place,
        text=study.file.text,
    )


@dataclass(frozen=True)
class Work:
    """What a command does.

    Attributes:
        plan: what is to be done.
        run_blocks: of a back end.
        folder: of the study, ``runs/<grid>``.
        manifest: of the study.
        fail_fast: stop at the first run that fails.
    """

    plan: Plan
    run_blocks: RunBlocks
    folder: Path
    manifest: Manifest
    fail_fast: bool = False


def _open_pool(
    stack: contextlib.ExitStack, options: Options, workers: int, folder: Path
) -> "Pool":
    """Open the processes of a cluster, until the stack is closed."""
    from priorbench.bench.execution.backends.cluster import open_client
    from priorbench.bench.execution.backends.dask import Pool

    client, most = stack.enter_context(open_client(options.dask, workers, folder))
    plugins, command = tuple(options.plugins), format_command()
    return Pool(client, most, options.jobs, plugins, options.shared, command)


def _run_plan(
    work: Work,
    pools: contextlib.ExitStack,
    study: Grid,
    requests: Sequence[ScoreRequest],
    console: Console,
    end: float,
) -> None:
    """Run a plan, and write the report at the end; its start after every round too.

    Raises:
        UserError: memory or disk ran out; what is finished is kept.
        typer.Exit: with 128 and the signal's number after Ctrl-C (130) or another
            signal, and with 124 where ``end``, in seconds as ``time.time()``, came
            before all was done; the command to go on is printed. With 1 where runs or
            scores failed.
    """
    folder, manifest = work.folder, work.manifest
    try:
        with (
            stop_on_signals(end - time.time()),
            explain_machine_errors(),
            explain_disk_errors(folder),
        ):
            _run_rounds(work, console)
            command = work.plan.machine.command
            score_chance(Store(folder.parent), study, requests, command)
    except KeyboardInterrupt as stop:
        ignore_interrupts()
        ids = {task.job.id for task in work.plan.tasks}
        kept = len(ids & Checkpoints(folder.parent).find().keys())
        status = stop.status if isinstance(stop, Stopped) else 128 + signal.SIGINT
        why = " at the first run that failed" if status == FAILED else ""
        begun = f", and checkpoints of {format_count(kept, 'run')}" if kept else ""
        console.print(
            f"\nstopped{why}; finished runs are kept{begun}. Go on with\n"
            f"    {format_command()}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(status) from None
    finally:
        pools.close()
    for path in _write_report(folder):
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    store = Store(folder.parent)
    loaded = (load_result(store, manifest, entry) for entry in manifest.models)
    results = [result for result in loaded if result is not None]
    failed = sum(result.reason is not None for result in results)
    scores = sum(bool(result.failed_scores) for result in results)
    if failed or scores:
        runs = format_count(len(results), "run")
        for count, what, table in (
            (failed, "failed", "runs.csv"),
            (scores, "lack a score that failed", "scores.csv"),
        ):
            if count:
                console.print(
                    f"{count} of {runs} {what}: see the column 'reason' of "
                    f"{folder / table}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
        raise typer.Exit(FAILED)


def format_command() -> str:
    """Return the command that the user gave, to be given again."""
    program, *arguments = sys.argv
    name = Path(program).stem
    module = ["python", "-m", f"bench.{name}"] if name in ("run", "score") else [name]
    return shlex.join([*module, *arguments])


@contextlib.contextmanager
def lock_folder(folder: Path, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Make a study's folder and hold it, so that no second command runs on it.

    Commands that run parts of the study may hold it together.

    Raises:
        UserError: another command holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = LOCK if shard is None else "{}-{}-of-{}".format(LOCK, *shard)
        lock = FileLock(folder / name)
        lock.acquire(timeout=0)
        others = [folder / LOCK] if shard else folder.glob(f"{LOCK}-*")
        for other in others:
            # another part may be looking too
            with FileLock(other, timeout=1):
                pass
    except Timeout:
        raise UserError(
            f"another command is running on {folder}; wait for it, or choose another "
            "folder with --out"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}; choose another "
            "folder with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _run_rounds(work: Work, console: Console) -> None:
    """Run the blocks of a plan.

    Raises:
        Stopped: the machine's deadline came before all were done, or a run failed and
            that is to stop the others.
    """
    plan, folder, manifest = work.plan, work.folder, work.manifest
    rounds = plan_rounds(plan.tasks, plan.machine.block_size)
    blocks = list(itertools.chain.from_iterable(rounds))
    sizes = (sum(len(block.seeds) for block in blocks) for blocks in rounds)
    ends = list(itertools.accumulate(sizes))
    store = Store(folder.parent)
    entries = {entry.id: entry for entry in manifest.models}
    done = 0
    with Display(len(plan.tasks), console) as display:
        run = work.run_blocks
        for block in run(blocks, folder, plan.machine, display.show_progress):
            found = [
                load_result(store, manifest, entries[job.id]) for job in block.jobs
            ]
            results = [result for result in found if result is not None]
            display.show_finished(block.label, results)
            if work.fail_fast and any(r.reason or r.failed_scores for r in results):
                raise Stopped(FAILED)
            done += 1
            if ends[0] <= display.done < len(plan.tasks):
                # where all have failed so far there is nothing to draw yet
                with contextlib.suppress(UserError):
                    _write_report(folder, drawn=1)
            ends = [end for end in ends if end > display.done]
    if done < len(blocks):
        raise Stopped(TIME_UP)


def _write_report(folder: Path, drawn: int = LEADING) -> list[Path]:
    """Write tables and figures; Matplotlib is imported only for this."""
    from priorbench.bench.report.write import write_report

    return write_report(folder, drawn=drawn)
