"""``python -m bench.report runs/<grid>``: tables, figures and page of studies."""

from pathlib import Path
from typing import Annotated

import typer

from priorbench.bench.report import write_report
from priorbench.bench.report.write import FORMATS, parse_formats
from priorbench.command_line import Debug, Plugins, make_app
from priorbench.plugins import load_plugins


def main(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of studies, runs/<grid>; several share a page."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what is written: the study's own, or for several "
            "'comparison' beside the first."
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(help="What is written; parquet, a table for pandas, is one too."),
    ] = ",".join(FORMATS),
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Write the tables, figures and page of the runs in FOLDERS."""
    load_plugins(plugin or [])
    formats = parse_formats(format)
    for path in write_report(*folders, out=out, formats=formats):
        typer.echo(path)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.report")
