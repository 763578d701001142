"""Options that the commands on a study share."""

from pathlib import Path
from typing import Annotated

from typer import Option

from priorbench.errors import UserError

GridOption = Annotated[
    str | None, Option("--grid", help="The same.", show_default=False)
]
Only = Annotated[list[str] | None, Option(help="This method only; may be repeated.")]
Device = Annotated[str, Option(help="auto, cpu, cuda (all GPUs) or cuda:N.")]
Jobs = Annotated[
    int | None, Option(min=1, help="Processes; one for each core by default.")
]
SeedsAtOnce = Annotated[
    int | None,
    Option(
        "--seeds-at-once",
        metavar="N",
        min=1,
        help="Seeds that train together at most; by default what fits, 1 on a CPU.",
        show_default=False,
    ),
]
Out = Annotated[Path, Option(help="Folder of the results.")]
RetryFailed = Annotated[
    bool, Option("--retry-failed", help="Do again what has failed.")
]
CheckpointMinutes = Annotated[
    float,
    Option(min=0, help="Minutes between checkpoints of a training; 0 for none."),
]
TimeLimit = Annotated[
    float | None,
    Option(
        metavar="MINUTES",
        help="Stop before so many minutes are over, trainings with a checkpoint, and "
        "exit with 124; the same command goes on.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and stop.")]


def choose_grid(argument: str | None, option: str | None) -> str | None:
    """Return the grid that a command was given as an argument or by ``--grid``.

    Raises:
        UserError: it was given both ways.

    Example:
        >>> choose_grid(None, "dsprites_beta")
        'dsprites_beta'
    """
    if argument is not None and option is not None:
        raise UserError(f"give one grid; got {argument!r} and, with --grid, {option!r}")
    return argument or option
