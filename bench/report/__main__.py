"""``python -m bench.report runs/<grid>``: the tables and figures of a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from priorbench.command_line import make_app
from priorbench.bench.report import write_report


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of one grid, runs/<grid>.")],
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of errors.")
    ] = False,
) -> None:
    """Write the tables and figures of the runs in FOLDER into FOLDER."""
    for path in write_report(folder):
        typer.echo(path)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.report")
