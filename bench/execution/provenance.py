"""Where results come from: versions, commit, machine."""

import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import priorbench
from priorbench.bench.results.records import Provenance

ROOT = Path(priorbench.__file__).parents[1]
"""Folder of the checkout, where there is one."""


def make_provenance(device: str, command: str | None = None) -> Provenance:
    """Return where results that are made now come from.

    Args:
        device: that computes.
        command: that the user gave.
    """
    return Provenance(
        versions=list_versions(),
        commit=find_commit(),
        machine=describe_machine(),
        command=command,
        device=device,
    )


@cache
def list_versions() -> dict[str, str]:
    """Return the versions of the project, of Python and of what computes."""
    versions = {
        "python": platform.python_version(),
        "priorbench": priorbench.__version__,
    }
    for name in ("torch", "numpy", "scipy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # on the path, but not installed
            versions[name] = "unknown"
    return versions


@cache
def find_commit() -> str | None:
    """Return the project's commit, with "-dirty" if it has changes.

    None outside of a checkout of the project: a repository of the user's around an
    installed copy is not the project's.
    """
    top = _run_git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != ROOT.resolve():
        return None
    return _run_git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def describe_device(device: str) -> str:
    """Return the device and its model, like "cuda:0 (NVIDIA H200)"."""
    if device == "cpu":
        return "cpu"
    return f"{device} ({torch.cuda.get_device_name(torch.device(device))})"


def describe_machine() -> dict[str, str | int | None]:
    """Return the operating system, processor, threads, CUDA and host."""
    return {
        "system": platform.platform(),
        "processor": find_processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "host": socket.gethostname(),
    }


@cache
def find_processor() -> str:
    """Return the processor's model; its architecture where the system has no more."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line for line in lines if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{model} ({platform.machine()})"


def _run_git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
