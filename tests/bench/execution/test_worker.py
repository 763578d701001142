"""Blocks of seeds from a study to records on the disk, in this process."""

import errno
import math
import os
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.bench.execution import block_checkpoint, provenance, stopping
from priorbench.bench.execution.backends.local import run_blocks
from priorbench.bench.execution.schedule import Block, Machine, Task, plan_rounds
from priorbench.bench.execution.survey import Survey, survey_store
from priorbench.bench.execution.worker import (
    ModelResult,
    ScoreResult,
    complete_block,
    run_block,
)
from priorbench.bench.results.store import Store
from priorbench.bench.study.scores import list_requests
from priorbench.bench.training.experiment import Experiment
from priorbench.bench.training.train import Training
from priorbench.metrics.base import Metric
from priorbench.metrics.base import registry as metrics
from tests.bench.scoring.sheets import cut_sheet
from tests.bench.small_study import STEPS, load_jobs_results, run_jobs
from tests.priorbench.machine_faults import MACHINE_FAULTS, STICKY


def test_a_small_study(jobs, tmp_path):
    """Eight runs, all on disk when they are reported, with all that a row needs."""
    todo, folder, told = jobs(), tmp_path / "runs" / "tiny", []
    requests = list_requests(todo[0].setting.grid)
    tasks = [Task(job, True, tuple(requests)) for job in todo]
    blocks = [block for column in plan_rounds(tasks, 1) for block in column]
    seen = []
    for block in run_blocks(blocks, folder, Machine("cpu"), told.append):
        (job,) = block.jobs
        assert block.label == f"{job.setting.label} seed {job.seed}"
        seen.append(job.id)
        assert {r.id for r in load_jobs_results(todo, folder)} == set(seen)
    assert set(seen) == {job.id for job in todo}
    store = Store(folder.parent)
    for job, result in zip(todo, load_jobs_results(todo, folder), strict=True):
        check_result(result, job, store)
    assert {p.name for p in store.folder.iterdir()} == set(seen)
    first = [message[2:4] for message in told if message[0] == "β-VAE β=1 seed 0"]
    assert first == [(0, 3), (1, 3), (2, 3), (3, 3)]


def check_result(r, job, store):
    assert (r.method, r.beta, r.seed) == (*job.setting.key, job.seed)
    assert (r.model.precision, r.provenance.device) == ("fp32", "cpu")
    assert (r.status, r.reason, r.model.failed_step) == ("finished", None, None)
    assert r.failed_scores == {}
    scores = {"mig", "active_latents", "reconstruction", "kl", "elbo"}
    assert scores <= r.scores.keys()
    assert all(map(math.isfinite, r.scores.values()))
    assert r.headlines == ("mig",)
    assert r.model.config == job.setting.config
    assert r.model.timings.keys() == {
        "train_seconds",
        "images_per_second",
        "seeds_in_block",
    }
    assert {"mig_seconds", "elbo_seconds"} <= r.timings.keys()
    machine = {"system", "processor", "cores", "threads", "cuda", "host"}
    assert machine == set(r.provenance.machine)
    assert r.prior == job.setting.method.prior.name
    assert bool(r.learned) == (r.prior == "isa")
    losses = store.load_losses(r.model)
    assert list(losses) == ["step", "loss", "log_likelihood"]
    assert len(losses["step"]) == 3 * STEPS
    arrays = {}
    for record in r.records.values():
        arrays |= store.load_arrays(record)
    assert arrays["mutual_information"].shape == (4, 5)
    assert cut_sheet(arrays["reconstructions.png"], (1, 64, 64)).shape[:2] == (2, 8)
    assert arrays["representation"].shape == (32, 4)
    parameters = store.load_parameters(r.model)
    assert parameters["architecture.encoder.0.weight"].shape == (16, 4096)
    assert all(np.isfinite(a).all() for a in parameters.values())


