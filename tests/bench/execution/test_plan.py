"""The plan: operations, time, processes and devices."""

from dataclasses import replace
from importlib.metadata import version

import pytest
import torch

from priorbench import datasets
from priorbench.bench.execution import plan, provenance
from priorbench.bench.execution.schedule import Machine, Task
from priorbench.bench.execution.survey import Survey
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs
from priorbench.bench.study.scores import list_requests
from priorbench.bench.training import experiment
from priorbench.bench.training.cuda_graph import CALLS_BEFORE_RECORDING
from priorbench.bench.training.experiment import Experiment
from priorbench.errors import UserError
from tests.bench.small_study import IMAGES, load_jobs
from tests.priorbench.machine_faults import MACHINE_FAULTS

CHANGES = (("seeds = 2", "seeds = 3"), ("batch_size = 8", "batch_size = 10"))
SCORED = 5 * 10
"""Passes of the importance-weighted likelihood: samples times images."""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(plan, "CALIBRATION_SECONDS", 0.02)
    return load_jobs(tmp_path, *CHANGES)


@pytest.fixture
def cores(monkeypatch):
    """A machine of eight cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(plan, "count_cores", lambda: 8)


def products(latents, hidden):
    """Operations of the MLP on one image: forward, and forward with backward.

    A product of a layer costs twice its weights; backward it is done for the weights and for
    the inputs, but not for those of the first layer.
    """
    sizes = [
        (4096, hidden),
        (hidden, hidden),
        (hidden, 2 * latents),
        (latents, hidden),
        (hidden, hidden),
        (hidden, hidden),
        (hidden, 4096),
    ]
    forward = sum(2 * a * b for a, b in sizes)
    return forward, 3 * forward - 2 * 4096 * hidden


def test_operations_of_the_papers_networks(monkeypatch):
    """About 75 million for a forward and a backward pass on one image."""
    paper = list_jobs(load_grid("dsprites_beta"))[0]
    small = datasets.FactorDataset("small", ("a",), (1,), (1, 64, 64))
    monkeypatch.setattr(experiment, "load_study_dataset", lambda plugin: small)
    once, both = plan.count_image_flops(Experiment(paper.setting))
    assert (once, both) == products(20, 1200)
    assert 74e6 < both < 77e6


def list_tasks(jobs, train=True):
    return [Task(job, train, tuple(list_requests(job.setting.grid))) for job in jobs]


def count_run_flops(job):
    own = Experiment(job.setting)
    images = plan.count_scored_images(own, list_requests(own.grid))
    return plan.count_training_flops(own) + images * plan.count_image_flops(own)[0]


def test_operations_of_a_run(jobs):
    """Three epochs of three batches of ten, then all images once to be scored, and ten
    of them five times for their likelihood."""
    for job in (jobs[0], jobs[-1]):
        once, both = plan.count_image_flops(Experiment(job.setting))
        assert (once, both) == products(4, 16)
        assert count_run_flops(job) == 3 * 30 * both + (IMAGES + SCORED) * once


def test_a_batch_is_at_most_all_images(tmp_path, jobs):
    (whole, *_) = load_jobs(tmp_path, ("batch_size = 8", "batch_size = 2048"))
    once, both = plan.count_image_flops(Experiment(whole.setting))
    expected = 3 * IMAGES * both + (IMAGES + SCORED) * once
    assert count_run_flops(whole) == expected


def test_plan_adds_up(jobs, monkeypatch):
    """Two methods of different speed."""
    asked = []

    def measure_rate(experiment, machine, seconds):
        method = experiment.setting.method.name
        asked.append((method, seconds))
        return {"β-VAE": 1e6, "ISA-TCVAE": 1e5}[method]

    monkeypatch.setattr(plan, "measure_rate", measure_rate)
    survey = Survey(tuple(list_tasks(jobs)), 5, 2)
    made = plan.make_plan(survey, Machine("cpu", workers=2))
    each = count_run_flops(jobs[0])
    assert made.tasks == survey.tasks
    assert made.flops == 12 * each
    assert made.seconds == pytest.approx((6 * each / 1e6 + 6 * each / 1e5) / 2)
    assert asked == [("β-VAE", 0.01), ("ISA-TCVAE", 0.01)]
    models = (Experiment(job.setting).make_model() for job in (jobs[0], jobs[-1]))
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    assert made.disk_bytes == 6 * 4 * sum(sizes)


def test_what_is_trained_costs_its_scoring_only(jobs, monkeypatch):
    monkeypatch.setattr(plan, "measure_rate", lambda *arguments: 1e6)
    survey = Survey(tuple(list_tasks(jobs[:1], train=False)))
    made = plan.make_plan(survey, Machine("cpu"))
    once, _ = plan.count_image_flops(Experiment(jobs[0].setting))
    assert made.flops == (IMAGES + SCORED) * once
    assert made.disk_bytes == 0


def test_workers_that_have_nothing_to_do_do_not_help(jobs, monkeypatch):
    monkeypatch.setattr(plan, "measure_rate", lambda *arguments: 1e6)
    survey = Survey(tuple(list_tasks(jobs[:1])))
    made = plan.make_plan(survey, Machine("cpu", workers=8))
    assert made.seconds == pytest.approx(count_run_flops(jobs[0]) / 1e6)


@pytest.fixture
def roomy(monkeypatch):
    """A machine of eight cores on which a process takes 1 GB and 3.5 GB are free."""
    monkeypatch.setattr(plan, "measure_rate", lambda *arguments: 1e9)
    monkeypatch.setattr(plan, "choose_threads", lambda experiment, machine: machine)
    monkeypatch.setattr(plan, "count_cores", lambda: 8)
    monkeypatch.setattr(plan, "measure_process_peak", lambda: 10**9)
    monkeypatch.setattr(plan, "measure_free_memory", lambda: 35 * 10**8)


def test_no_more_processes_than_fit_the_memory(jobs, roomy):
    survey = Survey(tuple(list_tasks(jobs)))
    made = plan.plan_study(survey, "cpu", None)
    assert made.machine.workers == 3
    assert made.seconds == pytest.approx(made.flops / 1e9 / 3)
    assert plan.plan_study(survey, "cpu", 3).machine.workers == 3


def test_too_many_processes_are_refused(jobs, roomy):
    survey = Survey(tuple(list_tasks(jobs)))
    message = "4 processes of 1 GB each do not fit the free memory, 3.5 GB; .* --jobs 3"
    with pytest.raises(UserError, match=message):
        plan.plan_study(survey, "cpu", 4)
    one = Survey(tuple(list_tasks(jobs[:1])))
    assert plan.plan_study(one, "cpu", 4).machine.workers == 1


def test_memory_is_measured():
    assert 10**7 < plan.measure_process_peak() < 10**12
    assert 10**7 < plan.measure_free_memory() < 10**14


@pytest.mark.parametrize("error", MACHINE_FAULTS)
def test_the_machines_faults_are_not_taken_for_the_methods(jobs, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(plan, "measure_rate", fail)
    with pytest.raises(type(error)):
        plan.make_plan(Survey(tuple(list_tasks(jobs))), Machine("cpu"))


def test_nothing_to_plan():
    made = plan.make_plan(Survey((), 12, 1), Machine("cpu"))
    assert (made.tasks, made.flops, made.seconds) == ((), 0, 0)


@pytest.mark.parametrize("precision", experiment.PRECISIONS)
@pytest.mark.parametrize("size", [1, 2])
def test_calibration_measures(jobs, precision, size):
    own = Experiment(replace(jobs[-1].setting, precision=precision))
    before = torch.get_float32_matmul_precision()
    rate = plan.measure_rate(own, Machine("cpu", block_size=size), 0.02)
    assert 1e5 < rate < 1e13
    assert torch.get_float32_matmul_precision() == before


def test_calibration_counts_images_and_time(jobs, monkeypatch):
    """A clock that goes on by a second per step."""
    steps, clock = [], []

    class Slow:
        def step(self, pixels, batch_size, epoch, position, epochs):
            steps.append((batch_size, position))

    monkeypatch.setattr(Experiment, "make_ensemble", lambda *_: Slow())
    monkeypatch.setattr(
        plan.time, "perf_counter", lambda: float(clock.append(0) or len(steps))
    )
    own = Experiment(jobs[0].setting)
    rate = plan.measure_rate(own, Machine("cpu", block_size=3), 5.0)
    assert len(steps) == 1 + 5
    assert {batch for batch, _ in steps} == {10}
    assert {position for _, position in steps} == {0, 1, 2}
    assert rate == pytest.approx(3 * 10 * plan.count_image_flops(own)[1])


@pytest.mark.parametrize(
    ("count", "asked", "workers", "threads"),
    [
        (100, None, 8, 1),
        (100, 2, 2, 4),
        (100, 3, 3, 2),
        (2, None, 2, 4),
        (1, 8, 1, 8),
        (100, 16, 16, 1),
        (0, None, 1, 8),
    ],
)
def test_machine_on_a_cpu(cores, count, asked, workers, threads):
    """A process per core and no more than there are jobs; a block is one seed."""
    found = plan.plan_machine([None] * count, "cpu", asked, ["a.py"])
    assert found == Machine("cpu", workers, threads, 1, ("a.py",))


def test_threads_that_are_asked_for_are_kept(cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert plan.plan_machine([None] * 9, "cpu", 1).threads == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert plan.plan_machine([None] * 9, "cpu", 1).threads == 8


def test_as_many_threads_as_are_fastest(monkeypatch):
    rates = {1: 3.0, 4: 2.0}
    monkeypatch.setattr(
        plan,
        "measure_rate",
        lambda experiment, machine, seconds: rates[machine.threads],
    )
    machine = Machine("cpu", 1, 4)
    assert plan.choose_threads(None, machine).threads == 1
    rates[4] = 9.0
    assert plan.choose_threads(None, machine) == machine


def test_machine_on_a_gpu(jobs, monkeypatch):
    """One process; no more seeds than there are."""
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 200)
    assert plan.plan_machine(list_tasks(jobs), "cuda", None, []) == Machine(
        "cuda", 1, 1, 3, ()
    )
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 2)
    assert plan.plan_machine(list_tasks(jobs), "cuda:1", None, []) == Machine(
        "cuda:1", 1, 1, 2, ()
    )
    assert plan.plan_machine([], "cuda", None, []).block_size == 1


@pytest.mark.parametrize(
    ("asked", "device", "workers", "size"),
    [
        (None, "cuda", 3, 3),
        (6, "cuda", 6, 2),
        (4, "cuda", 4, 2),
        (None, "cuda:2", 1, 3),
        (2, "cuda:2", 2, 2),
    ],
)
def test_several_gpus_have_a_process_each(
    jobs, monkeypatch, asked, device, workers, size
):
    """Processes that share a GPU share its memory."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 4)
    assert plan.plan_machine(list_tasks(jobs), device, asked, []) == Machine(
        device, workers, 1, size, ()
    )


