"""Command lines: a user's error is one line and exit status 2."""

import functools
import io
import os
import re
import sys
import tomllib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import priorbench
from priorbench.errors import UserError, prefix_errors
from priorbench.paths import expand_path
from priorbench.processes import ignore_interrupts, raise_interrupts

UsageError = typer.BadParameter.__base__
"""What a wrong command line raises; Typer does not name it."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
"""The option that every command has."""

Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="Python file with plug-ins; may be repeated."),
]
"""The option of every command that builds plug-ins."""


def print_version(asked: bool) -> None:
    """Print the version and stop, if it is asked for."""
    if asked:
        typer.echo(f"priorbench {priorbench.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=print_version, is_eager=True, help="Show the version."
    ),
]
"""The option of the commands that show the version."""


def explain_errors(main: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``main`` as a command that prints a :class:`UserError` in one line.

    With ``debug`` among its options the error is raised instead. A warning is one line
    too. A terminal that lacks a character shows another in its place, and where the
    reader of the output is gone (``| head``) the command ends with status 141.
    """

    @functools.wraps(main)
    def command(**options: Any) -> None:
        raise_interrupts()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        warnings.showwarning = print_warning
        try:
            for name, value in options.items():
                with prefix_errors("path"):
                    if isinstance(value, Path):
                        options[name] = expand_path(value)
                    elif isinstance(value, list):
                        options[name] = [
                            expand_path(v) if isinstance(v, Path) else v for v in value
                        ]
            main(**options)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # Python flushes once more at its end, which must not fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(141) from error
        except KeyboardInterrupt as error:
            ignore_interrupts()
            raise typer.Exit(130) from error
        except UserError as error:
            if options.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error

    return command


def print_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning without the line of code that raised it."""
    typer.echo(f"WARNING: {message}", err=True)


class OneLineCommand(TyperCommand):
    """A command that prints what is wrong with its options in one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; end with status 2 where it is wrong."""
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            if "--debug" in args:
                raise
            message = re.sub(
                r"Invalid value for (.+): Input should be",
                r"\1 must be",
                error.format_message(),
            )
            message = re.sub(r"a valid integer.*", "a whole number", message)
            typer.echo(f"error: {message} (--help shows all options)", err=True)
            raise typer.Exit(2) from error


def make_app(main: Callable[..., Any]) -> typer.Typer:
    """Return the command line of one command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=OneLineCommand)(explain_errors(main))
    return app


def parse_settings(pairs: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Return the values of options written ``key=value``.

    Args:
        pairs: the texts; a value is TOML, or a bare word, which is text.
        option: the option that they were given with, for errors.

    Raises:
        UserError: a text that is not ``key=value``, a value that is not TOML, or a key
            that is given twice.

    Example:
        >>> parse_settings(["p=1.5", "subspaces=[2, 3]", "scale=unit"])
        {'p': 1.5, 'subspaces': [2, 3], 'scale': 'unit'}
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key or not value:
            raise UserError(f"{option} {pair!r}: write it key=value, like p=1.5")
        if key in settings:
            raise UserError(f"{option} gives {key!r} twice")
        settings[key] = _parse_value(value, f"{option} {pair!r}")
    return settings


def _parse_value(value: str, where: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as error:  # or a number, a nesting too long
        if any(character in value for character in "[]{}\"'=,\n"):
            raise UserError(
                f"{where}: {value!r} is not a TOML value; write 1.5, true, [2, 3], "
                'or "text"'
            ) from error
        return value
    if len(parsed) > 1:
        raise UserError(f"{where}: {value!r} must be one value")
    return parsed["value"]
