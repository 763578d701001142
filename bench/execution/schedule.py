"""Jobs to blocks of seeds, breadth first, and the machine that runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from priorbench.bench.study.beta import Beta
from priorbench.bench.study.job import Job, Setting


@dataclass(frozen=True)
class Machine:
    """Where and how blocks are run.

    Attributes:
        device: "cpu", "cuda:1", or "cuda": of several GPUs each process has one.
        workers: number of processes.
        threads: of each process.
        block_size: number of seeds that train at once.
        plugins: files that each process imports first.
        command: the command that the user gave, kept with every run.
    """

    device: str
    workers: int = 1
    threads: int = 1
    block_size: int = 1
    plugins: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True)
class Block:
    """Seeds of one setting that train at once."""

    setting: Setting
    seeds: tuple[int, ...]

    @property
    def label(self) -> str:
        """The setting and its seeds, for progress."""
        first, last = self.seeds[0], self.seeds[-1]
        span = f"seed {first}" if first == last else f"seeds {first}-{last}"
        return f"{self.setting.label} {span}"


def plan_rounds(jobs: Sequence[Job], block_size: int) -> list[list[Block]]:
    """Return rounds of blocks, breadth first.

    Each round holds the next block of every setting that has seeds left.
    """
    settings: dict[tuple[str, Beta], list[Job]] = {}
    for job in jobs:
        settings.setdefault(job.setting.key, []).append(job)
    columns = []
    for own in settings.values():
        seeds = [job.seed for job in own]
        parts = range(0, len(seeds), block_size)
        columns.append(
            [Block(own[0].setting, tuple(seeds[i : i + block_size])) for i in parts]
        )
    return [
        [block for block in blocks if block is not None]
        for blocks in zip_longest(*columns)
    ]
