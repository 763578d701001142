import errno
import math
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from priorbench import metrics
from priorbench import priors
from priorbench.bench.execution import worker
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs
from priorbench.bench.results import store
from priorbench.bench.execution.backends import local
from priorbench.bench.execution.worker import Block, Machine
from priorbench.bench.study.job import Job

GRID = """
seeds = 2
beta = [1.0, 4.0]
latent_dim = 4
metrics = ["mig", "active_latents"]
dataset = { name = "dsprites", factors = { shape = ["square"], scale = [3], orientation = [0], \
posX = [0, 4, 8, 12, 16, 20, 24, 28], posY = [0, 9, 18, 27] } }
architecture = { name = "mlp", hidden = 16 }
training = { epochs = 3, batch_size = 8 }
[[methods]]
name = "A"
prior = "normal"
objective = "beta_vae"
[[methods]]
name = "B"
prior = { name = "isa", subspaces = [2, 2], learn_exponents = true }
objective = "beta_tcvae"
"""


def quiet(message):
    pass


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """The grid's jobs after changes of its text."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))

    def make(*changes):
        text = GRID
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "tiny.toml").write_text(text)
        return list_jobs(load_grid(str(tmp_path / "tiny.toml")))

    return make


def run(jobs, folder, block_size=1, tell=quiet):
    machine = Machine("cpu", block_size=block_size)
    blocks = [b for column in local.plan_rounds(jobs, block_size) for b in column]
    return [
        r
        for records in local.run_blocks(blocks, folder, machine, tell)
        for r in records
    ]


# rounds


def settings(*counts):
    """Jobs of settings with the given seeds."""
    return [
        Job("g", "p", f"m{i // 2}", float(i % 2), seed, "fp32", {})
        for i, seeds in enumerate(counts)
        for seed in seeds
    ]


def named(rounds):
    return [
        [(b.jobs[0].setting, [j.seed for j in b.jobs]) for b in column]
        for column in rounds
    ]


def test_rounds_are_breadth_first():
    """Every setting has its first block before any has its second."""
    assert named(local.plan_rounds(settings(range(3), range(3), range(3)), 2)) == [
        [(("m0", 0.0), [0, 1]), (("m0", 1.0), [0, 1]), (("m1", 0.0), [0, 1])],
        [(("m0", 0.0), [2]), (("m0", 1.0), [2]), (("m1", 0.0), [2])],
    ]


def test_rounds_of_one_seed():
    assert named(local.plan_rounds(settings(range(2), range(2)), 1)) == [
        [(("m0", 0.0), [0]), (("m0", 1.0), [0])],
        [(("m0", 0.0), [1]), (("m0", 1.0), [1])],
    ]


def test_rounds_of_what_is_left():
    """After a run that was stopped: gaps, and a setting of which less is left."""
    assert named(local.plan_rounds(settings([3, 4], [], [1, 3, 4]), 2)) == [
        [(("m0", 0.0), [3, 4]), (("m1", 0.0), [1, 3])],
        [(("m1", 0.0), [4])],
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_rounds_hold_every_job_once(size):
    jobs = settings(range(5), range(7), [2, 9], range(1))
    rounds = local.plan_rounds(jobs, size)
    found = [j for column in rounds for b in column for j in b.jobs]
    assert sorted(map(id, found)) == sorted(map(id, jobs))
    assert all(
        len({j.setting for j in b.jobs}) == 1 for column in rounds for b in column
    )
    assert all(len(b.jobs) <= size for column in rounds for b in column)


def test_no_jobs():
    assert local.plan_rounds([], 3) == []


def test_labels_of_blocks():
    jobs = settings(range(5))
    assert Block(tuple(jobs[:1])).label == "m0 β=0 seed 0"
    assert Block(tuple(jobs[1:4])).label == "m0 β=0 seeds 1-3"


# runs


def test_a_tiny_grid(jobs, tmp_path):
    """Eight runs, all on disk when they are reported, with all that a row needs."""
    todo, folder, told = jobs(), tmp_path / "runs" / "tiny", []
    blocks = [b for column in local.plan_rounds(todo, 1) for b in column]
    seen = []
    for records in local.run_blocks(blocks, folder, Machine("cpu"), told.append):
        seen += records
        assert {r.id for r in seen} == {r.id for r in store.load_records(folder)}
    assert {r.id for r in seen} == {j.id for j in todo}
    by_id = {j.id: j for j in todo}
    for r in store.load_records(folder):
        j = by_id[r.id]
        assert (r.method, r.beta, r.seed) == (j.method, j.beta, j.seed)
        assert (r.grid, r.profile, r.precision, r.device) == (
            "tiny",
            "default",
            "fp32",
            "cpu",
        )
        assert (r.status, r.reason, r.failed_step) == ("finished", None, None)
        assert {
            "mig",
            "active_latents",
            "reconstruction",
            "kl",
            "elbo",
        } <= r.scores.keys()
        assert all(map(math.isfinite, r.scores.values()))
        assert r.config == j.config
        assert r.timings.keys() == {
            "train_seconds",
            "evaluate_seconds",
            "images_per_second",
            "seeds_in_block",
        }
        assert r.prior == j.config["prior"]["name"]
        assert bool(r.learned) == (r.prior == "isa")
        lines = (folder / r.id / "losses.csv").read_text().splitlines()
        assert lines[0] == "step,loss,log_likelihood"
        assert len(lines) == 1 + 3 * 4
        arrays = store.load_artefacts(folder, r.id)
        assert arrays["mutual_information"].shape == (4, 5)
        assert arrays["images"].shape == (8, 1, 64, 64)
        assert not (folder / r.id / "parameters.safetensors").exists()
    assert {p.name for p in folder.iterdir()} == set(by_id)
    assert [m[2:4] for m in told if m[0] == "A β=1 seed 0"] == [
        (0, 3),
        (1, 3),
        (2, 3),
        (3, 3),
    ]


def test_a_run_is_the_same_alone_or_in_a_block(jobs, tmp_path):
    alone = {r.id: r for r in run(jobs(), tmp_path / "alone", 1)}
    together = {r.id: r for r in run(jobs(), tmp_path / "together", 2)}
    assert alone.keys() == together.keys()
    for run_id, r in alone.items():
        for name in ("reconstruction", "kl", "elbo"):
            assert together[run_id].scores[name] == pytest.approx(
                r.scores[name], rel=1e-3
            )
        assert together[run_id].timings["seeds_in_block"] == 2
    seeds = [
        r.scores["elbo"] for r in alone.values() if (r.method, r.beta) == ("A", 1.0)
    ]
    assert abs(seeds[0] - seeds[1]) > 1e-2


def test_kept_models(jobs, tmp_path):
    chosen = jobs(("seeds = 2", "seeds = 1\nkeep_models = true"))[:1]
    run(chosen, tmp_path / "runs")
    arrays = load_file(tmp_path / "runs" / chosen[0].id / "parameters.safetensors")
    assert arrays["architecture.encoder.0.weight"].shape == (16, 4096)
    assert all(np.isfinite(a).all() for a in arrays.values())


# failures


class Broken(priors.Normal):
    """Its density raises."""

    def log_prob(self, z):
        raise ZeroDivisionError("the density\nof this prior")

    def kl(self, q, z):
        return self.log_prob(z)


class OutOfSpace(Broken):
    def log_prob(self, z):
        raise OSError(errno.ENOSPC, "No space left on device")


class OutOfMemory(Broken):
    def log_prob(self, z):
        raise torch.OutOfMemoryError("CUDA out of memory")


class Diverging(priors.Normal):
    """Its KL is infinite."""

    def kl(self, q, z):
        return super().kl(q, z) * 1e38 * 1e38


@pytest.fixture
def broken(jobs, monkeypatch):
    def make(prior, **changes):
        monkeypatch.setitem(priors.registry._entries, "broken", prior)
        return jobs(
            ('prior = "normal"', 'prior = "broken"'),
            ("beta = [1.0, 4.0]", "beta = [1.0]"),
        )

    return make


def test_an_error_in_a_prior_makes_failed_runs(broken, tmp_path):
    """With its reason in one line, its file and its line; the other method's runs go on."""
    todo = broken(Broken)
    run(todo, tmp_path / "runs", 2)
    found = store.load_records(tmp_path / "runs")
    assert [(r.method, r.status) for r in found] == [
        ("A", "failed"),
        ("A", "failed"),
        ("B", "finished"),
        ("B", "finished"),
    ]
    lines = Path(__file__).read_text().splitlines()
    line = 1 + next(
        i for i, text in enumerate(lines) if "raise ZeroDivisionError" in text
    )
    assert found[0].reason == (
        f"ZeroDivisionError: the density of this prior (test_schedule.py, line {line})"
    )
    assert (found[0].scores, found[0].failed_step) == ({}, None)
    assert found[0].timings["train_seconds"] > 0


