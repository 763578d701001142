"""What a command is going to do: runs, operations, and how long they may take."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from priorbench.bench.execution.experiment import Experiment
from priorbench.bench.execution.schedule import Machine
from priorbench.bench.study.job import Job

CALIBRATION_SECONDS = 2.0
DAY = 86_400.0
MEMORY_SHARE = 0.8
"""Share of a GPU's free memory that a block of seeds may fill."""


@dataclass(frozen=True)
class Plan:
    """Jobs to be done, their cost and the machine.

    Attributes:
        todo: jobs to be run.
        done: number of jobs that have a record.
        failed: number of those whose run failed.
        machine: where and how they are run.
        flops: floating-point operations of the networks' matrix products, of all jobs.
        seconds: estimate of the time, from a calibration; without the metrics.
    """

    todo: tuple[Job, ...]
    done: int
    failed: int
    machine: Machine
    flops: float = 0.0
    seconds: float = 0.0


def make_plan(jobs: Sequence[Job], done: int, failed: int, machine: Machine) -> Plan:
    """Plan ``jobs`` on ``machine``; the speed of every method is measured.

    The measurements take two seconds together. A method that does not run has no speed:
    its runs will say why.
    """
    methods: dict[str, list[Job]] = {}
    for job in jobs:
        methods.setdefault(job.setting.method.name, []).append(job)
    flops, seconds = 0.0, 0.0
    for own in methods.values():
        experiment = Experiment(own[0].setting)
        cost = len(own) * count_run_flops(experiment)
        budget = CALIBRATION_SECONDS / len(methods)
        rate = _try_to_measure(measure_rate, experiment, machine, budget)
        flops += cost
        seconds += cost / rate if rate else 0.0
    parallel = min(machine.workers, max(len(jobs), 1))
    return Plan(tuple(jobs), done, failed, machine, flops, seconds / parallel)


def count_run_flops(experiment: Experiment) -> float:
    """Count the floating-point operations of one run's matrix products.

    They are those of the training to the last epoch and of its validation, of one pass
    to score it, and of the passes of the importance-weighted likelihood.
    """
    grid, lengths = experiment.grid, experiment.lengths
    training, scored = grid.training, lengths["test"]
    steps = lengths["train"] // experiment.batch_size
    trained = training.epochs * steps * experiment.batch_size
    weighted = grid.importance_samples * min(grid.importance_images, scored)
    if training.look_ahead is not None:
        scored += training.epochs * lengths["valid"]
    forward, both = count_image_flops(experiment)
    return trained * both + (scored + weighted) * forward


def count_image_flops(experiment: Experiment) -> tuple[float, float]:
    """Count the operations of the networks on one image.

    Returns:
        Those of the model's forward pass, which is what scoring takes; and those of the
        whole loss forward and backward, with the networks that an objective may have.
    """
    loss = experiment.make_loss()
    prior = loss.model.prior
    # two images: batch normalisation refuses one; all pixels on: products count densely
    pixels = torch.ones(2, math.prod(experiment.dataset.image_shape))
    noise = torch.zeros(2, prior.posterior.noise_dim(prior.latent_dim))
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        loss.model.decode(loss.model.encode(pixels).rsample(noise))
    with FlopCounterMode(display=False) as both:
        loss(pixels, noise, len(experiment.dataset), 0.0)[0].backward()
    images = len(pixels)
    return forward.get_total_flops() / images, both.get_total_flops() / images


def measure_rate(experiment: Experiment, machine: Machine, seconds: float) -> float:
    """Measure one worker's operations per second in ``seconds`` of training."""
    size = machine.block_size
    torch.set_num_threads(machine.threads)
    ensemble = experiment.make_ensemble(range(size), machine.device)
    pixels, batch = experiment.pixels(machine.device), experiment.batch_size

    def time_step(number: int) -> float:
        start = time.perf_counter()
        ensemble.step(pixels, batch, 0, number % (len(pixels) // batch), 1)
        if machine.device != "cpu":
            torch.cuda.synchronize(machine.device)
        return time.perf_counter() - start

    with experiment.set_precision():
        first = time_step(0)
        # the first step also warms up, which counts for little where it is long
        times = [first] if first > seconds else [time_step(1)]
        while sum(times) < seconds:
            times.append(time_step(len(times) + 1))
    images = len(times) * batch * size
    return images * count_image_flops(experiment)[1] / sum(times)


def plan_machine(
    jobs: Sequence[Job],
    device: str,
    workers: int | None,
    plugins: Sequence[str] = (),
    command: str | None = None,
) -> Machine:
    """Decide how ``jobs`` are spread.

    On a CPU there is a process for each core, with blocks of one seed; on GPUs one
    process for each, with blocks of as many seeds as fit into its memory.

    Args:
        jobs: to be done.
        device: "cpu", "cuda" for all GPUs, or "cuda:N".
        workers: number of processes; None to decide here.
        plugins: files that each process imports first.
        command: the command that the user gave.
    """
    if device == "cpu":
        cores = count_cores()
        workers = min(workers or cores, max(len(jobs), 1))
        threads = max(1, cores // workers)
        return Machine(device, workers, threads, 1, tuple(plugins), command)
    gpus = max(torch.cuda.device_count(), 1) if device == "cuda" else 1
    settings = Counter(job.setting.key for job in jobs)
    first_of_methods = {job.setting.method.name: job for job in reversed(jobs)}
    workers = workers or min(gpus, max(len(settings), 1))
    sharing = -(-workers // gpus)
    sizes = [max(settings.values(), default=1)]
    for job in first_of_methods.values():
        experiment = Experiment(job.setting)
        fitting = _try_to_measure(_count_fitting_seeds, experiment, device) or 1
        sizes.append(max(1, fitting // sharing))
    return Machine(device, workers, 1, min(sizes), tuple(plugins), command)


def count_cores() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pick_device(name: str) -> str:
    """Return the device to run on; "auto" is the first GPU, or the CPU without one.

    Raises:
        ValueError: it is not a device of this machine.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdigit() or name == "cuda"):
        raise ValueError(f"'--device' must be auto, cpu, cuda or cuda:N; got {name!r}")
    count = torch.cuda.device_count()
    if int(number or 0) >= count:
        raise ValueError(
            f"there is no device {name!r}: PyTorch sees {count} GPUs; use "
            "--device cpu, or a build of PyTorch for your GPU"
        )
    return name


def format_duration(seconds: float) -> str:
    """Return a length of time in words.

    Example:
        >>> format_duration(42), format_duration(5400), format_duration(200_000)
        ('42 s', '1.5 h', '2.3 days')
    """
    for unit, length in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length or (unit == "h" and seconds >= 3600):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _count_fitting_seeds(experiment: Experiment, device: str) -> int:
    """Count the seeds that fit a device's free memory, by a training step of one."""
    pixels, batch = experiment.pixels(device), experiment.batch_size
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    ensemble = experiment.make_ensemble([0], device)
    for position in range(2):
        ensemble.step(pixels, batch, 0, position % (len(pixels) // batch), 1)
    each = torch.cuda.max_memory_allocated(device) - before
    return max(1, int(MEMORY_SHARE * free / each))


def _try_to_measure(measure: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``measure`` gives; None if a plug-in fails: its runs will say why."""
    try:
        return measure(*arguments)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:
        return None
    finally:
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # the workers need what was measured with