def test_a_run_is_the_same_alone_or_in_a_block(jobs, tmp_path):
    alone = run_jobs(jobs(), tmp_path / "alone" / "tiny", 1)
    together = run_jobs(jobs(), tmp_path / "together" / "tiny", 2)
    assert len(alone) == len(together) == 8
    for one, other in zip(alone, together, strict=True):
        for name in ("reconstruction", "kl", "elbo"):
            assert other.scores[name] == pytest.approx(one.scores[name], rel=1e-3)
        assert other.timings["seeds_in_block"] == 2
    seeds = [r.scores["elbo"] for r in alone if (r.method, r.beta) == ("β-VAE", 1.0)]
    assert abs(seeds[0] - seeds[1]) > 1e-2


def test_a_kept_model_scores_as_it_did_when_it_was_trained(jobs, tmp_path):
    """To the last digit: encoded anew from its parameters."""
    chosen = jobs()[-1:]
    (before,) = run_jobs(chosen, tmp_path / "tiny")
    shutil.rmtree(tmp_path / "models" / before.id / "scores")
    trained = (tmp_path / "models" / before.id / "record.json").stat().st_mtime_ns
    (after,) = run_jobs(chosen, tmp_path / "tiny")
    assert after.scores == before.scores
    again = (tmp_path / "models" / before.id / "record.json").stat().st_mtime_ns
    assert again == trained


def test_models_that_are_not_kept_are_scored(jobs, tmp_path):
    chosen = jobs(("seeds = 2", "seeds = 1\nkeep_models = false"))[:1]
    (result,) = run_jobs(chosen, tmp_path / "tiny")
    assert "mig" in result.scores
    assert not Store(tmp_path).has_parameters(result.model)
    assert set(result.model.digests) == {"losses.csv"}


# failures


class Broken(priors.Normal):
    """Its density raises."""

    def _log_prob(self, z):
        raise ZeroDivisionError("the density\nof this prior")

    def _kl(self, q, z):
        return self.log_prob(z)


class OutOfSpace(Broken):
    def _log_prob(self, z):
        raise OSError(errno.ENOSPC, "No space left on device")


class BrokenMachine(Broken):
    error = STICKY

    def _log_prob(self, z):
        raise self.error


class Diverging(priors.Normal):
    """Its KL is infinite."""

    def _kl(self, q, z):
        return super()._kl(q, z) * 1e38 * 1e38


@pytest.fixture
def broken(jobs, monkeypatch):
    def make(prior, *changes):
        monkeypatch.setitem(priors.registry._entries, "broken", prior)
        return jobs(
            ('prior = "normal"', 'prior = "broken"'),
            ("beta = [1.0, 4.0]", "beta = [1.0]"),
            *changes,
        )

    return make


def test_an_error_in_a_prior_makes_failed_runs(broken, tmp_path):
    """With its reason in one line, its file and its line; the other method's runs go on."""
    found = run_jobs(broken(Broken), tmp_path / "tiny", 2)
    assert [(r.method, r.status) for r in found] == [
        ("β-VAE", "failed"),
        ("β-VAE", "failed"),
        ("ISA-TCVAE", "finished"),
        ("ISA-TCVAE", "finished"),
    ]
    lines = Path(__file__).read_text().splitlines()
    line = 1 + next(
        i for i, text in enumerate(lines) if "raise ZeroDivisionError" in text
    )
    assert found[0].reason == (
        f"ZeroDivisionError: the density of this prior (test_worker.py, line {line})"
    )
    assert (found[0].scores, found[0].model.failed_step) == ({}, None)
    assert found[0].timings["train_seconds"] > 0


def test_a_loss_that_is_not_finite_makes_a_failed_run(broken, tmp_path):
    (found,) = run_jobs(broken(Diverging)[:1], tmp_path / "tiny")
    assert (found.status, found.model.failed_step, found.scores) == ("failed", 0, {})
    assert re.fullmatch(
        r"the loss became (inf|nan) at step 0 \(epoch 1\)", found.reason
    )
    assert len(Store(tmp_path).load_losses(found.model)["step"]) == 1