def test_no_more_gpus_than_settings(jobs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 200)
    settings = {job.setting.key for job in jobs}
    assert plan.plan_machine(list_tasks(jobs), "cuda", None, []).workers == len(
        settings
    )


def test_a_gpus_block_fits_every_method(jobs, monkeypatch):
    """β-TCVAE's pairs of images take several times the memory of β-VAE."""
    fitting = {"β-VAE": 3, "ISA-TCVAE": 1}
    monkeypatch.setattr(
        plan,
        "count_fitting_seeds",
        lambda own, device, most: fitting[own.setting.method.name],
    )
    assert plan.plan_machine(list_tasks(jobs), "cuda", None, []).block_size == 1


def test_a_gpus_block_is_no_larger_than_what_is_left(jobs, monkeypatch):
    """Resumed with the last seed of each setting: a block of one, also in the calibration."""
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 200)
    left = [j for j in jobs if j.seed == 2]
    assert plan.plan_machine(list_tasks(left), "cuda", None, []).block_size == 1


def test_no_more_seeds_at_once_than_are_asked_for(jobs, cores, monkeypatch):
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda *_: pytest.fail("measured"))
    tasks = list_tasks(jobs)
    for device in ("cuda", "cpu"):
        made = plan.plan_machine(tasks, device, None, seeds_at_once=2)
        assert made.block_size == 2


