"""What machine figures were measured on."""

import os
import platform
from pathlib import Path

import torch

from bench.block import commit, device_name, versions


def describe(device: str, threads: int, processes: int) -> dict[str, str | int | None]:
    """The processor and its cores, the device, versions, and the project's commit."""
    return {
        "processor": _processor(), "cores": os.cpu_count(), "device": device_name(device),
        "threads": threads, "processes": processes,
        "vector": torch.backends.cpu.get_cpu_capability(),
        **versions(), "commit": commit(),
    }


def _processor() -> str:
    """Its model; where the system does not say, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} ({platform.machine()})"
