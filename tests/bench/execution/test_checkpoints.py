"""Checkpoints of blocks: kept, gone on from, refused; a command that is killed."""

import errno
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from priorbench.bench.execution import stopping
from priorbench.bench.execution.backends import local
from priorbench.bench.execution.backends.local import end_pool, run_blocks
from priorbench.bench.execution.block_checkpoint import identify_code
from priorbench.bench.execution.schedule import Block, Machine, plan_rounds
from priorbench.bench.execution.stopping import Stopped, stop_on_signals
from priorbench.bench.execution.survey import survey_store
from priorbench.bench.results.checkpoints import CHECKPOINTS, Checkpoint, Checkpoints
from priorbench.bench.results.records import Provenance
from priorbench.bench.results.store import RECORD, Store
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs
from priorbench.bench.study.scores import list_requests
from priorbench.bench.training.train import Training
from tests.bench.conftest import ROOT
from tests.bench.small_study import STEPS, run_jobs

EVERY_STEP = 1e-9
"""Minutes."""


class Stop(BaseException):
    """Stands for a kill."""


@pytest.fixture
def block(jobs):
    """The two seeds of the study's last setting, whose prior is learned."""
    setting = jobs()[-1].setting
    return Block(setting, (0, 1), True, tuple(list_requests(setting.grid)))


@pytest.fixture
def steps(monkeypatch):
    """Counts the steps that are taken, and ends them by a :class:`Stop`."""
    run_steps = Training.run_steps

    class Steps:
        taken, last = 0, None

        def run_steps(self, training):
            if self.taken == self.last:
                raise Stop
            run_steps(training)
            self.taken += 1

    steps = Steps()
    monkeypatch.setattr(Training, "run_steps", lambda t: steps.run_steps(t))
    return steps


def run_to_end(block, root, minutes=EVERY_STEP, **options):
    machine = Machine("cpu", checkpoint_minutes=minutes, **options)
    told = []
    done = list(run_blocks([block], root / "tiny", machine, told.append))
    return done, told


def kill_after(steps, number, block, root):
    """Run a block to a step, with a checkpoint after every step."""
    steps.last = number
    with pytest.raises(Stop):
        run_to_end(block, root)
    steps.taken, steps.last = 0, None


def describe(block, root):
    """What a block has left in the store, but for times."""
    store, found = Store(root), []
    keys = [request.key for request in block.requests]
    for job in block.jobs:
        record = store.load_model(job.id)
        scores = store.load_scores(job.id, keys)
        values = {key: (s.values, s.digests) for key, s in scores.items()}
        found.append((record.status, record.learned, record.digests, values))
    return found


def list_left(root):
    return sorted(path.name for path in (root / CHECKPOINTS).iterdir())


def test_a_killed_block_ends_as_one_that_was_not(block, steps, tmp_path):
    """Losses, parameters and scores are the same, and no checkpoint stays."""
    run_to_end(block, tmp_path / "whole", minutes=0)
    assert not (tmp_path / "whole" / CHECKPOINTS).exists()
    total, steps.taken = steps.taken, 0
    assert total == 3 * STEPS
    killed = tmp_path / "killed"
    kill_after(steps, STEPS + 2, block, killed)
    assert list_left(killed) == sorted(f"{job.id}.checkpoint" for job in block.jobs)
    begun = Checkpoints(killed).find()[block.jobs[0].id]
    assert (begun.epoch, begun.position) == (1, 2)
    done, told = run_to_end(block, killed)
    assert done == [block]
    assert steps.taken == total - STEPS - 2
    assert [message[2] for message in told] == [1, 2, 3]
    assert describe(block, killed) == describe(block, tmp_path / "whole")
    assert list_left(killed) == []
    seconds = Store(killed).load_model(begun.id).timings["train_seconds"]
    assert seconds > begun.seconds > 0


def test_seeds_that_go_on_alone(block, steps, tmp_path):
    """A block of other seeds takes over what belongs to them."""
    kill_after(steps, 5, block, tmp_path)
    alone = Block(block.setting, (1,), True, block.requests)
    run_to_end(alone, tmp_path)
    assert steps.taken == 3 * STEPS - 5
    assert list_left(tmp_path) == [f"{block.jobs[0].id}.checkpoint"]
    assert [task.reached for task in survey(block, tmp_path)] == [(1, 1)]