def test_a_convolution_takes_no_more_than_it_can_index(tmp_path, jobs):
    """Its largest output has 32 channels of 32 x 32: 2^26 elements of 2,048 images."""
    (conv, *_) = load_jobs(
        tmp_path,
        ('name = "mlp"\nhidden = 16', 'name = "conv"'),
        ("batch_size = 8", "batch_size = 32"),
    )
    own = Experiment(conv.setting)
    assert plan.count_indexed_seeds(own) == (2**31 - 1) // (2**15 * 32)
    assert plan.count_indexed_seeds(Experiment(jobs[0].setting)) > 2**20


@pytest.mark.parametrize("asked", [None, 2])
def test_a_gpus_block_is_no_larger_than_convolutions_index(jobs, monkeypatch, asked):
    monkeypatch.setattr(plan, "count_indexed_seeds", lambda own: 1)
    monkeypatch.setattr(plan, "count_fitting_seeds", lambda own, device, most: 200)
    machine = plan.plan_machine(list_tasks(jobs), "cuda", None, seeds_at_once=asked)
    assert machine.block_size == 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_time_to_compile_is_not_the_steps(jobs, monkeypatch, device):
    """On a GPU the first steps compile and record: they take 100 times as long."""
    clock, steps = [0.0], []

    class Compiling:
        def step(self, *arguments):
            steps.append(arguments)
            compiling = device == "cuda" and len(steps) <= CALLS_BEFORE_RECORDING + 1
            clock[0] += 100.0 if compiling else 1.0

    monkeypatch.setattr(Experiment, "make_ensemble", lambda *_: Compiling())
    monkeypatch.setattr(Experiment, "pixels", lambda *_: range(IMAGES))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(plan.time, "perf_counter", lambda: clock[0])
    own = Experiment(jobs[0].setting)
    rate = plan.measure_rate(own, Machine(device, block_size=3), 5.0)
    assert rate == pytest.approx(3 * 10 * plan.count_image_flops(own)[1])


