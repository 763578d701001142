"""The command line: ``priorbench list grids``, and of each kind of plug-in."""

import importlib
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.grid_file import list_grids
from priorbench.command_line import Debug, Plugins, make_app
from priorbench.errors import UserError
from priorbench.plugins import load_plugins
from priorbench.registry import suggest_names

REGISTRIES = {
    "priors": "priorbench.priors",
    "metrics": "priorbench.metrics",
    "datasets": "priorbench.datasets",
    "objectives": "priorbench.bench.objectives",
    "architectures": "priorbench.bench.models.architectures",
    "likelihoods": "priorbench.bench.models.likelihoods",
    "toys": "priorbench.bench.toys",
}
"""Module of each registry; it is imported when its kind is asked for."""

KINDS = ("grids", *REGISTRIES)


def main(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """List what there is of a kind, a line each."""
    load_plugins(plugin or [])
    if kind not in KINDS:
        raise UserError(f"unknown kind {kind!r}; {suggest_names(kind, KINDS)}")
    Console().print(make_table(kind))


def make_table(kind: str) -> Table:
    """Return a table of one of :data:`KINDS`: names and what they are."""
    table = Table(kind, "", box=None, pad_edge=False)
    if kind == "grids":
        for name in list_grids():
            table.add_row(name, load_grid(name).description)
        return table
    registry = importlib.import_module(REGISTRIES[kind]).registry
    for name in registry.names():
        table.add_row(name, registry.describe(name))
    return table


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.listing")
