"""``python -m bench.report runs/<grid>``: tables and figures of a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from priorbench.bench.report import write_report
from priorbench.command_line import Debug, Plugins, make_app
from priorbench.plugins import load_plugins


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of one grid, runs/<grid>.")],
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Write the tables and figures of the runs in FOLDER into FOLDER."""
    load_plugins(plugin or [])
    for path in write_report(folder):
        typer.echo(path)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.report")