@pytest.fixture
def gpus(monkeypatch):
    def see(count):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)

    return see


@pytest.mark.parametrize(
    ("count", "name", "device"),
    [
        (0, "auto", "cpu"),
        (2, "auto", "cuda"),
        (0, "cpu", "cpu"),
        (2, "cpu", "cpu"),
        (1, "cuda", "cuda"),
        (2, "cuda:0", "cuda:0"),
        (2, "cuda:1", "cuda:1"),
    ],
)
def test_pick_device(gpus, count, name, device):
    gpus(count)
    assert plan.pick_device(name) == device


@pytest.mark.parametrize(
    "name",
    [
        "gpu",
        "",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cpu:0",
        "CPU",
        "mps",
        "cuda:1:2",
        "cuda0",
    ],
)
def test_no_device(gpus, name):
    gpus(2)
    with pytest.raises(
        ValueError, match="'--device' must be auto, cpu, cuda or cuda:N; got"
    ):
        plan.pick_device(name)


def test_no_device_with_a_colon(gpus):
    gpus(2)
    with pytest.raises(
        ValueError, match="'--device' must be auto, cpu, cuda or cuda:N; got"
    ):
        plan.pick_device("cpu:")


@pytest.mark.parametrize(("count", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_device_that_is_not_there(gpus, count, name):
    gpus(count)
    with pytest.raises(
        ValueError, match=f"no device '{name}': PyTorch sees {count} GPUs"
    ):
        plan.pick_device(name)


def test_versions_are_recorded():
    found = provenance.list_versions()
    assert found["torch"] == version("torch")
    assert torch.__version__.startswith(found["torch"])
    assert {"python", "priorbench", "numpy"} <= found.keys()
