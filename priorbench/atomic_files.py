"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

UNFINISHED = ".unfinished-"
"""What the names of files and folders begin with while they are written."""


def make_unfinished_path(path: Path) -> Path:
    """Return a hidden name of its own beside ``path``, to write under and rename."""
    return path.with_name(f"{UNFINISHED}{path.name}-{uuid.uuid4().hex[:8]}")


@contextmanager
def open_atomically(
    path: Path, name_file: Callable[[], str] | None = None
) -> Iterator[IO[bytes]]:
    """Open a file for bytes that takes the place of ``path`` when the block ends.

    What was written is on the disk before the name changes. After an error, also one of
    the block's own, ``path`` is as it was and nothing is left behind.

    Args:
        path: of the file.
        name_file: called when the block ends, gives the file's name if that depends on
            what was written; None to keep the name of ``path``.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with open_atomically(path) as file:
        ...     written = file.write(b"whole")
        >>> path.read_bytes(), len(list(path.parent.iterdir()))
        (b'whole', 1)
    """
    unfinished = make_unfinished_path(path)
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name = path.name if name_file is None else name_file()
        os.replace(unfinished, path.with_name(name))
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a whole file in the place of ``path``.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    with open_atomically(path) as file:
        file.write(content)
    return path
