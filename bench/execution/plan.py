"""What a command is going to do: runs, operations, and how long they may take."""

import gc
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import psutil
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from priorbench.bench.execution.schedule import Machine, Task
from priorbench.bench.execution.survey import Survey
from priorbench.bench.study.scores import ScoreRequest
from priorbench.bench.training.cuda_graph import CALLS_BEFORE_RECORDING
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.training.experiment import Experiment
from priorbench.errors import UserError
from priorbench.machine_errors import is_machine_fault
from priorbench.units import format_size

CALIBRATION_SECONDS = 2.0
MEMORY_SHARE = 0.8
"""Share of a GPU's free memory that a block of seeds may fill."""

FITTED_SEEDS = (2, 4)
"""Blocks by whose memory that of others is computed."""

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


@dataclass(frozen=True)
class Plan:
    """What is to be done, its cost and the machine.

    Attributes:
        survey: what is left to do, and what is there.
        machine: where and how it is done.
        flops: floating-point operations of the networks' matrix products.
        seconds: estimate of the time, from a calibration; without the metrics.
        disk_bytes: that the parameters of the models will take.
        memory_bytes: that a process takes to train, at its peak.
        free_memory_bytes: that the processes of this machine may take together.
    """

    survey: Survey
    machine: Machine
    flops: float = 0.0
    seconds: float = 0.0
    disk_bytes: int = 0
    memory_bytes: int = 0
    free_memory_bytes: int = 0

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is left to do."""
        return self.survey.tasks


def plan_study(
    survey: Survey,
    device: str,
    workers: int | None,
    plugins: Sequence[str] = (),
    command: str | None = None,
    total: int | None = None,
    seeds_at_once: int | None = None,
) -> Plan:
    """Plan what is left to do where this is called.

    Args:
        survey: what is left to do.
        device: as the user named it.
        workers: number of processes of this machine; None to decide here.
        plugins: files that each process imports first.
        command: the command that the user gave.
        total: number of processes of all machines, where there are several.
        seeds_at_once: of a block; None to decide here.

    Raises:
        ValueError: there is no such device here.
        UserError: so many processes do not fit the memory.
    """
    device = pick_device(device)
    words = (workers, plugins, command, seeds_at_once)
    machine = plan_machine(survey.tasks, device, *words)
    if total is not None:
        machine = replace(machine, workers=total)
    plan = make_plan(survey, machine)
    most = max(1, plan.free_memory_bytes // max(plan.memory_bytes, 1))
    if min(workers or plan.machine.workers, len(survey.tasks)) <= most:
        return plan
    if workers is not None:
        raise UserError(
            f"{workers} processes of {format_size(plan.memory_bytes)} each do not fit "
            f"the free memory, {format_size(plan.free_memory_bytes)}; take fewer, like "
            f"--jobs {most}"
        )
    seconds = plan.seconds * plan.machine.workers / most
    fewer = replace(plan.machine, workers=most)
    return replace(plan, machine=fewer, seconds=seconds)


def make_plan(survey: Survey, machine: Machine) -> Plan:
    """Plan what is left to do on a machine; the speed of every method is measured.

    The measurements take two seconds together, and one more where a process may have
    several threads: it has one where more do not pay. A method that does not run has no
    speed: its runs will say why.
    """
    methods: dict[str, list[Task]] = {}
    for task in survey.tasks:
        methods.setdefault(task.job.setting.method.name, []).append(task)
    if machine.threads > 1 and methods:
        experiment = Experiment(survey.tasks[0].job.setting)
        machine = _try_to_measure(choose_threads, experiment, machine) or machine
    flops, seconds, disk = 0.0, 0.0, 0
    for own in methods.values():
        experiment = Experiment(own[0].job.setting)
        trained = sum(task.train for task in own)
        begun = sum(task.reached[0] for task in own) / experiment.grid.training.epochs
        cost = (trained - begun) * count_training_flops(experiment)
        images = sum(count_scored_images(experiment, task.requests) for task in own)
        cost += images * count_image_flops(experiment)[0]
        budget = CALIBRATION_SECONDS / len(methods)
        rate = _try_to_measure(measure_rate, experiment, machine, budget)
        flops += cost
        seconds += cost / rate if rate else 0.0
        if trained and experiment.grid.keep_models:
            state = experiment.make_model().state_dict()
            size = sum(value.numel() * value.element_size() for value in state.values())
            disk += trained * size
    parallel = min(machine.workers, max(len(survey.tasks), 1))
    peak = measure_process_peak() if methods else 0
    free = measure_free_memory()
    return Plan(survey, machine, flops, seconds / parallel, disk, peak, free)


def measure_process_peak() -> int:
    """Measure the most bytes of memory that this process has had."""
    try:
        import resource
    except ImportError:  # Windows, which tells psutil
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def measure_free_memory() -> int:
    """Measure the bytes of memory that are free.

    They are at most the limit of the container, or of the job of a batch queue, where
    it has one (cgroups v2).
    """
    free = psutil.virtual_memory().available
    with suppress(OSError, StopIteration, ValueError):  # which is "max", no limit
        groups = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line for line in groups if line.startswith("0::"))
        limit = Path(f"/sys/fs/cgroup{own.removeprefix('0::')}/memory.max")
        free = min(free, int(limit.read_text()))
    return free


def count_training_flops(experiment: Experiment) -> float:
    """Count the operations of one training's matrix products.

    They are those of the training to the last epoch and of its validation.
    """
    training, lengths = experiment.grid.training, experiment.lengths
    steps = lengths["train"] // experiment.batch_size
    trained = training.epochs * steps * experiment.batch_size
    validated = 0 if training.look_ahead is None else training.epochs * lengths["valid"]
    forward, both = count_image_flops(experiment)
    return trained * both + validated * forward


def count_scored_images(
    experiment: Experiment, requests: Sequence[ScoreRequest]
) -> int:
    """Count the images that pass through one model's networks while it is scored.

    They are those of one pass over all, and of the draws of the importance-weighted
    likelihood.
    """
    if not requests:
        return 0
    scored = passes = experiment.lengths["test"]
    for request in requests:
        if request.name == "log_likelihood":
            samples, images = request.arguments["samples"], request.arguments["images"]
            passes += samples * min(images, scored)
    return passes


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
        if machine.device == "cpu":
            first = time_step(0)
            # this step also warms up, which counts for little where it is long
            times = [first] if first > seconds else []
        else:
            # in these steps functions are compiled, for seconds or minutes
            warm_up_ensemble(experiment, ensemble, machine.device)
            torch.cuda.synchronize(machine.device)
            times = []
        while not times or sum(times) < seconds:
            times.append(time_step(len(times) + 1))
    images = len(times) * batch * size
    return images * count_image_flops(experiment)[1] / sum(times)


def choose_threads(experiment: Experiment, machine: Machine) -> Machine:
    """Return a machine with as many threads as train fastest: one, or all of them.

    Small networks lose by threads, and so does any network on cores that are busy.
    """
    seconds = CALIBRATION_SECONDS / 4
    machines = [replace(machine, threads=1), machine]
    return max(machines, key=lambda m: measure_rate(experiment, m, seconds))


def plan_machine(
    tasks: Sequence[Task],
    device: str,
    workers: int | None,
    plugins: Sequence[str] = (),
    command: str | None = None,
    seeds_at_once: int | None = None,
) -> Machine:
    """Decide how tasks are spread.

    On a CPU there is a process for each core, with blocks of one seed; the cores that
    are left over become threads, up to ``OMP_NUM_THREADS``. On GPUs there is one
    process for each, with blocks of as many seeds as fit into its memory, and as
    convolutions can index.

    Args:
        tasks: to be done.
        device: "cpu", "cuda" for all GPUs, or "cuda:N".
        workers: number of processes; None to decide here.
        plugins: files that each process imports first.
        command: the command that the user gave.
        seeds_at_once: of a block; None to decide here.
    """
    if device == "cpu":
        cores = count_cores()
        workers = min(workers or cores, max(len(tasks), 1))
        threads = max(1, cores // workers)
        with suppress(ValueError):
            threads = min(threads, int(os.environ.get("OMP_NUM_THREADS", threads)))
        size = seeds_at_once or 1
        return Machine(device, workers, threads, size, tuple(plugins), command)
    gpus = max(torch.cuda.device_count(), 1) if device == "cuda" else 1
    jobs = [task.job for task in tasks]
    settings = Counter(job.setting.key for job in jobs)
    first_of_methods = {job.setting.method.name: job for job in reversed(jobs)}
    workers = workers or min(gpus, max(len(settings), 1))
    sharing = -(-workers // gpus)
    sizes = [max(settings.values(), default=1)]
    for job in first_of_methods.values():
        experiment = Experiment(job.setting)
        cap = _try_to_measure(count_indexed_seeds, experiment) or 1
        fitting = seeds_at_once
        if fitting is None and min(sizes) > 1:
            measured = _try_to_measure(count_fitting_seeds, experiment, device, cap)
            fitting = (measured or 1) // sharing
        sizes.append(max(1, min(fitting or 1, cap)))
    return Machine(device, workers, 1, min(sizes), tuple(plugins), command)


def count_cores() -> int:
    """Count the processors that this process may use.

    Affinity, the quota of a container and ``LOKY_MAX_CPU_COUNT`` count.
    """
    return joblib.cpu_count()


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


def count_fitting_seeds(experiment: Experiment, device: str, most: int) -> int:
    """Count the seeds that fit a device's free memory.

    The memory of a seed is the difference between blocks of two and four: one seed
    alone is not evaluated by vmap, and what all seeds share does not grow with them.

    Args:
        experiment: whose steps are tried, until they are recorded.
        device: a CUDA device.
        most: seeds of a block at most.
    """
    experiment.pixels(device)
    gc.collect()  # of what was trained before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    sizes = [size for size in FITTED_SEEDS if size <= most]
    peaks: list[int] = []
    for size in sizes:
        try:
            peaks.append(measure_peak(experiment, device, size))
        except torch.OutOfMemoryError:
            break
    if len(peaks) < len(FITTED_SEEDS):
        return max([1, *sizes[: len(peaks)]])
    (few, many), (small, large) = FITTED_SEEDS, peaks
    each = max((large - small) / (many - few), 1.0)
    shared = max(small - few * each, 0.0)
    return max(1, min(most, int((MEMORY_SHARE * free - shared) / each)))


def measure_peak(experiment: Experiment, device: str, size: int) -> int:
    """Measure the most memory that a block takes until its steps are recorded."""
    gc.collect()  # of the block before
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)
    with experiment.set_precision():
        ensemble = experiment.make_ensemble(range(size), device)
        warm_up_ensemble(experiment, ensemble, device)
    return torch.cuda.max_memory_reserved(device) - before


def warm_up_ensemble(experiment: Experiment, ensemble: Ensemble, device: str) -> None:
    """Take the steps in which functions are compiled and the step is recorded."""
    pixels, batch = experiment.pixels(device), experiment.batch_size
    for position in range(CALLS_BEFORE_RECORDING + 1):
        ensemble.step(pixels, batch, 0, position % (len(pixels) // batch), 1)


def count_indexed_seeds(experiment: Experiment) -> int:
    """Count the seeds that one convolution can take: it indexes with 32 bits.

    Seeds become channels of one convolution, past PyTorch's own test of its size.
    """
    sizes = [1]

    def note_size(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.extend(tensor.numel() for tensor in (*inputs, output))

    model = experiment.make_model()
    for module in model.modules():
        if isinstance(module, CONVOLUTIONS):
            module.register_forward_hook(note_size)
    prior, images = model.prior, 2  # batch normalisation refuses one
    with torch.no_grad():
        model(
            torch.ones(images, math.prod(experiment.dataset.image_shape)),
            torch.zeros(images, prior.posterior.noise_dim(prior.latent_dim)),
        )
    return (2**31 - 1) // (max(sizes) // images * experiment.batch_size or 1)


def _try_to_measure(measure: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``measure`` gives; None if a plug-in fails: its runs will say why."""
    try:
        return measure(*arguments)
    except Exception as error:
        if is_machine_fault(error):
            raise
        return None
    finally:
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # the workers need what was measured with
