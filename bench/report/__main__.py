"""``python -m bench.report runs/<grid>``: the tables and figures of a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UserError
from bench.report import write

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of one grid, runs/<grid>.")],
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
) -> None:
    """Write the tables and figures of the runs in FOLDER into FOLDER."""
    try:
        written = write(folder)
    except UserError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    for path in written:
        typer.echo(path)


if __name__ == "__main__":
    app(prog_name="python -m bench.report")
