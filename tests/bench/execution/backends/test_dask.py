"""The dask back end: a cluster in this process, and one of processes that are killed."""

import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from priorbench.bench.execution import stopping
from priorbench.bench.execution.backends.cluster import open_client
from priorbench.bench.execution.backends.dask import Pool
from priorbench.bench.execution.plan import plan_study
from priorbench.bench.execution.schedule import Block, Machine, Task
from priorbench.bench.execution.stopping import Stopped, stop_on_signals
from priorbench.bench.execution.survey import Survey
from priorbench.bench.results.checkpoints import CHECKPOINTS, Checkpoints
from priorbench.bench.study.scores import list_requests
from priorbench.errors import UserError
from tests.bench.small_study import STEPS, load_jobs_results, run_jobs

distributed = pytest.importorskip("distributed", reason="distributed is not installed")

MACHINE = Machine("cpu", command="the command")


@pytest.fixture(scope="module")
def client():
    """Of a cluster whose one worker is a thread of this process."""
    cluster = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=50,
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def complete(client, tmp_path):
    """Runs blocks through the scheduler; returns those that are done, and messages."""

    def run(*blocks, machine=MACHINE, name="tiny", **options):
        told = []
        pool = Pool(client, **options)
        done = pool.run_blocks(blocks, tmp_path / name, machine, told.append)
        return list(done), told

    return run


def make_blocks(jobs):
    """A block of two seeds for each of the study's four settings."""
    settings = {job.setting.key: job.setting for job in jobs}
    requests = tuple(list_requests(jobs[0].setting.grid))
    return [Block(setting, (0, 1), True, requests) for setting in settings.values()]


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def test_results_come_back_as_the_local_back_end_makes_them(jobs, complete, tmp_path):
    """Models, curves, scores and their arrays, to the last digit."""
    todo = jobs()
    here = run_jobs(todo, tmp_path / "local" / "tiny", 2)
    blocks = make_blocks(todo)
    done, told = complete(*blocks, name="dask/tiny")
    assert sorted(block.label for block in done) == sorted(b.label for b in blocks)
    assert {message[0] for message in told} == {block.label for block in blocks}
    there = load_jobs_results(todo, tmp_path / "dask" / "tiny")
    for one, other in zip(here, there, strict=True):
        assert other.scores == one.scores
        assert other.model.digests == one.model.digests
        digests = {key: score.digests for key, score in one.records.items()}
        assert digests == {key: score.digests for key, score in other.records.items()}
        assert other.provenance.command == "the command"
    local, dask = tmp_path / "local" / "models", tmp_path / "dask" / "models"
    assert list_files(local) == list_files(dask)


def test_models_are_sent_to_be_scored(jobs, complete, tmp_path):
    (before,) = run_jobs(jobs()[-1:], tmp_path / "tiny")
    shutil.rmtree(tmp_path / "models" / before.id / "scores")
    block = replace(make_blocks(jobs()[-1:])[0], seeds=(before.seed,), train=False)
    done, _ = complete(block)
    assert done == [block]
    (after,) = load_jobs_results(jobs()[-1:], tmp_path / "tiny")
    assert after.scores == before.scores
    assert after.model.created == before.model.created


def test_a_shared_disk_has_checkpoints(jobs, complete, tmp_path):
    (tmp_path / "tiny").mkdir()
    block = make_blocks(jobs())[0]
    late = replace(MACHINE, deadline=time.time() + 1000, checkpoint_minutes=1e-9)
    saved = []
    save = Checkpoints.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", lambda *a: (saved.append(a), save(*a)))
        done, _ = complete(block, machine=late, shared=True)
    assert done == [block]
    assert len(saved) == 2 * (3 * STEPS - 1)
    assert list_files(tmp_path / CHECKPOINTS) == []
    assert len(load_jobs_results(jobs()[:2], tmp_path / "tiny")) == 2


