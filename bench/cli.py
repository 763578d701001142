"""Command lines: a user's error is one line and exit status 2."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from bench.errors import UserError


def command_line(main: Callable[..., Any]) -> None:
    """Run ``main`` as a typer command; ``--debug`` shows the traceback of a user's error."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except UserError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
