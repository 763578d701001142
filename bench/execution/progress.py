"""On the terminal: the plan, and progress as a live table or as plain lines."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from priorbench.bench.results.result import LEADING, Result
from priorbench.bench.study.beta import format_beta
from priorbench.bench.study.grid import Grid
from priorbench.units import (
    DAY,
    format_count,
    format_duration,
    format_size,
)

if TYPE_CHECKING:
    from priorbench.bench.execution.plan import Plan

OTHERS = ("reconstruction", "elbo")
"""Scores of every model; the first that does not lead stands behind the headlines."""

QUIET_SECONDS = 30.0
"""Plain lines about epochs come no more often than this."""


class Display:
    """What is running, what finished with which scores, and the time that is left.

    Args:
        total: number of runs to be done.
        console: where it is shown; a live table needs a terminal.
    """

    def __init__(self, total: int, console: Console) -> None:
        self.console = console
        self.running: dict[str, tuple[int, int, int, float]] = {}
        self.total, self.done = total, 0
        self.before = 0.0  # parts of runs that earlier commands have done
        self.start = self.last_line = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self.task = self.bar.add_task("runs", total=total, left="")
        self.live = Live(
            console=console, refresh_per_second=4, get_renderable=self._render
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.running.clear()
            self.live.stop()

    def show_progress(self, message: tuple[str, int, int, int, float]) -> None:
        """Show a block's label, runs, epochs done, epochs in all, images per second."""
        label, runs, epoch, epochs, rate = message
        if not rate:  # the first of a block, which may go on from a checkpoint
            self.before += runs * epoch / epochs
        self.running[label] = (runs, epoch, epochs, rate)
        now = time.monotonic()
        due = epoch and now - self.last_line > QUIET_SECONDS
        if due and not self.console.is_terminal:
            self.last_line = now
            self._print_line(
                f"        {label}: epoch {epoch} of {epochs}, {rate:,.0f} images/s; "
                f"{self._estimate_left()}"
            )

    def show_finished(self, label: str, results: Sequence[Result]) -> None:
        """Show the runs of a block that are on the disk."""
        self.running.pop(label, None)
        for result in results:
            self.done += 1
            self._print_line(f"[{self.done}/{self.total}] {describe_run(result)}")
        self.bar.update(self.task, completed=self.done)
        self.last_line = time.monotonic()

    def _print_line(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _estimate_left(self) -> str:
        """Return the time left if the rest is as fast; epochs are parts of runs."""
        done = float(self.done)
        for runs, epoch, epochs, _ in list(self.running.values()):
            done += runs * epoch / epochs
        here = done - self.before
        if here <= 0 or self.done == self.total:
            return ""
        elapsed = time.monotonic() - self.start
        return f"{format_duration(elapsed / here * max(self.total - done, 0))} left"

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for heading in ("running", "epoch", "images/s"):
            justify = "left" if heading == "running" else "right"
            table.add_column(heading, justify=justify)
        for label, (_, epoch, epochs, rate) in sorted(dict(self.running).items()):
            table.add_row(label, f"{epoch}/{epochs}", f"{rate:,.0f}" if rate else "")
        self.bar.update(self.task, left=self._estimate_left())
        return Group(table, self.bar)


def describe_run(result: Result) -> str:
    """Describe a run in one line: its setting, its leading scores and its time."""
    name = f"{result.method} β={format_beta(result.beta)} seed {result.seed}"
    if result.status == "failed":
        return f"{name}: failed: {result.reason}"
    scores = result.scores
    shown = [score for score in result.headlines if score in scores][:LEADING]
    others = [s for s in OTHERS if s in scores and s not in shown]
    if "log_likelihood" in shown:
        others.reverse()
    line = ", ".join(f"{s} {scores[s]:.4g}" for s in shown + others[:1])
    seconds = sum(v for k, v in result.timings.items() if k.endswith("_seconds"))
    failed = "".join(f"; {k} failed: {v}" for k, v in result.failed_scores.items())
    return f"{name}: {line} ({format_duration(seconds)}){failed}"


def announce_plan(
    console: Console,
    grid: Grid,
    plan: "Plan",
    precision: str,
    others: Sequence[str],
    free_bytes: int,
) -> None:
    """Print the plan.

    Args:
        console: where it is printed.
        grid: the study.
        plan: what is to be done.
        precision: of the matrix products.
        others: the grid's other profiles.
        free_bytes: of the disk that the results go to.
    """
    machine, survey = plan.machine, plan.survey
    faults = [f"{survey.failed} failed"] if survey.failed else []
    if survey.failed_scores:
        faults.append(f"{survey.failed_scores} of their scores failed")
    failed = f" ({', '.join(faults)})" if faults else ""
    nothing = "" if plan.tasks else ": nothing left to do"
    methods = format_count(len(grid.methods), "method")
    seeds = format_count(grid.seeds, "seed")
    runs = format_count(len(plan.tasks), "run")
    lines = [
        f"{grid.name}, profile {grid.profile}: {methods}, {seeds} of each setting",
        f"{runs} to do, {survey.done} already done{failed}{nothing}",
    ]
    if grid.overrides:
        changes = (f"{key} = {value!r}" for key, value in grid.overrides.items())
        lines.insert(1, f"set on the command line: {', '.join(changes)}")
    if survey.untrained:
        lines.append(
            f"not trained yet, or trained without keeping the parameters: "
            f"{format_count(survey.untrained, 'run')}; python -m bench.run trains them"
        )
    scored = [task for task in plan.tasks if not task.train]
    if scored:
        names = list(dict.fromkeys(r.name for task in scored for r in task.requests))
        lines.append(f"{len(scored)} of them are trained and lack {', '.join(names)}")
    begun = sum(any(task.reached) for task in plan.tasks)
    if begun:
        lines.append(f"{begun} of them have a checkpoint to go on from")
    if survey.not_kept:
        lines.append(
            f"{survey.not_kept} of them are trained again, for their parameters were "
            "not kept"
        )
    if plan.tasks:
        lines += [
            f"{machine.device}, {precision}; processes: {machine.workers}, threads of "
            f"each: {machine.threads}, seeds at once: {machine.block_size}",
            f"{plan.flops:.2g} floating-point operations, about "
            f"{format_duration(plan.seconds)} without the metrics",
        ]
    if plan.memory_bytes:
        lines.append(
            f"memory of each process: {format_size(plan.memory_bytes)} in the steps "
            f"that were measured, some metrics take more; free: "
            f"{format_size(plan.free_memory_bytes)}"
        )
    if plan.disk_bytes:
        lines.append(
            f"models: {format_size(plan.disk_bytes)}; free: {format_size(free_bytes)}"
        )
        if plan.disk_bytes > free_bytes:
            lines.append(
                "that is more than is free; with --set keep_models=false they are not "
                "kept, and a metric that is added later trains them again"
            )
    if plan.seconds > DAY:
        shorter = ["a GPU (--device cuda)"] if machine.device == "cpu" else []
        if grid.seeds > 1:
            shorter.append("fewer seeds (--seeds 1; more can be added later)")
        shorter += [f"--profile {name}" for name in others]
        lines.append("that is long; shorter may be " + ", ".join(shorter))
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
