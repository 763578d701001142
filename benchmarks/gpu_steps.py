"""What :mod:`benchmarks.gpu_check` measures: each step yields rows of JSON."""

import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch

from priorbench import compiled, priors
from priorbench.bench import objectives
from priorbench.bench.execution import plan
from priorbench.bench.scoring.evaluate import Subject, score_model
from priorbench.bench.speed.matrix_products import make_products
from priorbench.bench.speed.timing import compute_ratio, time_interleaved
from priorbench.bench.speed.training import make_stepper
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_settings
from priorbench.bench.study.scores import list_requests
from priorbench.bench.training.experiment import PRECISIONS, Experiment
from priorbench.bench.training.failure import explain_failure
from priorbench.priors.check import target

GRID = "dsprites_beta"
BETA = 4.0

TOLERANCE = {"fp32": 2e-4, "tf32": 5e-3, "bf16": 5e-3}
"""Largest relative difference of a loss from float32's on a CPU: sums in another order,
and operands of 10 or of 7 bits."""

STEPS = 6
"""More than are taken before the step is recorded."""

VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "beta_tcvae": ({}, {"estimator": "weighted"}, {"over": "latents"}),
    "capacity": ({}, {"over": "batch"}),
    "factor_vae": ({"hidden": 64},),
}
"""Arguments with which an objective is tried, beside its defaults."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How large the measurements are.

    Attributes:
        profile: of the grid that is trained.
        overrides: of its keys.
        seeds: blocks that are timed.
        seeds_of_epoch: that train for one epoch.
        rounds: that are timed.
    """

    profile: str | None = None
    overrides: Mapping[str, Any] | None = None
    seeds: tuple[int, ...] = (1, 8, 50)
    seeds_of_epoch: int = 50
    rounds: int = 7


FULL = Size()
SMALL = Size(
    "demo",
    {
        "architecture": {"name": "mlp", "hidden": 32},
        "metrics": ["mig", "mig_histogram", "mig_groups", "elbo_decomposition"],
        "importance_samples": 4,
    },
    seeds=(1, 2),
    seeds_of_epoch=2,
    rounds=2,
)


def make_experiment(
    size: Size,
    prior: str | Mapping[str, Any] = "normal",
    objective: str | Mapping[str, Any] = "beta_vae",
    precision: str = "fp32",
    **overrides: Any,
) -> Experiment:
    """Make the experiment of one method."""
    method = {"name": "checked", "prior": prior, "objective": objective}
    changed = {**(size.overrides or {}), **overrides}
    changed |= {"methods": [method], "beta": [BETA]}
    grid = load_grid(GRID, size.profile, changed)
    return Experiment(list_settings(grid, precision)[0])


def load_images(device: str, size: Size) -> Iterator[Row]:
    """Render or load the images, and bring them to the device."""
    start = time.perf_counter()
    experiment = make_experiment(size)
    images = len(experiment.dataset)
    loaded = time.perf_counter()
    experiment.pixels(device)
    yield {
        "images": images,
        "load_seconds": loaded - start,
        "move_seconds": time.perf_counter() - loaded,
    }


def compare_losses(
    device: str, size: Size, differences: Container[int]
) -> Iterator[Row]:
    """Compare the first losses of methods with those on the CPU, the simplest first.

    Args:
        device: where they are compared.
        size: unused: small networks tell as much.
        differences: by how many of prior, objective and precision a method is other
            than the β-VAE in float32.
    """
    small = replace(SMALL, overrides={"architecture": {"name": "mlp", "hidden": 64}})
    for prior, objective, precision in list_methods():
        if _count_differences((prior, objective, precision)) not in differences:
            continue
        arguments = small, prior, objective
        bound = TOLERANCE[precision]
        row: Row = {"prior": prior, "objective": objective, "precision": precision}
        try:
            expected, _ = compute_losses(make_experiment(*arguments), "cpu")
        except ValueError:
            continue  # the objective does not go with the prior, and says so
        try:
            experiment = make_experiment(*arguments, precision)
            found, recorded = compute_losses(experiment, device)
        except Exception as error:
            yield {**row, "passed": False, "reason": explain_failure(error)}
            continue
        difference = ((found - expected) / expected).abs().max().item()
        row |= {"difference": difference, "bound": bound}
        yield row | judge_speed(device, recorded, right=difference < bound)


def list_methods() -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """List every prior and objective at every precision, the simplest first."""
    all_priors = []
    for name in priors.registry.names():
        kind = priors.registry.get(name)
        built = target.build_examples(name, kind).values()
        for example, prior in zip(kind.examples, built, strict=True):
            own = {"name": name, "latent_dim": prior.latent_dim, **example}
            all_priors.append(own)
    all_objectives = [
        {"name": name, **arguments}
        for name in objectives.registry.names()
        for arguments in VARIANTS.get(name, ({},))
    ]
    found = [
        (prior, objective, precision)
        for precision in PRECISIONS
        for prior in all_priors
        for objective in all_objectives
    ]
    return sorted(found, key=_count_differences)


def _count_differences(case: tuple[Mapping[str, Any], Mapping[str, Any], str]) -> int:
    """Count how much of a method is other than the β-VAE in float32."""
    prior, objective, precision = case
    plain = [prior["name"] == "normal", objective["name"] == "beta_vae"]
    return [*plain, precision == "fp32"].count(False)


