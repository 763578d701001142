"""Errors that a user can mend: one line, exit status 2."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can put right; the command line prints it in one line and exits with 2."""


@contextmanager
def prefix_errors(where: str) -> Iterator[None]:
    """Turn the errors of a piece of user input into a :class:`UserError` that says ``where``.

    Example:
        >>> with prefix_errors("prior 'isa'"):
        ...     raise ValueError("'p0' must be a positive number; got -1")
        Traceback (most recent call last):
        bench.errors.UserError: prior 'isa': 'p0' must be a positive number; got -1
    """
    try:
        yield
    except (UserError, ValueError, TypeError, OSError) as error:
        raise UserError(f"{where}: {error}") from error
