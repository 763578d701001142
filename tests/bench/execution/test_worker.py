"""Blocks of seeds from a study to records on the disk, in this process."""

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

from priorbench import priors
from priorbench.bench.execution import provenance
from priorbench.bench.execution.backends.local import run_blocks
from priorbench.bench.execution.experiment import Experiment
from priorbench.bench.execution.schedule import Machine, plan_rounds
from priorbench.bench.execution.worker import run_block
from priorbench.bench.results import store
from priorbench.metrics.base import Metric
from priorbench.metrics.base import registry as metrics
from tests.bench.small_study import STEPS, run_jobs


def test_a_small_study(jobs, tmp_path):
    """Eight runs, all on disk when they are reported, with all that a row needs."""
    todo, folder, told = jobs(), tmp_path / "runs" / "tiny", []
    blocks = [block for column in plan_rounds(todo, 1) for block in column]
    seen = []
    for label, records in run_blocks(blocks, folder, Machine("cpu"), told.append):
        assert (
            label == f"{records[0].method} β={records[0].beta:g} seed {records[0].seed}"
        )
        seen += records
        assert {r.id for r in seen} == {r.id for r in store.load_records(folder)}
    by_id = {job.id: job for job in todo}
    assert {r.id for r in seen} == by_id.keys()
    for r in store.load_records(folder):
        check_record(r, by_id[r.id], folder)
    assert {p.name for p in folder.iterdir()} == set(by_id)
    first = [message[2:4] for message in told if message[0] == "β-VAE β=1 seed 0"]
    assert first == [(0, 3), (1, 3), (2, 3), (3, 3)]


