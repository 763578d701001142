"""The command line: ``python -m bench.run --grid dsprites_beta``."""

import contextlib
import itertools
import logging
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Annotated

import torch
import typer
from filelock import FileLock, Timeout
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console

from priorbench.bench.execution import experiment, plan, dry_run
from priorbench.bench.study import grid_file, plugins
from priorbench.bench.study.grid import Grid, load_grid
from priorbench.bench.study.job import check_plugins, list_jobs
from priorbench.bench.results import store
from priorbench.bench.execution.backends import local
from priorbench.bench.execution.worker import Machine, exit_with_parent
from priorbench.command_line import make_app
from priorbench.bench.execution.progress import Display, announce_plan
from priorbench.errors import UserError, prefix_errors
from priorbench.bench.study.job import Job
from priorbench.bench.execution.plan import Plan
from priorbench.bench.results.store import Record
from priorbench.registry import suggest_names
from priorbench.datasets import FactorDataset, ImageDataset, Images

log = logging.getLogger("priorbench")

Option = typer.Option


def main(
    grid: Annotated[
        str, Option(help="A grid of the project, or the path of a .toml file.")
    ],
    profile: Annotated[str | None, Option(help="One of the grid's profiles.")] = None,
    seeds: Annotated[int | None, Option(min=1, help="Seeds of every setting.")] = None,
    only: Annotated[
        list[str] | None, Option(help="This method only; may be repeated.")
    ] = None,
    device: Annotated[
        str, Option(help="auto, cpu, cuda (all GPUs) or cuda:N.")
    ] = "auto",
    precision: Annotated[str, Option(help="fp32, tf32 or bf16.")] = "fp32",
    jobs: Annotated[
        int | None, Option(min=1, help="Processes; a core each by default.")
    ] = None,
    out: Annotated[Path, Option(help="Folder of the results.")] = Path("runs"),
    plugin: Annotated[
        list[str] | None, Option(help="Python file with plug-ins.")
    ] = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Do failed runs again.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show the plan and stop.")
    ] = False,
    debug: Annotated[
        bool, Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Run a grid of methods, β and seeds; what is done already is not done again."""
    plugin_files = plugin or []
    plugins.load_plugins(plugin_files)
    study = load_grid(grid, profile)
    if seeds is not None:
        study = study.model_copy(update={"seeds": seeds})
    wanted = _list_wanted(study, grid, only, precision, plugin_files)
    with prefix_errors("--device"):
        where = plan.pick_device(device)
    folder = out / study.name
    console = Console()
    with _lock_folder(folder, dry_run):
        done = _find_done(folder, wanted, retry_failed, dry_run)
        todo = [j for j in wanted if j.id not in done]
        failed = sum(r.status == "failed" for r in done.values())
        with _explain_memory_errors():
            machine = plan.plan_machine(todo, where, jobs, plugin_files)
            planned = plan.make_plan(todo, len(done), failed, machine)
        others = [
            name for name in grid_file.list_profiles(grid) if name != study.profile
        ]
        announce_plan(console, study, planned, precision, others)
        if dry_run:
            return
        _run_plan(planned, folder, console)


def _list_wanted(
    study: Grid,
    grid: str,
    only: Sequence[str] | None,
    precision: str,
    plugin_files: Sequence[str],
) -> list[Job]:
    """The jobs of the study, every setting tried out before any is run."""
    if precision not in experiment.PRECISIONS:
        raise UserError(
            f"'--precision' must be one of {', '.join(experiment.PRECISIONS)}; "
            f"got {precision!r}"
        )
    known = [method.name for method in study.methods]
    for name in only or []:
        if name not in known:
            raise UserError(f"unknown method {name!r}; {suggest_names(name, known)}")

    def where(*keys: str | int) -> str:
        return grid_file.locate_key(grid, study.profile, keys)

    try:
        check_plugins(study, where)
    except UserError as error:
        own = "" if plugin_files else " (one of your own is named by --plugin FILE)"
        raise UserError(f"{error}{own}") from error
    wanted = list_jobs(study, precision, only or None)
    with prefix_errors(where("dataset")):
        _warn_about(experiment.load_dataset(wanted[0]))
    with prefix_errors(where("architecture")), dry_run.explain_plugin_errors():
        experiment.make_architecture(
            wanted[0], study.latent_dim, num_params=2 * study.latent_dim
        )
    with prefix_errors(where("training", "look_ahead")):
        experiment.make_early_stopping(wanted[0], "cpu")
    for number, name in enumerate(known):
        settings = {j.beta: j for j in wanted if j.method == name}
        with prefix_errors(f"{where('methods', number)}, method {name!r}"):
            tried = {
                isinstance(beta, tuple): j for beta, j in reversed(settings.items())
            }
            for first in reversed(tried.values()):
                dry_run.try_method(first)
            for other in settings.values():
                with dry_run.explain_plugin_errors():
                    experiment.make_loss(other)
    return wanted


def _warn_about(dataset: Images) -> None:
    """Say so where factors' combinations are not all there once, or images to test on lacking."""
    if isinstance(dataset, ImageDataset) and "test" not in dataset.lengths:
        log.warning(
            "dataset %r has no split 'test': its models are scored on the images that they "
            "are trained on",
            dataset.name,
        )
    fault = dataset.incomplete() if isinstance(dataset, FactorDataset) else None
    if fault:
        log.warning(
            "the factors of dataset %r are no complete grid: %s; the mutual information "
            "gaps are divided by log n_f, the entropy of a factor with equal shares",
            dataset.name,
            fault,
        )


def _find_done(
    folder: Path, wanted: Sequence[Job], retry_failed: bool, dry_run: bool
) -> dict[str, Record]:
    """The wanted jobs that have a record, a renamed method's under its new name."""
    if not dry_run:
        store.remove_unfinished(folder)
    found = {r.id: r for r in store.load_records(folder)}
    done = {}
    for j in wanted:
        old = found.get(j.id)
        if old is None or (retry_failed and old.status == "failed"):
            continue
        if old.method != j.method and not dry_run:
            with prefix_errors(f"cannot write to {folder}"):
                old = store.relabel_run(folder, old, method=j.method)
        done[j.id] = old
    return done


def _run_plan(planned: Plan, folder: Path, console: Console) -> None:
    """Run the plan and write the report after every round."""
    from priorbench.bench import report  # matplotlib, needed only now

    try:
        with _explain_memory_errors():
            _train_blocks(planned, folder, console, report.write_report)
    except KeyboardInterrupt:
        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        command = shlex.join(["python", "-m", "bench.run", *sys.argv[1:]])
        console.print(
            f"\nstopped; finished runs are kept. Go on with\n    {command}",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}; finished runs are "
            "kept: make room or permission and give the same command again"
        ) from error
    for path in report.write_report(folder):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _explain_memory_errors() -> Iterator[None]:
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, TerminatedWorkerError) as error:
        raise UserError(
            f"a process ran out of memory ({type(error).__name__}); finished runs are "
            "kept: go on with fewer processes (--jobs) or a smaller batch"
        ) from error


