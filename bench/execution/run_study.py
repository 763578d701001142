"""From a study to its results: what is left to do is planned, run and reported."""

import contextlib
import itertools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import typer
from filelock import FileLock, Timeout
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console

from priorbench.bench.execution.backends.local import run_blocks
from priorbench.bench.execution.plan import Plan
from priorbench.bench.execution.progress import Display
from priorbench.bench.execution.schedule import plan_rounds
from priorbench.bench.results.store import (
    Record,
    load_records,
    relabel_run,
    remove_unfinished,
)
from priorbench.bench.study.job import Job
from priorbench.errors import UserError, prefix_errors

Report = Callable[[Path], list[Path]]
"""Writes tables and figures into a study's folder, and returns their paths."""


def find_done(
    folder: Path, jobs: Sequence[Job], retry_failed: bool, dry_run: bool
) -> dict[str, Record]:
    """Find the jobs that have a record; that of a renamed method gets its new name.

    Args:
        folder: of the study.
        jobs: that are wanted.
        retry_failed: leave out those whose run failed.
        dry_run: change nothing in the folder.

    Returns:
        Records by the jobs' ids.
    """
    if not dry_run:
        remove_unfinished(folder)
    found = {record.id: record for record in load_records(folder)}
    done = {}
    for job in jobs:
        record = found.get(job.id)
        if record is None or (retry_failed and record.status == "failed"):
            continue
        name = job.setting.method.name
        if record.method != name and not dry_run:
            with prefix_errors(f"cannot write to {folder}"):
                record = relabel_run(folder, record, method=name)
        done[job.id] = record
    return done


def run_plan(plan: Plan, folder: Path, report: Report, console: Console) -> None:
    """Run a plan, and write the report after every round and at the end.

    Raises:
        UserError: memory or disk ran out; what is finished is kept.
        typer.Exit: with 130 after Ctrl-C; the command to go on is printed.
    """
    try:
        with explain_memory_errors(), explain_disk_errors(folder):
            _run_rounds(plan, folder, report, console)
    except KeyboardInterrupt:
        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        console.print(
            f"\nstopped; finished runs are kept. Go on with\n    {format_command()}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    for path in report(folder):
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)


def format_command() -> str:
    """Return the command that the user gave, to be given again."""
    return shlex.join(["python", "-m", "bench.run", *sys.argv[1:]])


@contextlib.contextmanager
def explain_disk_errors(folder: Path) -> Iterator[None]:
    """Turn a lack of room or permission into a :class:`UserError` with what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}; finished runs are "
            "kept: make room or permission and give the same command again"
        ) from error


@contextlib.contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Turn a lack of memory into a :class:`UserError` with what to do."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, TerminatedWorkerError) as error:
        raise UserError(
            f"a process ran out of memory ({type(error).__name__}); finished runs are "
            "kept: go on with fewer processes (--jobs) or a smaller batch"
        ) from error


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a study's folder and hold it, so that no second command runs on it.

    Raises:
        UserError: another command holds it, or it cannot be written.
    """
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


def _run_rounds(plan: Plan, folder: Path, report: Report, console: Console) -> None:
    rounds = plan_rounds(plan.todo, plan.machine.block_size)
    blocks = list(itertools.chain.from_iterable(rounds))
    sizes = (sum(len(block.seeds) for block in blocks) for blocks in rounds)
    ends = list(itertools.accumulate(sizes))
    with Display(len(plan.todo), console) as display:
        results = run_blocks(blocks, folder, plan.machine, display.show_progress)
        for label, records in results:
            display.show_finished(label, records)
            if ends[0] <= display.done < len(plan.todo):
                # where all have failed so far there is nothing to draw yet
                with contextlib.suppress(UserError):
                    report(folder)
            ends = [end for end in ends if end > display.done]