def survey(block, root):
    found = Checkpoints(root).find()
    store, requests = Store(root), block.requests
    return survey_store(store, block.jobs, requests, True, checkpoints=found).tasks


def test_seeds_of_one_step_go_on_together_and_first(jobs, steps, tmp_path):
    setting = jobs(("seeds = 2", "seeds = 6"))[0].setting
    kill_after(steps, 6, Block(setting, (3, 4)), tmp_path)
    kill_after(steps, 2, Block(setting, (1,)), tmp_path)
    everything = Block(setting, tuple(range(6)))
    rounds = plan_rounds(survey(everything, tmp_path), 2)
    assert [block.seeds for (block,) in rounds] == [(3, 4), (1,), (0, 2), (5,)]


def spoil(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_no_damaged_checkpoint_is_used(block, steps, tmp_path, caplog):
    kill_after(steps, 5, block, tmp_path)
    checkpoints, model = Checkpoints(tmp_path), block.jobs[0].id
    path = checkpoints.folder / f"{model}.checkpoint"
    whole, generator = path.read_bytes(), random.Random(0)
    for position in [0, 80, *(generator.randrange(len(whole)) for _ in range(30))]:
        spoil(path, position)
        assert checkpoints.load(model) is None
        path.write_bytes(whole)
    for length in (0, 40, 300, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert checkpoints.load(model) is None
    checkpoints.find()
    caplog.clear()
    done, _ = run_to_end(block, tmp_path, minutes=0)
    assert (done, steps.taken) == ([block], 3 * STEPS)
    (line,) = caplog.messages
    assert line == (
        f"the checkpoint {path} is not used: {path} is damaged: its digest is another"
    )


def test_a_checkpoint_of_another_run_is_not_used(block, steps, tmp_path, caplog):
    kill_after(steps, 5, block, tmp_path)
    first, second = (
        tmp_path / CHECKPOINTS / f"{job.id}.checkpoint" for job in block.jobs
    )
    second.write_bytes(first.read_bytes())
    run_to_end(block, tmp_path)
    assert steps.taken == 3 * STEPS
    assert caplog.messages == [
        f"the checkpoint {second} is not used: it is of another run"
    ]


def test_a_checkpoint_of_other_code_is_not_used(block, steps, tmp_path, caplog):
    kill_after(steps, 5, block, tmp_path)
    checkpoints = Checkpoints(tmp_path)
    found = checkpoints.load(block.jobs[0].id)
    provenance = found.record.provenance
    versions = {**provenance.versions, "torch": "1.0"}
    old = provenance.model_copy(update={"versions": versions, "command": "another"})
    record = found.record.model_copy(update={"provenance": old})
    checkpoints.save(Checkpoint(record, found.state))
    run_to_end(block, tmp_path)
    assert steps.taken == 3 * STEPS
    (line,) = caplog.messages
    assert line == (
        f"the checkpoint of run {record.id} is not used: it is of torch 1.0, now "
        f"{provenance.versions['torch']}"
    )


@pytest.mark.parametrize("device", ["cuda:0 (NVIDIA H200)", "cuda:3 (NVIDIA H200)"])
def test_gpus_of_a_kind_are_alike(device):
    code = identify_code(Provenance(device=device))
    assert code["device"] == "cuda (NVIDIA H200)"


def test_seeds_at_different_steps_start_anew(block, steps, tmp_path, caplog):
    """Their plan has them in different blocks; somebody has copied files."""
    kill_after(steps, 5, block, tmp_path)
    kill_after(steps, 2, Block(block.setting, (0,)), tmp_path)
    run_to_end(block, tmp_path)
    assert steps.taken == 3 * STEPS
    assert "others of its block are at another step" in caplog.text


def test_a_state_that_does_not_fit_is_not_used(block, steps, tmp_path, caplog):
    """As after a change of the code that is not committed."""
    kill_after(steps, 5, block, tmp_path)
    checkpoints, model = Checkpoints(tmp_path), block.jobs[1].id
    found = checkpoints.load(model)
    found.state.pop("ensemble/values/model.architecture.encoder.0.bias")
    checkpoints.save(found)
    run_to_end(block, tmp_path)
    assert steps.taken == 3 * STEPS
    assert "it does not fit (ValueError: other names" in caplog.text
    assert describe(block, tmp_path)[1][0] == "finished"


def test_a_full_disk_is_a_warning(block, tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoints, "save", full)
    done, _ = run_to_end(block, tmp_path)
    assert done == [block]
    assert "cannot write a checkpoint: [Errno 28] No space left" in caplog.text


def test_a_training_stops_at_the_deadline(block, steps, tmp_path, monkeypatch):
    """With a checkpoint; and no block is started afterwards."""
    clock, start = time.time, time.time()
    late = {True: 2000.0, False: 0.0}
    monkeypatch.setattr(time, "time", lambda: clock() + late[steps.taken >= 6])
    machine = Machine("cpu", deadline=start + 1000)
    other = Block(block.setting, (2,))
    blocks = run_blocks([block, other], tmp_path / "tiny", machine, lambda told: None)
    assert list(blocks) == []
    assert steps.taken == 6
    assert [task.reached for task in survey(block, tmp_path)] == [(1, 2)] * 2
    assert not (tmp_path / "models").exists()


def test_what_a_kill_left_of_a_finished_run_goes(block, steps, tmp_path):
    kill_after(steps, 5, block, tmp_path)
    checkpoints, store, (first, second) = (
        Checkpoints(tmp_path),
        Store(tmp_path),
        block.jobs,
    )
    run_to_end(Block(block.setting, (0,)), tmp_path / "other")
    folder = store.folder / first.id
    folder.parent.mkdir()
    (tmp_path / "other" / "models" / first.id).rename(folder)
    checkpoints.remove_finished(store)
    assert list_left(tmp_path) == [f"{second.id}.checkpoint"]
    # of a run that is done again
    path = checkpoints.folder / f"{second.id}.checkpoint"
    (store.folder / second.id).mkdir()
    record = store.folder / second.id / RECORD
    record.write_bytes(b"")
    os.utime(record, (0, 0))
    checkpoints.remove_finished(store)
    assert path.is_file()


def count_checkpoints(root):
    return len(list(root.glob(f"{CHECKPOINTS}/*.checkpoint")))


def test_a_command_that_is_killed_goes_on(
    tmp_path, tiny, run, environment, monkeypatch
):
    """By SIGKILL in the middle of a training; the models are those of a whole run."""
    monkeypatch.setenv("PRIORBENCH_DATA", environment["PRIORBENCH_DATA"])
    grid = tiny(("beta = [1.0, 4.0]", "beta = [4.0]"), epochs=12)
    words = ("--grid", grid, "--only", "ISA-TCVAE", "--jobs", 1)
    runs, command = tmp_path / "runs", [sys.executable, "-m", "bench.run"]
    command += [*map(str, words), "--out", str(runs), "--device", "cpu"]
    command += ["--checkpoint-minutes", str(EVERY_STEP)]
    killed = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    begun = Checkpoints(runs)
    while not any(record.epoch > 0 for record in begun.find().values()):
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    left = begun.find()
    assert count_checkpoints(runs) == len(left) == 1
    done = run(*words, check=0)
    assert "1 of them have a checkpoint to go on from" in done.stdout
    assert count_checkpoints(runs) == 0
    (todo,) = [job for job in list_jobs(load_grid(grid)) if job.id in left]
    (whole,) = run_jobs([todo], tmp_path / "whole" / "tiny")
    assert Store(runs).load_model(todo.id).digests == whole.model.digests


def test_a_command_stops_before_its_time_limit(tmp_path, tiny, run):
    grid = tiny(epochs=100_000)
    words = ("--grid", grid, "--only", "β-VAE", "--jobs", 1)
    stopped = run(*words, "--time-limit", 0.06, check=124)
    assert "stopped; finished runs are kept" in stopped.stdout
    assert "Go on with\n    python -m bench.run --grid" in stopped.stdout


@pytest.fixture
def stoppable(monkeypatch):
    """A context in which a signal stops, but does not end the tests at last."""
    monkeypatch.setattr(stopping, "_end_now", lambda status: None)
    return stop_on_signals


def stop_command():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_stop_waits_until_the_state_of_the_training_is_kept(
    block, stoppable, tmp_path
):
    run_to_end(block, tmp_path / "whole", minutes=0)
    stopped = tmp_path / "stopped"

    def show(message):
        if message[2] == 1:
            stop_command()

    blocks = run_blocks([block], stopped / "tiny", Machine("cpu"), show)
    with pytest.raises(Stopped) as stop, stoppable():
        list(blocks)
    assert stop.value.status == 128 + signal.SIGTERM
    begun = Checkpoints(stopped).find()
    assert [(one.epoch, one.position) for one in begun.values()] == [(1, 0), (1, 0)]
    done, told = run_to_end(block, stopped, minutes=0)
    assert done == [block]
    assert [message[2] for message in told] == [1, 2, 3]
    assert describe(block, stopped) == describe(block, tmp_path / "whole")


def test_a_stop_at_the_last_step_loses_no_training(block, stoppable, tmp_path):
    def show(message):
        if message[2] == 3:
            stop_command()

    blocks = run_blocks([block], tmp_path / "tiny", Machine("cpu"), show)
    with pytest.raises(Stopped), stoppable():
        list(blocks)
    status = [Store(tmp_path).load_model(job.id).status for job in block.jobs]
    assert status == ["finished", "finished"]
    assert not (tmp_path / CHECKPOINTS).exists()


def test_a_second_signal_stops_at_once(block, stoppable, tmp_path):
    def show(message):
        if message[2] == 1:
            stop_command()
            stop_command()

    blocks = run_blocks([block], tmp_path / "tiny", Machine("cpu"), show)
    with pytest.raises(Stopped), stoppable():
        list(blocks)
    assert not (tmp_path / CHECKPOINTS).exists()


@pytest.fixture
def managers(monkeypatch):
    """The processes that pass on messages."""
    made = []

    class Noted(local.SyncManager):
        def start(self, *arguments):
            super().start(*arguments)
            made.append(self._process.pid)

    monkeypatch.setattr(local, "SyncManager", Noted)
    return made


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_stop_keeps_the_trainings_of_other_processes(
    jobs, stoppable, managers, tmp_path, everywhere
):
    """A batch queue sends its signal to all processes of a job."""
    setting = jobs(("epochs = 3", "epochs = 5000"))[-1].setting
    blocks, begun = [Block(setting, (0,)), Block(setting, (1,))], set()

    def show(message):
        if message[2] and message[0] not in begun:
            begun.add(message[0])
            if len(begun) == 2:
                for process in managers if everywhere else []:
                    os.kill(process, signal.SIGTERM)
                    time.sleep(0.2)
                stop_command()

    running = run_blocks(blocks, tmp_path / "tiny", Machine("cpu", workers=2), show)
    with pytest.raises(Stopped), stoppable():
        list(running)
    end_pool()
    kept = Checkpoints(tmp_path).find()
    assert sorted(kept) == sorted(job.id for b in blocks for job in b.jobs)
    assert all(one.epoch > 0 for one in kept.values())


def test_what_trains_ends_without_the_process_that_passes_on_messages(
    jobs, managers, tmp_path
):
    setting, begun = jobs(("epochs = 3", "epochs = 300"))[-1].setting, set()
    blocks = [Block(setting, (0,), True), Block(setting, (1,), True)]

    def show(message):
        begun.add(message[0])
        if len(begun) == 2 and managers:
            os.kill(managers.pop(), signal.SIGKILL)

    running = run_blocks(blocks, tmp_path / "tiny", Machine("cpu", workers=2), show)
    assert sorted(block.seeds for block in running) == [(0,), (1,)]
    end_pool()
    assert not managers
    for job in (job for block in blocks for job in block.jobs):
        assert Store(tmp_path).load_model(job.id).status == "finished"