def test_a_loss_that_is_not_finite_makes_a_failed_run(broken, tmp_path):
    todo = broken(Diverging)
    run(todo[:1], tmp_path / "runs")
    (found,) = store.load_records(tmp_path / "runs")
    assert (found.status, found.failed_step, found.scores) == ("failed", 0, {})
    assert re.fullmatch(
        r"the loss became (inf|nan) at step 0 \(epoch 1\)", found.reason
    )
    lines = (tmp_path / "runs" / found.id / "losses.csv").read_text().splitlines()
    assert len(lines) == 2


def test_a_full_memory_goes_on_up(broken, tmp_path):
    with pytest.raises(torch.OutOfMemoryError):
        run(broken(OutOfMemory), tmp_path / "runs")
    assert store.load_records(tmp_path / "runs") == []


def test_a_plugins_own_trouble_with_files_is_a_failed_run(broken, tmp_path):
    run(broken(OutOfSpace), tmp_path / "runs")
    found = store.load_records(tmp_path / "runs")
    assert {(r.method, r.status) for r in found} == {("A", "failed"), ("B", "finished")}
    assert "No space left on device" in found[0].reason


def test_a_full_disk_goes_on_up(jobs, tmp_path, monkeypatch):
    """And keeps what was finished before."""
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(jobs(), tmp_path / "runs")
    assert len(store.load_records(tmp_path / "runs")) == 1
    assert len(list((tmp_path / "runs").iterdir())) == 1


