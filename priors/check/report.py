"""What a check found: one result for each property, and their table."""

import io
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
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
        figure: what was measured, at most ``bound`` where the property holds; None where the
            property is no matter of degree.
        bound: the largest figure that passes.
        note: what was wrong, or why it was not checked.
        look: where the fault is to be sought.
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
        """The result of the property ``name``."""
        return next(r for r in self.results if r.name == name)

    def __rich__(self) -> RenderableType:
        table = Table(
            title=escape(self.prior), title_justify="left", title_style="bold"
        )
        for column in ("property", "", "figure", "bound"):
            table.add_column(
                column, justify="right" if column in ("figure", "bound") else "left"
            )
        for r in self.results:
            table.add_row(
                escape(r.name),
                MARKS[r.passed],
                _format_number(r.figure),
                _format_number(r.bound),
            )
        return Group(
            table,
            *[
                f"[dim]{escape(r.name)}: not checked, {escape(r.note)}[/dim]"
                for r in self.unchecked
            ],
            *[
                f"[bold red]{escape(r.name)}[/bold red]: {escape(_format_advice(r))}"
                for r in self.failed
            ],
        )

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=120)
        console.print(self)
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _format_advice(result: Result) -> str:
    """What was wrong with a property that fails, and where to look."""
    wrong = (
        result.note
        or f"{_format_number(result.figure)} is above {_format_number(result.bound)}"
    )
    return f"{wrong}. Look at {result.look}."