def test_a_failed_run_is_not_tried_again_unasked(broken, tmp_path):
    todo = broken(Diverging)[:1]
    (first,) = run_jobs(todo, tmp_path / "tiny")
    (second,) = run_jobs(todo, tmp_path / "tiny")
    assert second.model.created == first.model.created
    requests = list_requests(todo[0].setting.grid)
    store = Store(tmp_path)
    assert survey_store(store, todo, requests, True) == Survey((), 1, 1)
    (task,) = survey_store(store, todo, requests, True, retry_failed=True).tasks
    assert task.train


@pytest.mark.parametrize("error", MACHINE_FAULTS)
def test_the_machines_faults_go_on_up(broken, tmp_path, monkeypatch, error):
    monkeypatch.setattr(BrokenMachine, "error", error)
    todo = broken(BrokenMachine)
    with pytest.raises(type(error)):
        run_jobs(todo, tmp_path / "tiny")
    assert load_jobs_results(todo, tmp_path / "tiny") == []


class FullMemory(priors.Normal):
    """Has room for so many seeds at once, until so many steps are taken."""

    most, steps = 1, 0

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.register_buffer("one", torch.ones(()))

    def _kl(self, q, z):
        kind = type(self)
        kind.steps += 1
        batched = torch._C._functorch.is_batchedtensor(z)
        seeds = torch._C._functorch.get_unwrapped(z).shape[0] if batched else 1
        if seeds > kind.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super()._kl(q, z)


def test_a_block_that_does_not_fit_is_halved(broken, tmp_path, caplog):
    """And halved again: three seeds become two and one, then one each."""
    todo = broken(FullMemory, ("seeds = 2", "seeds = 3"))[:3]
    found = run_jobs(todo, tmp_path / "tiny", 3)
    assert [(r.status, r.timings["seeds_in_block"]) for r in found] == [
        ("finished", 1)
    ] * 3
    assert "seeds 0-2 do not fit the device's memory together" in caplog.text
    assert "train as 2 and 1" in caplog.text
    assert "train as 1 and 1" in caplog.text


def test_memory_that_fills_later_is_not_the_blocks_size(
    broken, tmp_path, monkeypatch, caplog
):
    """After an epoch something else has taken it: the command ends."""
    monkeypatch.setattr(FullMemory, "most", 2)
    todo = broken(FullMemory)[:2]
    run_steps = Training.run_steps

    def fill_later(training):
        if training.epoch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        run_steps(training)

    monkeypatch.setattr(Training, "run_steps", fill_later)
    with pytest.raises(torch.OutOfMemoryError):
        run_jobs(todo, tmp_path / "tiny", 2)
    assert "do not fit" not in caplog.text


def test_halves_that_the_deadline_ends_are_not_done(broken, tmp_path):
    """The first half is kept, the second left to the next command."""
    todo = broken(FullMemory)[:2]
    block = Block(todo[0].setting, (0, 1))
    folder = tmp_path / "runs" / "tiny"
    machine = Machine("cpu", block_size=2, deadline=math.inf)
    told = []

    def tell(message):
        told.append(message)

    times = iter([0.0] * (3 * STEPS) + [2.0] * 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_checkpoint.time, "time", lambda: next(times))
        done = complete_block(block, folder, replace(machine, deadline=1.0), tell)
    assert done is None
    assert [r.seed for r in load_jobs_results(todo, folder)] == [0]


def test_a_plugins_own_trouble_with_files_is_a_failed_run(broken, tmp_path):
    found = run_jobs(broken(OutOfSpace), tmp_path / "tiny")
    outcomes = {(r.method, r.status) for r in found}
    assert outcomes == {("β-VAE", "failed"), ("ISA-TCVAE", "finished")}
    assert "No space left on device" in found[0].reason


def test_a_full_disk_goes_on_up(jobs, tmp_path, monkeypatch):
    """And keeps what was finished before: the model, though not its scores."""
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    todo = jobs()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run_jobs(todo, tmp_path / "tiny")
    monkeypatch.undo()
    (found,) = load_jobs_results(todo, tmp_path / "tiny")
    assert (found.status, found.scores) == ("finished", {})
    left = [p.name for p in (tmp_path / "models").rglob("*") if p.is_file()]
    assert sorted(left) == ["losses.csv", "parameters.safetensors", "record.json"]