def score(jobs, tmp_path, monkeypatch, metric):
    monkeypatch.setitem(metrics.base.registry._entries, "mine", metric)
    todo = jobs(('"active_latents"', '"mine"'))[:1]
    run(todo, tmp_path / "runs")
    return store.load_records(tmp_path / "runs")[0]


def test_an_error_in_a_metric_keeps_what_was_trained(jobs, tmp_path, monkeypatch):
    def metric(codes):
        raise KeyError("mine")

    found = score(jobs, tmp_path, monkeypatch, metric)
    assert found.status == "failed"
    assert found.reason.startswith("KeyError: 'mine' (test_schedule.py, line ")
    folder = tmp_path / "runs" / found.id
    assert "architecture.encoder.0.weight" in load_file(
        folder / "parameters.safetensors"
    )
    assert len((folder / "losses.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_makes_a_failed_run(
    jobs, tmp_path, monkeypatch, value
):
    found = score(jobs, tmp_path, monkeypatch, lambda codes: {"mine": value})
    assert (found.status, found.scores) == ("failed", {})
    assert found.reason == f"after training, mine is {value}"


def test_a_run_whose_last_update_went_wrong_is_a_row(broken, tmp_path):
    """A finite loss, a gradient that is not: parameters and learned exponents are no numbers."""

    class Cusp(priors.ISA):
        def __init__(self):
            super().__init__([2, 2], learn_exponents=True)

        def kl(self, q, z):
            exponents = torch.stack(self.inner_exponents()).sum()
            return super().kl(q, z) + torch.sqrt((z * 0).sum(-1) * exponents)

    todo = broken(Cusp)[0]
    training = {**todo.config["training"], "batch_size": 32, "epochs": 1}
    changed = {
        **todo.config,
        "training": training,
        "metrics": [{"name": "active_latents"}],
    }
    run([Job(**{**vars(todo), "config": changed})], tmp_path / "r")
    rows = store.load_records(tmp_path / "r")
    assert [(r.status, r.scores) for r in rows] == [("failed", {})]
    assert re.search("finite|nan", rows[0].reason)


def test_versions_are_of_what_the_project_needs():
    """A package that is not installed with it ends the first run: no such distribution."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())[
        "project"
    ]
    needed = {re.match(r"[\w-]+", text)[0] for text in project["dependencies"]}
    assert set(worker.list_versions()) - {"python", "priorbench"} <= needed