def test_without_a_shared_disk_the_deadline_leaves_nothing(jobs, complete, tmp_path):
    """A training that it ends has no checkpoint, and nothing is started after it."""
    first, second, *_ = make_blocks(jobs())
    clock, start = time.time, time.time()
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(
            time, "time", lambda: calls.append(1) or clock() + 1e4 * (len(calls) > 1)
        )
        machine = replace(MACHINE, deadline=start + 1000)
        assert complete(first, second, machine=machine)[0] == []
    assert not (tmp_path / "models").exists()


def test_a_block_that_ends_every_process_has_failed(jobs, complete, tmp_path, client):
    """With that reason; of a model that is there, the scores that it lacks."""
    first, second, *_ = make_blocks(jobs())
    run_jobs([job for job in jobs() if job.id == first.jobs[0].id], tmp_path / "tiny")
    shutil.rmtree(tmp_path / "models" / first.jobs[0].id / "scores")
    worker = SimpleNamespace(address="tcp://node7:1234")
    killed = distributed.KilledWorker("key", worker, 3)
    submit, calls = client.submit, []

    def submit_once(*arguments, **options):
        calls.append(submit(*arguments, **options))
        if len(calls) > 1:
            return calls[-1]
        calls[0].cancel()
        return SimpleNamespace(done=lambda: True, exception=lambda: killed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "submit", submit_once)
        done, _ = complete(first, second)
    assert done == [first, second]
    found = load_jobs_results(jobs(), tmp_path / "tiny")
    assert [r.status for r in found] == ["finished", "failed", "finished", "finished"]
    reason = (
        "its process died, in 4 workers one after the other, the last at "
        "tcp://node7:1234; that is most often a lack of memory"
    )
    assert found[1].reason == reason
    assert set(found[0].failed_scores.values()) == {reason}
    assert not found[2].failed_scores


def test_another_data_set_is_named(jobs, complete):
    block = make_blocks(jobs())[0]
    config = {**block.setting.config, "dataset": {"name": "dsprites"}}
    other = replace(block, setting=replace(block.setting, config=config))
    with pytest.raises(
        UserError, match=r"cannot use the data set 'dsprites' .*it is n"
    ):
        complete(other)


def test_a_folder_that_is_not_shared_is_named(jobs, complete):
    with pytest.raises(
        UserError, match=r"has no folder .*nowhere; it must be one that"
    ):
        complete(make_blocks(jobs())[0], name="nowhere", shared=True)


def test_a_plan_is_made_by_a_process(jobs, client):
    survey = Survey(tuple(Task(job, True, ()) for job in jobs()))
    pool = Pool(client, most=5)
    assert (pool.count_neighbours(), pool.count_processes()) == (1, 5)
    plan = pool.call(plan_study, survey, "cpu", 1, (), "the command", 5)
    assert (plan.machine.device, plan.machine.workers) == ("cpu", 5)
    assert plan.machine.command == "the command"
    with pytest.raises(UserError, match="there is no device 'cuda:9'"):
        pool.call(plan_study, survey, "cuda:9", 1)


@pytest.mark.parametrize(
    ("target", "text", "message"),
    [
        ("node7", None, "must be the address of a scheduler, like tcp://host:8786"),
        ("c.toml", None, "--dask .*c.toml: .*No such file"),
        ("c.toml", "a =", "not valid TOML"),
        ("c.toml", "cores = 1", "'system': known: slurm, pbs, sge"),
        ("c.toml", 'system = "slrm"', "'system': did you mean 'slurm'"),
        (
            "c.toml",
            'system = "slurm"\njobs = 0',
            "'jobs' must be a whole number; got 0",
        ),
    ],
)
def test_a_wrong_cluster_is_an_error(target, text, message, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace())
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "c.toml").write_text(text)
    with pytest.raises(UserError, match=message), open_client(target, 1, tmp_path):
        pass


