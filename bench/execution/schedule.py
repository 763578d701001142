"""What is to be done, in blocks of seeds, breadth first; and the machine for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from priorbench.bench.study.job import Job, Setting
from priorbench.bench.study.scores import ScoreRequest


@dataclass(frozen=True)
class Machine:
    """Where and how blocks are run.

    Attributes:
        device: "cpu", "cuda:1", or "cuda": of several GPUs each process has one.
        workers: number of processes.
        threads: of each process.
        block_size: number of seeds that train at once.
        plugins: files that each process imports first.
        command: the command that the user gave, kept with every result.
    """

    device: str
    workers: int = 1
    threads: int = 1
    block_size: int = 1
    plugins: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True)
class Task:
    """What one model lacks.

    Attributes:
        job: the model.
        train: whether it is to be trained, or is in the store.
        requests: the scores that it lacks.
    """

    job: Job
    train: bool
    requests: tuple[ScoreRequest, ...]


@dataclass(frozen=True)
class Block:
    """Seeds of one setting that lack the same, and that train at once.

    Attributes:
        setting: a method at one β.
        seeds: at least one.
        train: whether the models are to be trained, or are in the store.
        requests: the scores that each of them lacks.
    """

    setting: Setting
    seeds: tuple[int, ...]
    train: bool = True
    requests: tuple[ScoreRequest, ...] = ()

    @property
    def label(self) -> str:
        """The setting and its seeds, for progress."""
        first, last = self.seeds[0], self.seeds[-1]
        span = f"seed {first}" if first == last else f"seeds {first}-{last}"
        return f"{self.setting.label} {span}"

    @property
    def jobs(self) -> list[Job]:
        """The models of the block."""
        return [Job(self.setting, seed) for seed in self.seeds]


def plan_rounds(tasks: Sequence[Task], block_size: int) -> list[list[Block]]:
    """Return rounds of blocks, breadth first.

    Each round holds the next block of every setting that has seeds left.
    """
    alike: dict[tuple, list[Task]] = {}
    for task in tasks:
        keys = tuple(request.key for request in task.requests)
        alike.setdefault((task.job.setting.key, task.train, keys), []).append(task)
    columns = []
    for own in alike.values():
        first, seeds = own[0], [task.job.seed for task in own]
        columns.append(
            [
                Block(
                    first.job.setting,
                    tuple(seeds[i : i + block_size]),
                    first.train,
                    first.requests,
                )
                for i in range(0, len(seeds), block_size)
            ]
        )
    return [
        [block for block in blocks if block is not None]
        for blocks in zip_longest(*columns)
    ]
