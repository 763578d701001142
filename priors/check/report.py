"""What a check found: one result for each property, and their table."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.table import Table

MARKS = {
    True: "[green]holds[/green]",
    False: "[bold red]FAILS[/bold red]",
    None: "[dim]-[/dim]",
}


@dataclass(frozen=True)
class Result:
    """One property of one prior.

    Attributes:
        name: the property.
        passed: whether it holds; None where it could not be, or need not be, checked.
        figure: what was measured, at most ``bound`` where the property holds; None
            where nothing was measured.
        bound: the largest figure that passes.
        note: what was wrong, or why it was not checked.
        look: where to look for the fault.
    """

    name: str
    passed: bool | None
    figure: float | None = None
    bound: float | None = None
    note: str = ""
    look: str = ""


@dataclass(frozen=True)
class Report:
    """The results of one prior; printed, a table and what to look at.

    Attributes:
        prior: the prior, in words.
        results: one for each property, in the order checked.

    Example:
        >>> report = Report("normal", (Result("density normalises", True, 2e-4, 1e-3),))
        >>> report.passed, report["density normalises"].figure
        (True, 0.0002)
    """

    prior: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether no property fails."""
        return not self.failed

    @property
    def failed(self) -> tuple[Result, ...]:
        """The properties that do not hold."""
        return tuple(r for r in self.results if r.passed is False)

    @property
    def unchecked(self) -> tuple[Result, ...]:
        """The properties that could not be, or need not be, checked."""
        return tuple(r for r in self.results if r.passed is None)

    def __getitem__(self, name: str) -> Result:
        """Return the result of the property ``name``."""
        return next(r for r in self.results if r.name == name)

    def __rich_console__(
        self,
        console: Console,
        options: ConsoleOptions,
    ) -> Iterator[RenderableType]:
        table = Table(
            title=escape(self.prior),
            title_justify="left",
            title_style="bold",
        )
        table.add_column("property")
        table.add_column("")
        table.add_column("figure", justify="right")
        table.add_column("bound", justify="right")
        for r in self.results:
            figure = _format_number(r.figure)
            bound = _format_number(r.bound)
            table.add_row(escape(r.name), MARKS[r.passed], figure, bound)
        yield table
        for r in self.unchecked:
            yield f"[dim]{escape(r.name)}: not checked, {escape(r.note)}[/dim]"
        for r in self.failed:
            above = f"{_format_number(r.figure)} is above {_format_number(r.bound)}"
            advice = f"{r.note or above}. Look at {r.look}."
            yield f"[bold red]{escape(r.name)}[/bold red]: {escape(advice)}"

    def __str__(self) -> str:
        file = io.StringIO()
        Console(file=file, width=120).print(self)
        return file.getvalue().rstrip()


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
