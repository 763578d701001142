"""Options that the commands on a study share."""

import re
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
    Option(
        min=0,
        help="Minutes between checkpoints of a training; 0: only when it is stopped.",
    ),
]
TimeLimit = Annotated[
    float | None,
    Option(
        metavar="MINUTES",
        help="Stop before so many minutes are over, keep the state of trainings, and "
        "exit with 124; the same command goes on.",
        show_default=False,
    ),
]
Backend = Annotated[
    str | None,
    Option(help="local (the default), or dask: processes of a cluster."),
]
Dask = Annotated[
    str | None,
    Option(
        metavar="ADDRESS|FILE",
        help="Scheduler of dask, tcp://HOST:PORT, or a .toml file of a cluster of "
        "Slurm, PBS or SGE (docs/clusters.md).",
        show_default=False,
    ),
]
Shared = Annotated[
    bool,
    Option(
        "--shared",
        help="With dask: its processes write to --out themselves, a disk that all "
        "share, checkpoints too.",
    ),
]
Shard = Annotated[
    str | None,
    Option(
        metavar="K/N",
        help="The K-th of N parts of the study, as 3/16.",
        show_default=False,
    ),
]
FailFast = Annotated[
    bool, Option("--fail-fast", help="Stop at the first run that fails.")
]
DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and stop.")]


def choose_backend(backend: str | None, dask: str | None) -> str:
    """Return the back end that a command was given; a scheduler makes it dask.

    Raises:
        UserError: a scheduler was given with another back end.

    Example:
        >>> choose_backend(None, None), choose_backend(None, "tcp://10.0.0.1:8786")
        ('local', 'dask')
    """
    if dask is not None and backend not in (None, "dask"):
        raise UserError(f"--dask goes with --backend dask; got {backend!r}")
    return backend or ("local" if dask is None else "dask")


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Return number and count of ``--shard``, None where it was not given.

    Raises:
        UserError: it is not a number from 1 to a count.

    Example:
        >>> parse_shard("3/16")
        (3, 16)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(
            f"'--shard' must be K/N with K from 1 to N, like 3/16; got {text!r}"
        )
    return int(found[1]), int(found[2])


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
