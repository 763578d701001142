"""Downloads: resumed, from several mirrors, under their name only once verified."""

import os
import sys
import time
import zlib
from contextlib import ExitStack
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

from priorbench.datasets.about import Original
from priorbench.datasets.files.cache import explain_write_errors, get_data_folder

ROUNDS = 2
"""Tries of every mirror; what came before a break is kept for the next try."""
TIMEOUT = 30.0
"""Seconds without a byte from a server after which it is given up."""
PAUSE = 2.0
"""Seconds between two rounds."""

# Its notes of every download would break the progress bar.
pooch.get_logger().setLevel("WARNING")


def fetch_original(original: Original, folder: Path, progress: bool = True) -> Path:
    """Download ``original`` into ``folder``, unless it is there, and return its path.

    The mirrors are tried in turn. What has come when a connection breaks is kept in a
    hidden file, and the next try asks for the rest only. Several processes may ask for
    the same file.

    Args:
        original: the file.
        folder: where to keep it.
        progress: show a progress bar on a terminal.

    Raises:
        OSError: no mirror gave the file, with the reason of each one; or the folder
            cannot be written.
    """
    path = folder / original.name
    with explain_write_errors(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{original.name}.lock")
    title = original.name if progress and sys.stderr.isatty() else None
    faults = []
    with lock:
        for turn, url in enumerate(original.urls * ROUNDS):
            if path.is_file():
                break
            if turn and turn % len(original.urls) == 0:
                time.sleep(PAUSE)
            part = folder / f".{original.name}-{zlib.crc32(url.encode()):08x}.part"
            downloader = _ResumingDownloader(part, title)
            try:
                pooch.retrieve(
                    url, original.checksum, original.name, folder, downloader=downloader
                )
            except (OSError, ValueError) as error:
                faults.append(f"{url}: {error}")
    if path.is_file():
        return path
    reasons = "; ".join(faults) or "no address"
    raise OSError(
        f"{original.name!r} could not be downloaded ({reasons}); get it elsewhere and "
        f"put it into the folder {str(get_data_folder())!r}"
    )


class _ResumingDownloader:
    """A downloader for pooch that goes on where a partial file ends.

    Args:
        part: the partial file.
        title: of the progress bar; None for no bar.
    """

    def __init__(self, part: Path, title: str | None) -> None:
        self.part = part
        self.title = title

    def __call__(self, url: str, output: str | Path, pup: Any) -> None:
        """Complete the partial file and move it to ``output``, which pooch checks."""
        with open(self.part, "ab") as file, ExitStack() as stack:
            start = file.tell()
            # Files are wanted as they are stored, also those that are compressed.
            headers = {"Accept-Encoding": "identity"}
            if start:
                headers["Range"] = f"bytes={start}-"
            bar = False
            if self.title is not None:
                bar = _DownloadBar(self.title, start)
                stack.callback(bar.close)  # pooch leaves it open after an error
            download = pooch.HTTPDownloader(
                bar,
                chunk_size=1 << 16,
                timeout=TIMEOUT,
                headers=headers,
                hooks={"response": partial(_check_response, file, start)},
            )
            download(url, file, pup)
        os.replace(self.part, output)


def _check_response(file: IO[bytes], start: int, response: Any, **_: Any) -> None:
    """Check how a response begins, before any of it is written.

    Args:
        file: the partial file; it is emptied if the response is the whole file.
        start: bytes that it has.
        response: of requests.
    """
    if response.status_code == 416:  # the partial file is longer than the whole
        file.truncate(0)
    if response.status_code not in (200, 206):
        return
    if response.headers.get("content-type", "").startswith("text/html"):
        raise ValueError("an HTML page came in place of the file")
    came = response.headers.get("content-range", "")
    if response.status_code == 200:
        file.truncate(0)
    elif not came.startswith(f"bytes {start}-"):
        raise ValueError(f"expected the bytes from {start}, got {came!r}")
    # requests would unpack a file if its server names a compression.
    response.raw.headers.pop("content-encoding", None)


class _DownloadBar:
    """A progress bar with the methods that pooch calls, drawn by rich.

    Args:
        title: of the bar.
        start: bytes that are here already.
    """

    def __init__(self, title: str, start: int) -> None:
        self.start = start
        self.total = 0  # pooch sets it
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
        """Add the bytes that came."""
        self._bar.update(self._task, total=self.start + self.total, advance=count)

    def reset(self) -> None:
        """Begin again; pooch then adds the total at once."""
        self._bar.update(self._task, completed=self.start)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
