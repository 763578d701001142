"""What a command is going to do: runs, floating-point operations, and how long it may take."""

import dataclasses
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from priorbench.bench.execution import worker, experiment
from priorbench.bench.execution.worker import Block, Machine
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
        done: number of jobs with a record, ``failed`` of them with a failed one.
        flops: floating-point operations of the networks' matrix products, all jobs together.
        seconds: estimate of the time, from a calibration; without the metrics.
    """

    todo: tuple[Job, ...]
    done: int
    failed: int
    machine: Machine
    flops: float = 0.0
    seconds: float = 0.0


def make_plan(jobs: Sequence[Job], done: int, failed: int, machine: Machine) -> Plan:
    """Cost of ``jobs`` on ``machine``; every method's speed is measured, in two seconds for all.

    A method that does not run has no speed: its runs will say why.
    """
    methods: dict[str, list[Job]] = {}
    for job in jobs:
        methods.setdefault(job.method, []).append(job)
    flops = [len(own) * count_job_flops(own[0]) for own in methods.values()]
    seconds = 0.0
    for own, cost in zip(methods.values(), flops, strict=True):
        rate = _try_to_measure(
            measure_rate, own[0], machine, CALIBRATION_SECONDS / len(methods)
        )
        seconds += cost / rate if rate else 0.0
    return Plan(
        tuple(jobs),
        done,
        failed,
        machine,
        sum(flops),
        seconds / min(machine.workers, max(len(jobs), 1)),
    )


def count_job_flops(job: Job) -> float:
    """Floating-point operations of a job's matrix products.

    Those of training to the last epoch and of its validation, one pass to score it, and the
    passes of the importance-weighted likelihood.
    """
    training, lengths = job.config["training"], experiment.count_images(job)
    images, scored = lengths["train"], lengths["test"]
    weighted = job.config["importance_samples"] * min(
        job.config["importance_images"], scored
    )
    batch = min(training["batch_size"], images)
    trained = training["epochs"] * (images // batch) * batch
    once, both = count_image_flops(job)
    if "look_ahead" in training:
        scored += training["epochs"] * lengths["valid"]
    return trained * both + (scored + weighted) * once


def count_image_flops(job: Job) -> tuple[float, float]:
    """Operations of the networks on one image: forward, and forward with backward.

    Forward is the model's, which is what scoring takes; with backward it is the whole loss, with
    the networks that an objective may have.
    """
    loss, dataset = experiment.make_loss(job), experiment.load_dataset(job)
    prior = loss.model.prior
    # two images: batch normalisation refuses one; all pixels on: the products are counted densely
    pixels = torch.ones(2, math.prod(dataset.image_shape))
    noise = torch.zeros(2, prior.posterior.noise_dim(prior.latent_dim))
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        loss.model.decode(loss.model.encode(pixels).rsample(noise))
    with FlopCounterMode(display=False) as both:
        loss(pixels, noise, len(dataset), 0.0)[0].backward()
    return forward.get_total_flops() / len(pixels), both.get_total_flops() / len(pixels)


def measure_rate(job: Job, machine: Machine, seconds: float) -> float:
    """Operations per second of one worker while it trains ``job`` for about ``seconds``."""
    size = machine.block_size
    jobs = tuple(dataclasses.replace(job, seed=seed) for seed in range(size))
    torch.set_num_threads(machine.threads)
    ensemble = worker.make_ensemble(Block(jobs), machine.device)
    pixels = experiment.load_pixels(job, machine.device)
    batch = min(job.config["training"]["batch_size"], len(pixels))

    def step(number: int) -> float:
        start = time.perf_counter()
        ensemble.step(pixels, batch, 0, number % (len(pixels) // batch), 1)
        _wait_for_device(machine.device)
        return time.perf_counter() - start

    with experiment.set_precision(job.precision):
        first = step(0)
        # the first step also warms up, which counts for little where it is long
        times = [first] if first > seconds else [step(1)]
        while sum(times) < seconds:
            times.append(step(len(times) + 1))
    return len(times) * batch * size * count_image_flops(job)[1] / sum(times)


def plan_machine(
    jobs: Sequence[Job], device: str, workers: int | None, plugins: Sequence[str]
) -> Machine:
    """How ``jobs`` are spread.

    On a CPU a process per core, each with blocks of one seed; on GPUs one process each, with
    blocks of as many seeds as fit into its memory.
    """
    if device != "cpu":
        gpus = max(torch.cuda.device_count(), 1) if device == "cuda" else 1
        settings = Counter(job.setting for job in jobs)
        first_of_methods = {job.method: job for job in reversed(jobs)}.values()
        workers = workers or min(gpus, max(len(settings), 1))
        sharing = -(-workers // gpus)
        fits = [
            max(1, (_try_to_measure(_count_fitting_seeds, job, device) or 1) // sharing)
            for job in first_of_methods
        ]
        size = min([max(settings.values(), default=1), *fits])
        return Machine(device, workers, 1, size, tuple(plugins))
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    cores = cores or 1
    workers = min(workers or cores, max(len(jobs), 1))
    return Machine(device, workers, max(1, cores // workers), 1, tuple(plugins))


def pick_device(name: str) -> str:
    """The device to run on; "auto" is the first GPU, or the CPU where there is none.

    Raises:
        ValueError: not a device of this machine.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdigit() or name == "cuda"):
        raise ValueError(f"'--device' must be auto, cpu, cuda or cuda:N; got {name!r}")
    if int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"there is no device {name!r}: PyTorch sees {torch.cuda.device_count()} "
            "GPUs; use --device cpu, or a build of PyTorch for your GPU"
        )
    return name


def _count_fitting_seeds(job: Job, device: str) -> int:
    """Seeds that fit into the device's free memory, by the peak of a training step of one."""
    pixels = experiment.load_pixels(job, device)
    batch = min(job.config["training"]["batch_size"], len(pixels))
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    ensemble = worker.make_ensemble(Block((job,)), device)
    for position in range(2):
        ensemble.step(pixels, batch, 0, position % (len(pixels) // batch), 1)
    each = torch.cuda.max_memory_allocated(device) - before
    return max(1, int(MEMORY_SHARE * free / each))


def _try_to_measure(measure: Callable[..., Any], *arguments: Any) -> Any:
    """What ``measure`` gives; None where the plug-ins fail in it: their runs will say why."""
    try:
        return measure(*arguments)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:
        return None
    finally:
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # the workers need what was measured with


def _wait_for_device(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def format_duration(seconds: float) -> str:
    """A length of time in words.

    Example:
        >>> format_duration(42), format_duration(5400), format_duration(200_000)
        ('42 s', '1.5 h', '2.3 days')
    """
    for unit, length in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length or (unit == "h" and seconds >= 3600):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
