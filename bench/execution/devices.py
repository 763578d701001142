"""Several GPUs, shared out among the processes of one command."""

import itertools
import socket
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout

FOLDER = ".devices"

_held: list[FileLock] = []
"""This process's claims; the system lets go of them when it ends."""


def enter_device(device: str) -> None:
    """Make a GPU the process's own, before anything else uses one.

    Otherwise what names no device, like emptying the cache, opens a context on the
    first GPU, which takes hundreds of megabytes there for every process.
    """
    place = torch.device(device)
    if place.type == "cuda" and place.index is not None:
        torch.cuda.set_device(place)


@cache
def claim_device(device: str, workers: int, folder: Path) -> str:
    """Return the device of this process: of several GPUs one that few processes have.

    Args:
        device: as the command names it; "cuda" is all GPUs, and any other is itself.
        workers: number of processes of the command.
        folder: where the claims of each machine lie: of the grid, for one command.
    """
    count = torch.cuda.device_count()
    if device != "cuda" or min(workers, count) < 2:
        return device
    claims = folder / FOLDER / socket.gethostname()
    claims.mkdir(parents=True, exist_ok=True)
    for slot in itertools.count():
        lock = FileLock(claims / f"{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held.append(lock)
        break
    return f"cuda:{slot % count}"
