"""On the terminal: the plan, and progress as a live table or as plain lines."""

import time
from collections.abc import Sequence
from typing import Self

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

from priorbench.bench.study.beta import format_beta
from priorbench.bench.study.grid import Grid
from priorbench.bench.execution.plan import DAY, Plan, format_duration
from priorbench.bench.results.store import Record

SHOWN = ("mig", "reconstruction")
SHOWN_WITHOUT_FACTORS = ("log_likelihood", "elbo")
QUIET_SECONDS = 30.0
"""Plain lines about epochs come no more often than this."""


class Display:
    """Shows what is running, what finished with its scores, and the time that is left.

    Args:
        total: runs to be done.
        console: where to; a live table needs a terminal.
    """

    def __init__(self, total: int, console: Console) -> None:
        self.console = console
        self.running: dict[str, tuple[int, int, int, float]] = {}
        self.total, self.done = total, 0
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

    def tell(self, message: tuple[str, int, int, int, float]) -> None:
        """Progress of a block: label, runs, epochs done, epochs in all, images per second."""
        label, runs, epoch, epochs, rate = message
        self.running[label] = (runs, epoch, epochs, rate)
        now = time.monotonic()
        if (
            not self.console.is_terminal
            and epoch
            and now - self.last_line > QUIET_SECONDS
        ):
            self.last_line = now
            self._line(
                f"        {label}: epoch {epoch} of {epochs}, {rate:,.0f} images/s; "
                f"{self._left()}"
            )

    def finished(self, label: str, records: Sequence[Record]) -> None:
        """Runs of a block are on disk."""
        self.running.pop(label, None)
        for record in records:
            self.done += 1
            self._line(f"[{self.done}/{self.total}] {describe_run(record)}")
        self.bar.update(self.task, completed=self.done)
        self.last_line = time.monotonic()

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        """Time left, were what remains as fast as what is done; epochs count as parts of runs."""
        parts = sum(
            runs * epoch / epochs
            for runs, epoch, epochs, _ in list(self.running.values())
        )
        done = self.done + parts
        if not done or self.done == self.total:
            return ""
        elapsed = time.monotonic() - self.start
        return f"{format_duration(elapsed / done * max(self.total - done, 0))} left"

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for heading in ("running", "epoch", "images/s"):
            table.add_column(
                heading, justify="left" if heading == "running" else "right"
            )
        for label, (_, epoch, epochs, rate) in sorted(dict(self.running).items()):
            table.add_row(label, f"{epoch}/{epochs}", f"{rate:,.0f}" if rate else "")
        self.bar.update(self.task, left=self._left())
        return Group(table, self.bar)


def describe_run(record: Record) -> str:
    """A run in one line."""
    name = f"{record.method} β={format_beta(record.beta)} seed {record.seed}"
    if record.status == "failed":
        return f"{name}: failed: {record.reason}"
    shown = SHOWN if "mig" in record.scores else SHOWN_WITHOUT_FACTORS
    scores = ", ".join(
        f"{key} {record.scores[key]:.4g}" for key in shown if key in record.scores
    )
    seconds = record.timings["train_seconds"] + record.timings["evaluate_seconds"]
    return f"{name}: {scores} ({format_duration(seconds)})"


def announce_plan(
    console: Console, study: Grid, planned: Plan, precision: str, others: Sequence[str]
) -> None:
    """Print the plan; ``others`` are the grid's other profiles."""
    machine = planned.machine
    failed = f" ({planned.failed} failed)" if planned.failed else ""
    lines = [
        f"{study.name}, profile {study.profile}: {len(study.methods)} methods, "
        f"{study.seeds} seeds of each setting",
        f"{len(planned.todo)} runs to do, {planned.done} already done{failed}"
        + ("" if planned.todo else ": nothing left to do"),
    ]
    if planned.todo:
        lines += [
            f"{machine.device}, {precision}; processes: {machine.workers}, threads of each: "
            f"{machine.threads}, seeds at once: {machine.block_size}",
            f"{planned.flops:.2g} floating-point operations, about {format_duration(planned.seconds)} "
            "without the metrics",
        ]
    if planned.seconds > DAY:
        shorter = ["a GPU (--device cuda)"] if machine.device == "cpu" else []
        if study.seeds > 1:
            shorter.append("fewer seeds (--seeds 1; more can be added later)")
        shorter += [f"--profile {name}" for name in others]
        lines.append("that is long; shorter may be " + ", ".join(shorter))
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
