"""``python -m bench.figures priors``: the pictures of the priors."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import application
from bench.errors import UserError
from bench.figures import SETS, write

HERE = Path("docs/figures")


def figures(
    name: Annotated[str, typer.Argument(help=f"What to draw: {', '.join(SETS)}.")],
    out: Annotated[Path | None, typer.Option(
        help="Folder of the PNG files; in a checkout docs/figures by default.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
) -> None:
    """Draw the figures of the documentation from the densities themselves."""
    if out is None and not HERE.is_dir():
        raise UserError(f"no folder {HERE} here; say with --out where the figures go")
    for path in write(name, HERE if out is None else out):
        typer.echo(path)


app = application(figures)

if __name__ == "__main__":
    app(prog_name="python -m bench.figures")
