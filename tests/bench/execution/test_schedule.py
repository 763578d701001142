"""Rounds of blocks: breadth first, each job once."""

import pytest

from priorbench.bench.execution.schedule import plan_rounds
from priorbench.bench.study.job import Job

# the small study's settings, in order: two methods of two β each


@pytest.fixture
def settings(jobs):
    """Makes jobs of the first settings of the study, with the given seeds."""
    four = list(dict.fromkeys(job.setting.label for job in jobs()))
    by_label = {job.setting.label: job.setting for job in jobs()}

    def make(*counts):
        return [
            Job(by_label[label], seed)
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


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_rounds_hold_every_job_once(settings, size):
    jobs = settings(range(5), range(7), [2, 9], range(1))
    blocks = [block for column in plan_rounds(jobs, size) for block in column]
    found = [(b.setting.key, seed) for b in blocks for seed in b.seeds]
    assert sorted(found) == sorted((j.setting.key, j.seed) for j in jobs)
    assert all(len(block.seeds) <= size for block in blocks)


def test_no_jobs():
    assert plan_rounds([], 3) == []


def test_labels_of_blocks(settings):
    one, *_ = plan_rounds(settings([0]), 1)[0]
    assert one.label == "β-VAE β=1 seed 0"
    several, *_ = plan_rounds(settings([1, 2, 3]), 3)[0]
    assert several.label == "β-VAE β=1 seeds 1-3"