def check_record(r, job, folder):
    assert (r.method, r.beta, r.seed) == (*job.setting.key, job.seed)
    assert (r.grid, r.profile) == ("tiny", "default")
    assert (r.precision, r.device) == ("fp32", "cpu")
    assert (r.status, r.reason, r.failed_step) == ("finished", None, None)
    scores = {"mig", "active_latents", "reconstruction", "kl", "elbo"}
    assert scores <= r.scores.keys()
    assert all(map(math.isfinite, r.scores.values()))
    assert r.headlines == ("mig",)
    assert r.config == job.setting.config
    assert r.timings.keys() == {
        "train_seconds",
        "evaluate_seconds",
        "images_per_second",
        "seeds_in_block",
    }
    assert {"system", "processor", "cores", "threads", "cuda", "host"} == set(r.machine)
    assert r.prior == job.setting.method.prior.name
    assert bool(r.learned) == (r.prior == "isa")
    lines = (folder / r.id / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,loss,log_likelihood"
    assert len(lines) == 1 + 3 * STEPS
    arrays = store.load_artefacts(folder, r.id)
    assert arrays["mutual_information"].shape == (4, 5)
    assert arrays["images"].shape == (8, 1, 64, 64)
    assert not (folder / r.id / "parameters.safetensors").exists()


def test_a_run_is_the_same_alone_or_in_a_block(jobs, tmp_path):
    alone = {r.id: r for r in run_jobs(jobs(), tmp_path / "alone", 1)}
    together = {r.id: r for r in run_jobs(jobs(), tmp_path / "together", 2)}
    assert alone.keys() == together.keys()
    for run_id, r in alone.items():
        for name in ("reconstruction", "kl", "elbo"):
            assert together[run_id].scores[name] == pytest.approx(
                r.scores[name], rel=1e-3
            )
        assert together[run_id].timings["seeds_in_block"] == 2
    seeds = [
        r.scores["elbo"] for r in alone.values() if (r.method, r.beta) == ("β-VAE", 1.0)
    ]
    assert abs(seeds[0] - seeds[1]) > 1e-2


def test_kept_models(jobs, tmp_path):
    chosen = jobs(("seeds = 2", "seeds = 1\nkeep_models = true"))[:1]
    run_jobs(chosen, tmp_path / "runs")
    arrays = load_file(tmp_path / "runs" / chosen[0].id / "parameters.safetensors")
    assert arrays["architecture.encoder.0.weight"].shape == (16, 4096)
    assert all(np.isfinite(a).all() for a in arrays.values())


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


class OutOfMemory(Broken):
    def _log_prob(self, z):
        raise torch.OutOfMemoryError("CUDA out of memory")


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
    todo = broken(Broken)
    run_jobs(todo, tmp_path / "runs", 2)
    found = store.load_records(tmp_path / "runs")
    assert [(r.method, r.status) for r in found] == [
        ("ISA-TCVAE", "finished"),
        ("ISA-TCVAE", "finished"),
        ("β-VAE", "failed"),
        ("β-VAE", "failed"),
    ]
    lines = Path(__file__).read_text().splitlines()
    line = 1 + next(
        i for i, text in enumerate(lines) if "raise ZeroDivisionError" in text
    )
    assert found[-1].reason == (
        f"ZeroDivisionError: the density of this prior (test_worker.py, line {line})"
    )
    assert (found[-1].scores, found[-1].failed_step) == ({}, None)
    assert found[-1].timings["train_seconds"] > 0


def test_a_loss_that_is_not_finite_makes_a_failed_run(broken, tmp_path):
    todo = broken(Diverging)
    run_jobs(todo[:1], tmp_path / "runs")
    (found,) = store.load_records(tmp_path / "runs")
    assert (found.status, found.failed_step, found.scores) == ("failed", 0, {})
    assert re.fullmatch(
        r"the loss became (inf|nan) at step 0 \(epoch 1\)", found.reason
    )
    lines = (tmp_path / "runs" / found.id / "losses.csv").read_text().splitlines()
    assert len(lines) == 2


def test_a_full_memory_goes_on_up(broken, tmp_path):
    with pytest.raises(torch.OutOfMemoryError):
        run_jobs(broken(OutOfMemory), tmp_path / "runs")
    assert store.load_records(tmp_path / "runs") == []


def test_a_plugins_own_trouble_with_files_is_a_failed_run(broken, tmp_path):
    run_jobs(broken(OutOfSpace), tmp_path / "runs")
    found = store.load_records(tmp_path / "runs")
    outcomes = {(r.method, r.status) for r in found}
    assert outcomes == {("β-VAE", "failed"), ("ISA-TCVAE", "finished")}
    assert "No space left on device" in found[-1].reason


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
        run_jobs(jobs(), tmp_path / "runs")
    assert len(store.load_records(tmp_path / "runs")) == 1
    assert len(list((tmp_path / "runs").iterdir())) == 1


def score(jobs, tmp_path, monkeypatch, metric):
    monkeypatch.setitem(metrics._entries, "mine", Metric("mine", metric))
    todo = jobs(('"active_latents"', '"mine"'))[:1]
    run_jobs(todo, tmp_path / "runs")
    return store.load_records(tmp_path / "runs")[0]


def test_an_error_in_a_metric_keeps_what_was_trained(jobs, tmp_path, monkeypatch):
    def metric(codes):
        raise KeyError("mine")

    found = score(jobs, tmp_path, monkeypatch, metric)
    assert found.status == "failed"
    assert found.reason.startswith(
        "RuntimeError: metric 'mine': KeyError: 'mine' (test_worker.py, line "
    )
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

        def _kl(self, q, z):
            exponents = torch.stack(self.inner_exponents()).sum()
            return super()._kl(q, z) + torch.sqrt((z * 0).sum(-1) * exponents)

    todo = broken(
        Cusp,
        ("batch_size = 8", "batch_size = 32"),
        ("epochs = 3", "epochs = 1"),
        ('metrics = ["mig", "active_latents"]', 'metrics = ["active_latents"]'),
    )
    run_jobs(todo[:1], tmp_path / "r")
    rows = store.load_records(tmp_path / "r")
    assert [(r.status, r.scores) for r in rows] == [("failed", {})]
    assert re.search("finite|nan", rows[0].reason)


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

    experiment = Experiment(jobs()[0].setting)
    with pytest.raises(BrokenPipeError):
        list(run_block(experiment, [0], "cpu", progress))