def test_a_stop_leaves_no_client_half_open(tmp_path, monkeypatch):
    closed = []

    class Client:
        def __init__(self, *_, **__):
            os.kill(os.getpid(), signal.SIGTERM)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            closed.append(self)

        def nthreads(self):
            return {}

    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(stopping, "_end_now", lambda status: None)
    opening = open_client("tcp://node7:8786", 1, tmp_path)
    with pytest.raises(Stopped), stop_on_signals(), opening:
        pytest.fail("it went on")
    assert len(closed) == 1


@pytest.mark.parametrize("least", [None, 0])
def test_a_cluster_of_a_batch_queue(least, tmp_path, monkeypatch, client):
    """Its keys go to dask-jobqueue; a process has one thread of dask, so one block."""
    calls = {}

    class Cluster:
        scheduler_address = client.scheduler.address

        def __init__(self, **keys):
            calls["keys"] = keys

        def __enter__(self):
            return client.cluster

        def __exit__(self, *_):
            calls["closed"] = True

        def sync(self, function):
            function()

        def _correct_state(self):
            calls["submitted"] = True

        def scale(self, **amount):
            calls["scale"] = amount

        def adapt(self, **amount):
            calls["adapt"] = amount

    queues = SimpleNamespace(SLURMCluster=Cluster)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", queues)
    text = 'system = "slurm"\ncores = 4\nmemory = "8GB"\nqueue = "gpu"\njobs = 3\n'
    text += "" if least is None else f"minimum_jobs = {least}\n"
    (tmp_path / "c.toml").write_text(text)
    with open_client(str(tmp_path / "c.toml"), 1, tmp_path) as (_, most):
        assert most == 12
    assert calls["closed"]
    keys = calls["keys"]
    assert (keys["cores"], keys["processes"], keys["queue"]) == (4, 4, "gpu")
    assert keys["worker_extra_args"] == ["--nthreads", "1"]
    assert calls["submitted"]
    assert calls["scale"] == {"jobs": 3 if least is None else 1}
    if least is not None:
        assert calls["adapt"] == {"minimum_jobs": 0, "maximum_jobs": 3}


KILLER = """
import os, pathlib, signal
import distributed
from priorbench import priors

@priors.register("killer")
class Killer(priors.Normal):
    def __init__(self, latent_dim, mark):
        super().__init__(latent_dim)
        self.mark = pathlib.Path(mark)

    def _kl(self, q, z):
        try:
            distributed.get_worker()
        except ValueError:  # the command's own process, which plans
            return super()._kl(q, z)
        if not self.mark.exists():
            if self.mark.parent.exists():
                self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._kl(q, z)
"""
"""It ends its process, once or, where its mark cannot be made, every time."""


@pytest.mark.slow
def test_processes_that_are_killed(tmp_path, tiny, run):
    """A run goes on in another process; one that ends each has failed, alone."""
    (tmp_path / "killer.py").write_text(KILLER)
    prior = '{ name = "killer", mark = "%s" }'
    once, always = tmp_path / "mark", tmp_path / "nowhere" / "mark"
    grid = tiny(
        ('prior = "normal"', f"prior = {prior % once}"),
        append=f'[[methods]]\nname = "always"\nobjective = "beta_vae"\nbeta = [1.0]\n'
        f"prior = {prior % always}\n",
    )
    words = ("--grid", grid, "--plugin", "killer.py", "--backend", "dask", "--jobs", 2)
    done = run(*words, check=1)
    assert once.exists()
    rows = pd.read_csv(tmp_path / "runs" / "tiny" / "runs.csv").set_index("method")
    assert len(rows) == 5
    assert rows.loc["always", "status"] == "failed"
    assert "its process died, in 4 workers" in rows.loc["always", "reason"]
    assert (rows.drop("always")["status"] == "finished").all()
    assert "1 of 5 runs failed: see the column 'reason' of " in done.stdout