def compute_losses(experiment: Experiment, device: str) -> tuple[torch.Tensor, bool]:
    """Compute the losses of the first steps of two seeds, (steps, seeds), in nats.

    Returns:
        The losses, and whether the step was recorded.
    """
    ensemble = experiment.make_ensemble(range(2), device)
    pixels, batch = experiment.pixels(device), experiment.batch_size
    losses = []
    with experiment.set_precision():
        for position in range(STEPS):
            loss, _ = ensemble.step(pixels, batch, 0, position, 1)
            losses.append(loss)
        return torch.stack(losses).cpu(), ensemble.recorded


def judge_speed(device: str, recorded: bool, right: bool = True) -> Row:
    """Return whether steps are as fast as they should be: recorded and compiled.

    Args:
        device: where they were taken; a CPU records and compiles none.
        recorded: whether they were recorded.
        right: whether all else passed.
    """
    dynamo = sys.modules.get("torch._dynamo.utils")
    uncompiled = sorted(compiled._failed)
    fast = not uncompiled and (recorded or device == "cpu")
    return {
        "recorded": recorded,
        "graphs": dynamo.counters["stats"]["unique_graphs"] if dynamo else 0,
        "uncompiled": uncompiled,
        "passed": right and fast,
    }


def fit_memory(device: str, size: Size) -> Iterator[Row]:
    """Compare the memory of a block that should fit with the device's."""
    if device == "cpu":
        yield {"skipped": "a CPU trains one seed at a time"}
        return
    for name in ("mlp", "conv"):
        experiment = make_experiment(size, architecture={"name": name})
        cap = plan.count_indexed_seeds(experiment)
        fitting = plan.count_fitting_seeds(experiment, device, cap)
        block = min(fitting, max(size.seeds))
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        try:
            peak: int | None = plan.measure_peak(experiment, device, block)
        except torch.OutOfMemoryError:
            peak = None
        yield {
            "architecture": name,
            "cap": cap,
            "fitting": fitting,
            "block": block,
            "peak_bytes": peak,
            "free_bytes": free,
            "passed": peak is not None and peak < free,
        }


def time_steps(device: str, size: Size) -> Iterator[Row]:
    """Time steps of blocks beside their matrix products alone, at every precision."""
    place = torch.device(device)
    for seeds in size.seeds:
        for precision in PRECISIONS:
            experiment = make_experiment(size, precision=precision)
            batch, pixels = experiment.batch_size, experiment.pixels(device)
            ensemble = experiment.make_ensemble(range(seeds), device)
            model = ensemble.template.model
            actions = {
                "step": make_stepper(ensemble, pixels, batch),
                "products": make_products(model, seeds, batch, precision, place),
            }
            start = time.perf_counter()
            with experiment.set_precision():
                plan.warm_up_ensemble(experiment, ensemble, device)
                warm = time.perf_counter()
                taken = time_interleaved(actions, size.rounds, place)
            seconds, images = median(taken["step"]), seeds * batch
            yield {
                "seeds": seeds,
                "precision": precision,
                "warm_up_seconds": warm - start,
                "step_seconds": seconds,
                "images_per_second": images / seconds,
                "flops": images * plan.count_image_flops(experiment)[1] / seconds,
                "product_share": compute_ratio(taken["products"], taken["step"]),
                **judge_speed(device, ensemble.recorded),
            }


def train_and_score(device: str, size: Size) -> Iterator[Row]:
    """Train a block for one epoch in TF32, and score its first model."""
    experiment = make_experiment(size, precision="tf32")
    with experiment.set_precision():
        seeds = range(size.seeds_of_epoch)
        training = experiment.make_training(seeds, device)
        training.run_epoch()
        yield {
            "seeds": len(seeds),
            "steps": training.steps,
            "epoch_seconds": training.seconds,
            "images_per_second": training.images_per_second,
            **judge_speed(device, training.ensemble.recorded),
        }
        pixels = experiment.pixels(device, "test")
        model = training.ensemble.member(0)
        del training
        subject = Subject(model, experiment.dataset, pixels, 0)
        for score in score_model(subject, list_requests(experiment.grid)):
            yield {
                "score": score.request.name,
                "seconds": score.seconds,
                "values": score.values,
                "passed": score.reason is None,
                "reason": score.reason,
            }


class Measurement(NamedTuple):
    """One step of the check.

    Attributes:
        measure: yields its rows.
        seconds: that it may take.
        open_ended: whether it passes with what it has reached by then.
    """

    measure: Callable[[str, Size], Iterator[Row]]
    seconds: int
    open_ended: bool = False


MEASUREMENTS = {
    "images": Measurement(load_images, 90),
    "speed": Measurement(time_steps, 150),
    "memory": Measurement(fit_memory, 60),
    "epoch": Measurement(train_and_score, 100),
    "losses": Measurement(partial(compare_losses, differences=(0, 1)), 100),
    "combinations": Measurement(
        partial(compare_losses, differences=(2, 3)), 40, open_ended=True
    ),
}
"""The steps: nine minutes together."""
