"""Downloads with pooch: resumed, from several mirrors, under their name only once verified."""

import os
import sys
import time
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any

import pooch
from filelock import FileLock
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)

from priorbench.datasets.files import cache
from priorbench.datasets.about import Original

ROUNDS = 2
"""How often every mirror is tried; what came before a break is kept for the next try."""
TIMEOUT = 30.0
"""Seconds without a byte from a server after which it is given up."""
PAUSE = 2.0
"""Seconds between two rounds."""

# Its notes of every download would break the progress bar.
pooch.get_logger().setLevel("WARNING")


def fetch_original(original: Original, folder: Path, progress: bool = True) -> Path:
    """Download ``original`` into ``folder``, unless it is there; its path.

    The mirrors are tried in turn. What has come when a connection breaks is kept in a hidden
    file, and the next try asks for the rest only. Several processes may ask for the same file.

    Raises:
        OSError: no mirror gave the file, with each one's reason; or the folder cannot be written.
    """
    path = folder / original.name
    with cache.explain_write_errors(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{original.name}.lock")
    faults = []
    with lock:
        for turn in range(ROUNDS * len(original.urls)):
            if path.is_file():
                break
            if turn and turn % len(original.urls) == 0:
                time.sleep(PAUSE)
            url = original.urls[turn % len(original.urls)]
            try:
                _download_file(url, original, folder, progress)
            except (OSError, ValueError) as error:
                faults.append(f"{url}: {error}")
    if path.is_file():
        return path
    raise OSError(
        f"{original.name!r} could not be downloaded ({'; '.join(faults) or 'no address'})"
        f"; get it elsewhere and put it into the folder {str(cache.data_folder())!r}"
    )


def _download_file(url: str, original: Original, folder: Path, progress: bool) -> None:
    part = folder / f".{original.name}-{zlib.crc32(url.encode()):08x}.part"
    pooch.retrieve(
        url,
        original.checksum,
        original.name,
        folder,
        downloader=_Resuming(part, progress and sys.stderr.isatty()),
    )


class _Resuming:
    """A downloader for pooch, which goes on where ``part`` ends."""

    def __init__(self, part: Path, progress: bool) -> None:
        self.part = part
        self.progress = progress

    def __call__(self, url: str, output: str | Path, pup: Any) -> None:
        """Complete ``part``, and move it to ``output``, where pooch verifies it."""
        with open(self.part, "ab") as file:
            start = file.tell()
            # Files are wanted as they are stored, also those that are compressed.
            headers = {"Accept-Encoding": "identity"}
            if start:
                headers["Range"] = f"bytes={start}-"
            bar = _Bar(self.part.name[1:-14], start) if self.progress else False
            pooch.HTTPDownloader(
                bar,
                chunk_size=1 << 16,
                timeout=TIMEOUT,
                headers=headers,
                hooks={"response": partial(_check_answer, file, start)},
            )(url, file, pup)
        os.replace(self.part, output)


def _check_answer(file: IO[bytes], start: int, response: Any, **_: Any) -> None:
    """See how an answer begins before any of it is written."""
    if response.status_code == 416:  # the part is longer than the file
        file.truncate(0)
    if response.status_code not in (200, 206):
        return
    if response.headers.get("content-type", "").startswith("text/html"):
        raise ValueError("an HTML page came in place of the file")
    if response.status_code == 200:
        file.truncate(0)
    elif not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
        raise ValueError(
            f"expected the bytes from {start}, got "
            f"{response.headers.get('content-range')!r}"
        )
    # A server that says how a compressed file is stored would have it unpacked on the way.
    response.raw.headers.pop("content-encoding", None)


class _Bar:
    """A progress bar as pooch wants it, drawn by rich."""

    def __init__(self, title: str, start: int) -> None:
        self.start = start
        self.total = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(title, completed=start)
        self._bar.start()

    def update(self, count: int) -> None:
        """Some bytes came."""
        self._bar.update(self._task, total=self.start + self.total, advance=count)

    def reset(self) -> None:
        """Begin again; pooch then adds the total at once."""
        self._bar.update(self._task, completed=self.start)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()
