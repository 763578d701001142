"""What machine figures were measured on."""

import os
import platform
from pathlib import Path

import torch

from priorbench.bench.execution.worker import (
    find_commit,
    describe_device,
    list_versions,
)


def describe_machine(
    device: str, threads: int, processes: int
) -> dict[str, str | int | None]:
    """The processor and its cores, the device, versions, and the project's commit."""
    return {
        "processor": _find_processor(),
        "cores": os.cpu_count(),
        "device": describe_device(device),
        "threads": threads,
        "processes": processes,
        "vector": torch.backends.cpu.get_cpu_capability(),
        **list_versions(),
        "commit": find_commit(),
    }


def _find_processor() -> str:
    """Its model; where the system does not say, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [
        line.partition(":")[2].strip()
        for line in lines
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()} ({platform.machine()})"
