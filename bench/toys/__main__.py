"""``python -m bench.toys vi_bias``: a small experiment of the papers."""

import inspect
from pathlib import Path
from typing import Annotated

import typer

from priorbench.bench.toys import registry, write_outcome
from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.errors import UserError, prefix_errors
from priorbench.metrics.arguments import check_values
from priorbench.plugins import load_plugins


def main(
    name: Annotated[
        str, typer.Argument(help=f"Which one: {', '.join(registry.names())}.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("runs/toys"),
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Folder of your data: MNIST's four files, or a graph."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An argument of the experiment, like seeds=5; may be repeated.",
        ),
    ] = None,
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Make a small experiment of the papers: a figure, a table and what they show."""
    load_plugins(plugin or [])
    arguments = parse_settings(settings or [])
    with prefix_errors(name):
        experiment = registry.get(name)
        if folder is not None:
            if "folder" not in inspect.signature(experiment).parameters:
                raise UserError("it takes no data, so leave out --from")
            arguments["folder"] = str(folder)
        registry.check_arguments(name, **arguments)
        check_values(experiment, arguments)
        outcome = experiment(**arguments)
    with prefix_errors(f"cannot write to {out}"):
        files = write_outcome(name, outcome, out)
    for line in [*outcome.findings, *map(str, files)]:
        typer.echo(line)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.toys")
