"""What is to be done, in blocks of seeds, breadth first; and the machine for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest

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
        checkpoint_minutes: between two checkpoints of a training; with 0 there is one
            only when it is stopped.
        deadline: when trainings stop and no block is started any more, in seconds as
            ``time.time()``.
    """

    device: str
    workers: int = 1
    threads: int = 1
    block_size: int = 1
    plugins: tuple[str, ...] = ()
    command: str | None = None
    checkpoint_minutes: float = 0.0
    deadline: float = math.inf


@dataclass(frozen=True)
class Task:
    """What one model lacks.

    Attributes:
        job: the model.
        train: whether it is to be trained, or is in the store.
        requests: the scores that it lacks.
        reached: epochs, and steps of the next one, that its checkpoint has done.
    """

    job: Job
    train: bool
    requests: tuple[ScoreRequest, ...]
    reached: tuple[int, int] = (0, 0)


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

    Each round holds the next block of every setting that has seeds left; the blocks of
    a setting are equally large, 25 + 25 where 33 fit at once. What goes on
    from checkpoints comes first; seeds of a block go on from the same step.
    """
    alike: dict[tuple, list[Task]] = {}
    for task in tasks:
        keys = tuple(request.key for request in task.requests)
        alike.setdefault((task.job.setting.key, task.train, keys), []).append(task)
    columns = []
    for own in alike.values():
        first, blocks = own[0], []
        own.sort(key=_get_reached, reverse=True)  # alike ones stay in order
        for _, begun in groupby(own, _get_reached):
            seeds = [task.job.seed for task in begun]
            for chosen in split_evenly(seeds, -(-len(seeds) // block_size)):
                blocks.append(
                    Block(first.job.setting, chosen, first.train, first.requests)
                )
        columns.append(blocks)
    return [
        [block for block in blocks if block is not None]
        for blocks in zip_longest(*columns)
    ]


def split_evenly(seeds: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Split seeds, in order, into ``count`` parts of equal size, or one fewer.

    Blocks of two sizes would be recorded and compiled twice.

    Example:
        >>> split_evenly([0, 1, 2, 3, 4], 2)
        [(0, 1, 2), (3, 4)]
    """
    ends = [-(-len(seeds) * number // count) for number in range(count + 1)]
    return [tuple(seeds[a:b]) for a, b in pairwise(ends)]


def _get_reached(task: Task) -> tuple[int, int]:
    return task.reached
