"""Jobs to blocks, breadth first, and through joblib to records."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import joblib

from priorbench.bench.study.beta import Beta
from priorbench.bench.execution.worker import Block, Machine, Tell, run_block
from priorbench.bench.study.job import Job
from priorbench.bench.results.store import Record


def plan_rounds(jobs: Sequence[Job], block_size: int) -> list[list[Block]]:
    """Breadth first: each round holds the next block of every setting that has one left."""
    settings: dict[tuple[str, Beta], list[Job]] = {}
    for job in jobs:
        settings.setdefault(job.setting, []).append(job)
    blocks = [
        [Block(tuple(own[i : i + block_size])) for i in range(0, len(own), block_size)]
        for own in settings.values()
    ]
    return [[b for b in column if b is not None] for column in zip_longest(*blocks)]


def run_blocks(
    blocks: Sequence[Block], folder: Path, machine: Machine, tell: Tell
) -> Iterator[list[Record]]:
    """Train and score the blocks; yields the records of each as it is done, all on disk.

    Args:
        blocks: in the order in which they are started.
        folder: of the grid, ``runs/<grid>``.
        machine: where, and by how many processes.
        tell: called with messages of progress; picklable where there are several processes.
    """
    if not blocks:
        return
    tasks = (
        joblib.delayed(run_block)(block, folder, machine, tell) for block in blocks
    )
    with joblib.parallel_config("loky", inner_max_num_threads=machine.threads):
        yield from joblib.Parallel(
            n_jobs=machine.workers,
            return_as="generator_unordered",
            pre_dispatch="n_jobs",
            batch_size=1,
        )(tasks)
