"""Rounds of blocks: breadth first, each job once."""

import pytest

from priorbench.bench.execution.schedule import Task, plan_rounds
from priorbench.bench.study.job import Job
from priorbench.bench.study.scores import ScoreRequest

# the small study's settings, in order: two methods of two β each


@pytest.fixture
def settings(jobs):
    """Makes tasks of the first settings of the study, with the given seeds."""
    four = list(dict.fromkeys(job.setting.label for job in jobs()))
    by_label = {job.setting.label: job.setting for job in jobs()}

    def make(*counts):
        return [
            Task(Job(by_label[label], seed), True, ())
            for label, seeds in zip(four, counts, strict=False)
            for seed in seeds
        ]

    return make


def named(rounds):
    return [
        [(block.setting.key, list(block.seeds)) for block in blocks]
        for blocks in rounds
    ]


A1, A4, B1 = ("β-VAE", 1.0), ("β-VAE", 4.0), ("ISA-TCVAE", 1.0)


def test_rounds_are_breadth_first(settings):
    """Every setting has its first block before any has its second."""
    rounds = plan_rounds(settings(range(3), range(3), range(3)), 2)
    assert named(rounds) == [
        [(A1, [0, 1]), (A4, [0, 1]), (B1, [0, 1])],
        [(A1, [2]), (A4, [2]), (B1, [2])],
    ]


def test_rounds_of_one_seed(settings):
    rounds = plan_rounds(settings(range(2), range(2)), 1)
    assert named(rounds) == [
        [(A1, [0]), (A4, [0])],
        [(A1, [1]), (A4, [1])],
    ]


def test_rounds_of_what_is_left(settings):
    """After a run that was stopped: gaps, and a setting of which less is left."""
    rounds = plan_rounds(settings([3, 4], [], [1, 3, 4]), 2)
    assert named(rounds) == [
        [(A1, [3, 4]), (B1, [1, 3])],
        [(B1, [4])],
    ]


def test_blocks_of_a_setting_are_equally_large(settings):
    rounds = plan_rounds(settings(range(50)), 33)
    assert [len(block.seeds) for blocks in rounds for block in blocks] == [25, 25]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_rounds_hold_every_job_once(settings, size):
    tasks = settings(range(5), range(7), [2, 9], range(1))
    blocks = [block for column in plan_rounds(tasks, size) for block in column]
    found = [(job.setting.key, job.seed) for b in blocks for job in b.jobs]
    assert sorted(found) == sorted((t.job.setting.key, t.job.seed) for t in tasks)
    assert all(len(block.seeds) <= size for block in blocks)


def test_a_block_lacks_one_thing(settings):
    """Seeds that are trained, and that lack other scores, are in other blocks."""
    one, two, three, four = (task.job for task in settings(range(4)))
    mig, dci = ScoreRequest("mig"), ScoreRequest("dci")
    tasks = [
        Task(one, True, (mig, dci)),
        Task(two, False, (dci,)),
        Task(three, True, (mig, dci)),
        Task(four, False, (mig, dci)),
    ]
    (blocks,) = plan_rounds(tasks, 8)
    assert [(b.seeds, b.train, b.requests) for b in blocks] == [
        ((0, 2), True, (mig, dci)),
        ((1,), False, (dci,)),
        ((3,), False, (mig, dci)),
    ]


def test_no_jobs():
    assert plan_rounds([], 3) == []


def test_labels_of_blocks(settings):
    one, *_ = plan_rounds(settings([0]), 1)[0]
    assert one.label == "β-VAE β=1 seed 0"
    several, *_ = plan_rounds(settings([1, 2, 3]), 3)[0]
    assert several.label == "β-VAE β=1 seeds 1-3"