def test_a_result_that_cannot_be_saved_holds_no_stop_back(jobs, tmp_path):
    def save(result):
        raise OSError(errno.ENOSPC, "No space left on device")

    block, machine = Block(jobs()[0].setting, (0,)), Machine("cpu")
    # the error, which is kept, knows the training that it ended
    with pytest.raises(OSError, match="No space left") as _:
        complete_block(block, tmp_path / "tiny", machine, lambda told: None, save)
    assert not stopping._stop.holders


def score(jobs, tmp_path, monkeypatch, metric):
    monkeypatch.setitem(metrics._entries, "mine", Metric("mine", metric))
    todo = jobs(('"active_latents"', '"mine"'))[:1]
    return todo, run_jobs(todo, tmp_path / "tiny")[0]


def test_a_metric_that_fails_is_a_score_that_failed(jobs, tmp_path, monkeypatch):
    """The run and its other scores stand; it is computed again only if that is asked."""

    def metric(codes):
        raise KeyError("mine")

    todo, found = score(jobs, tmp_path, monkeypatch, metric)
    assert found.status == "finished"
    assert "mig" in found.scores
    reason = found.failed_scores["mine"]
    assert reason.startswith("KeyError: 'mine' (test_worker.py, line ")
    store, requests = Store(tmp_path), list_requests(todo[0].setting.grid)
    assert survey_store(store, todo, requests, True) == Survey((), 1, failed_scores=1)
    (task,) = survey_store(store, todo, requests, True, retry_failed=True).tasks
    assert (task.train, [r.name for r in task.requests]) == (False, ["mine"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_one_that_failed(
    jobs, tmp_path, monkeypatch, value
):
    _, found = score(jobs, tmp_path, monkeypatch, lambda codes: {"mine": value})
    assert found.failed_scores["mine"].startswith(f"ValueError: mine is {value}")
    assert "mine" not in found.scores


def test_a_run_whose_last_update_went_wrong_has_failed(broken, tmp_path):
    """A finite loss, a gradient that is not: parameters and learned exponents are no numbers."""

    class Cusp(priors.ISA):
        def __init__(self):
            super().__init__([2, 2], learn_exponents=True)

        def _kl(self, q, z):
            exponents = torch.stack(self.inner_exponents()).sum()
            return super()._kl(q, z) + torch.sqrt((z * 0).sum(-1) * exponents)

    todo = broken(
        Cusp, ("batch_size = 8", "batch_size = 32"), ("epochs = 3", "epochs = 1")
    )
    (found,) = run_jobs(todo[:1], tmp_path / "tiny")
    assert (found.status, found.scores) == ("failed", {})
    assert re.search("after training, .* is not finite", found.reason)


def test_versions_are_of_what_the_project_needs():
    """A package that is not installed with it ends the first run: no such distribution."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())[
        "project"
    ]
    needed = {re.match(r"[\w-]+", text)[0] for text in project["dependencies"]}
    assert set(provenance.list_versions()) - {"python", "priorbench"} <= needed


def test_an_error_of_the_progress_is_not_the_runs_fault(jobs):
    """A display that is gone ends the block, and leaves no failed run."""

    def progress(epoch, rate):
        if epoch == 2:
            raise BrokenPipeError("nobody reads")

    setting = jobs()[0].setting
    block = Block(setting, (0,))
    with pytest.raises(BrokenPipeError):
        list(run_block(Experiment(setting), block, "cpu", lambda job: None, progress))


def test_all_models_of_a_block_are_there_before_the_first_score(jobs):
    """What happens while scoring loses no training."""
    first, second, *_ = jobs()
    requests = tuple(list_requests(first.setting.grid))
    block = Block(first.setting, (first.seed, second.seed), True, requests)
    experiment = Experiment(first.setting)
    results = list(run_block(experiment, block, "cpu", lambda job: None))
    kinds = [type(result) for result in results]
    assert kinds == [ModelResult] * 2 + [ScoreResult] * 2 * len(requests)
    assert [r.record.id for r in results[:2]] == [first.id, second.id]
