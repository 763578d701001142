"""The console command ``priorbench``, which has the project's commands below it."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence

import typer

from priorbench.command_line import OneLineCommand, Version, explain_errors

COMMANDS = {
    "run": ("priorbench.bench.run", "Run a study; what is done is not done again."),
    "score": ("priorbench.bench.score", "Score trained models; nothing is trained."),
    "report": ("priorbench.bench.report.__main__", "Write tables and figures anew."),
    "list": ("priorbench.bench.listing", "List grids, priors, metrics and the like."),
    "check": ("priorbench.priors.check.__main__", "Check that a class is a prior."),
    "prepare": ("priorbench.datasets.prepare", "Download and convert data sets."),
    "speed": ("priorbench.bench.speed.__main__", "Measure the speed here."),
    "figures": (
        "priorbench.bench.figures.__main__",
        "Draw the figures of the docs.",
    ),
    "toys": ("priorbench.bench.toys.__main__", "Make small experiments of papers."),
}
"""Module and help of each command; the module has a function ``main``."""


def make_console_app(words: Sequence[str]) -> typer.Typer:
    """Make the command line of all commands.

    Only the command that is given is imported, so that help and completion are quick.

    Args:
        words: of the command line, without the program's name.
    """
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    given = next((word for word in words if not word.startswith("-")), None)
    for name, (module, text) in COMMANDS.items():
        if name == given:
            main = explain_errors(importlib.import_module(module).main)
            app.command(name, cls=OneLineCommand)(main)
        else:
            app.command(name, help=text)(lambda: None)  # shown only

    @app.callback()
    def show_version(version: Version = False) -> None:
        """Benchmark latent priors: priors are plug-ins, everything else is fixed."""

    return app


def main() -> None:
    """Run the command that is given on the command line."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    completed = os.environ.get("_TYPER_COMPLETE_ARGS", "").split()
    make_console_app(completed[1:] or sys.argv[1:])(prog_name="priorbench")


if __name__ == "__main__":
    main()