def _train_blocks(
    planned: Plan, folder: Path, console: Console, report: Callable[[Path], object]
) -> None:
    rounds = local.plan_rounds(planned.todo, planned.machine.block_size)
    blocks = [block for column in rounds for block in column]
    labels = {block.jobs[0].id: block.label for block in blocks}
    ends = list(
        itertools.accumulate(sum(len(b.jobs) for b in column) for column in rounds)
    )
    with (
        Display(len(planned.todo), console) as display,
        _open_messages(planned.machine, display.tell) as tell,
    ):
        for records in local.run_blocks(blocks, folder, planned.machine, tell):
            display.finished(labels[records[0].id], records)
            if ends[0] <= display.done < len(planned.todo):
                # where all have failed so far there is nothing to draw yet
                with contextlib.suppress(UserError):
                    report(folder)
            ends = [end for end in ends if end > display.done]


@contextlib.contextmanager
def _open_messages(
    machine: Machine, show: Callable[[tuple], None]
) -> Iterator[Callable[[tuple], None]]:
    """A way for the workers to tell of their progress."""
    if machine.workers == 1:
        yield show
        return
    manager = SyncManager()
    manager.start(exit_with_parent)
    with manager:
        messages = manager.Queue()

        def pump() -> None:
            while (message := messages.get()) is not None:
                show(message)

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        try:
            yield messages.put
        finally:
            messages.put(None)
            thread.join(timeout=1)


@contextlib.contextmanager
def _lock_folder(folder: Path, dry_run: bool) -> Iterator[None]:
    """Hold the grid's folder: a second command on it is told so."""
    if dry_run:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
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


app = make_app(main)

if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    app(prog_name="python -m bench.run")
