"""The machine that speed was measured on."""

import os

import torch

from priorbench.bench.execution.provenance import (
    describe_device,
    find_commit,
    find_processor,
    list_versions,
)


def describe_machine(
    device: str, threads: int, processes: int
) -> dict[str, str | int | None]:
    """Return the processor and its cores, the device, versions and the commit."""
    return {
        "processor": find_processor(),
        "cores": os.cpu_count(),
        "device": describe_device(device),
        "threads": threads,
        "processes": processes,
        "vector": torch.backends.cpu.get_cpu_capability(),
        **list_versions(),
        "commit": find_commit(),
    }
