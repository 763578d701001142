"""Errors that a user can mend, and where in a user's file an error came from."""

import sysconfig
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from priorbench.short_names import ROOMS

HERE = Path(__file__).parent
OWN_FOLDERS = (HERE, *(HERE.parent / room for room in ROOMS))
"""Folders of the project's own code; in an installed copy the first holds them all."""

STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]


class UserError(Exception):
    """An error that the user can mend: a command prints one line and exits with 2."""


@contextmanager
def prefix_errors(where: str | Callable[[], str]) -> Iterator[None]:
    """Turn the errors of a piece of user input into a :class:`UserError` that names it.

    Args:
        where: the words that come before the error's own message, or a function that
            finds them, which is called only if there is an error.

    Raises:
        UserError: in place of ``ValueError``, ``TypeError`` and ``OSError``.

    Example:
        >>> with prefix_errors("prior 'isa'"):
        ...     raise ValueError("'p0' must be a positive number; got -1")
        Traceback (most recent call last):
        priorbench.errors.UserError: prior 'isa': 'p0' must be a positive number; got -1
    """
    try:
        yield
    except (UserError, ValueError, TypeError, OSError) as error:
        place = where if isinstance(where, str) else where()
        raise UserError(f"{place}: {error}") from error


def locate_error(
    error: BaseException, files: Collection[str] | None = None, anywhere: bool = False
) -> str:
    """Return the last line of a user's file that an error passed, in words.

    Args:
        error: as it was caught.
        files: paths of the files that count; by default all but the project's own, the
            standard library's and those of installed packages.
        anywhere: name the project's own files too where none of the others took part.

    Returns:
        The place, like ``" (my_prior.py, line 12)"``, to be appended to a message; or
        "".
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and "<" not in frame.filename
        and not frame.filename.startswith(STANDARD_LIBRARY)
    ]
    if files is None:
        users = [f for f in frames if not is_own_file(f.filename)]
    else:
        users = [f for f in frames if f.filename in files]
    places = users or (frames if anywhere else [])
    if not places:
        return ""
    return f" ({Path(places[-1].filename).name}, line {places[-1].lineno})"


def is_own_file(path: str) -> bool:
    """Return whether a file is the project's own code."""
    return any(Path(path).is_relative_to(folder) for folder in OWN_FOLDERS)
