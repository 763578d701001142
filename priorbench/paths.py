"""Paths as a user gives them."""

from pathlib import Path


def expand_path(path: str | Path) -> Path:
    """Return a path with ``~`` expanded, whether there is such a file or not.

    Raises:
        ValueError: there is no such user, or no file can have this path, for example
            because it is too long.

    Example:
        >>> expand_path("~no_such_user/grid.toml")
        Traceback (most recent call last):
        ValueError: '~no_such_user/grid.toml': there is no such user
        >>> expand_path("runs")
        PosixPath('runs')
    """
    try:
        expanded = Path(path).expanduser()
        expanded.exists()
    except RuntimeError:
        raise ValueError(f"{str(path)!r}: there is no such user") from None
    except OSError as error:
        raise ValueError(f"{str(path)!r}: {error.strerror}") from None
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r}: a path has no zero byte")
    return expanded
