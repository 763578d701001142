"""Command lines: a user's error is one line and exit status 2."""

import functools
from collections.abc import Callable
from typing import Any

import typer

from priorbench.errors import UserError


def make_app(main: Callable[..., Any]) -> typer.Typer:
    """A command line of one command; with ``debug`` among its options, errors are raised."""

    @functools.wraps(main)
    def command(**options: Any) -> None:
        try:
            main(**options)
        except UserError as error:
            if options.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    return app
