"""Files that appear whole or not at all."""

import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

UNFINISHED = ".unfinished-"
"""What the names of files and folders begin with while they are written."""


FORGOTTEN_SECONDS = 7 * 86_400.0
"""Age from which an unfinished file of another machine is taken for abandoned."""


def make_unfinished_path(path: Path) -> Path:
    """Return a hidden name of its own beside ``path``, to write under and rename.

    It names the machine and the process that write.
    """
    writer = f"{socket.gethostname()}-{os.getpid()}"
    name = f"{UNFINISHED}{path.name}-{writer}-{uuid.uuid4().hex[:8]}"
    return path.with_name(name)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left unfinished in a folder.

    What a process that still runs is writing stays, and so does what another machine
    may be writing.
    """
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if not _may_be_written(path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _may_be_written(path: Path) -> bool:
    """Return whether the writer of an unfinished file may still be at work."""
    rest, _, _ = path.name.rpartition("-")
    rest, _, pid = rest.rpartition("-")
    if not rest.endswith(f"-{socket.gethostname()}") or not pid.isdigit():
        return time.time() - path.stat().st_mtime < FORGOTTEN_SECONDS
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, under another user
        return True
    return True


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
