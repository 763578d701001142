import subprocess
import sys
from multiprocessing import get_context

import pytest
import torch

from priorbench.bench.execution import devices
from priorbench.bench.execution.schedule import Block, Machine
from priorbench.bench.execution.worker import complete_block
from tests.bench.small_study import load_jobs


@pytest.fixture
def gpus(monkeypatch):
    """Two of them, and a process that has claimed nothing yet."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "_held", [])
    devices.claim_device.cache_clear()
    yield
    for lock in devices._held:
        lock.release()
    devices.claim_device.cache_clear()


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("device", "workers"), [("cpu", 4), ("cuda:1", 4), ("cuda", 1)]
)
def test_one_device_is_everybodys(device, workers, tmp_path):
    assert devices.claim_device(device, workers, tmp_path) == device
    assert not list(tmp_path.iterdir())


def claimed(folder, queue, done):
    torch.cuda.device_count = lambda: 2
    queue.put(devices.claim_device("cuda", 4, folder))
    done.wait(30)


@pytest.mark.usefixtures("gpus")
def test_processes_share_the_gpus_out(tmp_path):
    """Four processes on two GPUs, two each; asked again, a process has the same one."""
    context = get_context("spawn")
    queue, done = context.Queue(), context.Event()
    others = [
        context.Process(target=claimed, args=(tmp_path, queue, done)) for _ in range(3)
    ]
    for process in others:
        process.start()
    try:
        found = [queue.get(timeout=60) for _ in others]
        found.append(devices.claim_device("cuda", 4, tmp_path))
        assert sorted(found) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
        assert devices.claim_device("cuda", 4, tmp_path) == found[-1]
    finally:
        done.set()
        for process in others:
            process.join(30)


@pytest.mark.usefixtures("gpus")
def test_a_process_that_has_ended_gives_its_place_back(tmp_path):
    code = (
        "import sys, torch; from pathlib import Path; from priorbench.bench.execution import devices; "
        "torch.cuda.device_count = lambda: 2; "
        "print(devices.claim_device('cuda', 2, Path(sys.argv[1])))"
    )
    gone = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert gone.stdout.strip() == "cuda:0"
    assert devices.claim_device("cuda", 2, tmp_path) == "cuda:0"


@pytest.mark.parametrize(
    ("device", "entered"), [("cpu", []), ("cuda", []), ("cuda:1", [1])]
)
def test_a_process_is_on_its_own_device_alone(device, entered, monkeypatch):
    found = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda d: found.append(d.index))
    devices.enter_device(device)
    assert found == entered


@pytest.mark.usefixtures("gpus")
def test_a_worker_enters_its_device_before_it_uses_one(tmp_path, monkeypatch):
    """What comes next asks the device for its name."""
    entered = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda d: entered.append(d.index))

    def name_device(device):
        assert entered == [1]
        raise InterruptedError

    monkeypatch.setattr(torch.cuda, "get_device_name", name_device)
    block = load_block(tmp_path)
    with pytest.raises(InterruptedError):
        complete_block(block, tmp_path, Machine("cuda:1"), lambda message: None)


def load_block(tmp_path):
    (job, *_) = load_jobs(tmp_path)
    return Block(job.setting, (0,))
