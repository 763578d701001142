"""A training step against the plain loop and against its products, and in parts."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from priorbench.bench.execution.plan import count_image_flops, count_indexed_seeds
from priorbench.bench.speed.matrix_products import make_products
from priorbench.bench.speed.plain_loop import PlainLoop
from priorbench.bench.speed.step_parts import measure_parts
from priorbench.bench.speed.timing import compute_ratio, time_interleaved
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_settings
from priorbench.bench.training.cuda_graph import CALLS_BEFORE_RECORDING
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.training.experiment import Experiment
from priorbench.bench.training.pixels import Pixels
from priorbench.errors import UserError

GRID = "dsprites_beta"
BETA = 4.0

IMAGES = 40_960
"""Images that the plain loop holds as float32: all of dSprites would be 12 GB."""

PLAIN_LOOPS = {
    "beta_vae": ("beta_vae", "beta_vae_estimator"),
    "beta_tcvae": ("beta_tcvae",),
}
"""The plain loops that each objective is compared with."""


@dataclass(frozen=True)
class Case:
    """What is trained, and how it is timed.

    Attributes:
        objective: "beta_vae" or "beta_tcvae".
        device: "cpu", "cuda" or "cuda:N".
        seeds: of the block.
        precision: "fp32", "tf32" or "bf16".
        rounds: that are timed.
        overrides: values of keys of the grid :data:`GRID`, by key.
    """

    objective: str
    device: str
    seeds: int = 1
    precision: str = "fp32"
    rounds: int = 5
    overrides: Mapping[str, Any] = field(default_factory=dict)


def make_experiment(case: Case) -> Experiment:
    """Make the experiment of the first method with the case's objective.

    Raises:
        UserError: the grid does not take the overrides, or they leave no such method
            with the prior of the plain loop, which is the standard normal.
    """
    grid = load_grid(GRID, overrides={"beta": [BETA], **case.overrides})
    for setting in list_settings(grid, case.precision):
        method = setting.method
        if (method.prior.name, method.objective.name) == ("normal", case.objective):
            return Experiment(setting)
    raise UserError(
        f"no method of grid {GRID!r} has the prior 'normal' and the objective "
        f"{case.objective!r} any more; leave its methods as they are"
    )


def measure_training(case: Case) -> dict[str, float]:
    """Measure one training step; the ratios are of times taken in turn.

    Returns:
        ``seconds`` of a step of the block, ``images_per_second`` of the block and
        ``..._per_seed``; ``times_plain``, how many times faster than the plain loop a
        seed is trained, and for the β-VAE ``times_published``, than the loop that also
        computes the estimator, as the published code does; ``product_share``, the
        products' time over the step's; ``flops`` per second, dense count;
        ``part_<name>`` seconds of the step's parts.

    Raises:
        UserError: the block has more seeds than a convolution can index on a GPU.
    """
    device, experiment = torch.device(case.device), make_experiment(case)
    most = count_indexed_seeds(experiment)
    if device.type != "cpu" and case.seeds > most:
        raise UserError(
            f"a convolution takes {most} seeds at once at the most, for it indexes "
            f"with 32 bits; got {case.seeds} (--seeds)"
        )
    ensemble = experiment.make_ensemble(range(case.seeds), case.device)
    pixels, batch = experiment.pixels(case.device), experiment.batch_size
    model = ensemble.template.model
    actions: dict[str, Callable[[], object]] = {
        "ours": make_stepper(ensemble, pixels, batch),
        "products": make_products(model, case.seeds, batch, case.precision, device),
    }
    for name in PLAIN_LOOPS[case.objective]:
        plain = make_plain_loop(experiment, name, ensemble, pixels, device)
        actions[name] = plain.step
    with experiment.set_precision():
        # the step is recorded before the plain loop's loaders use the device
        for _ in range(CALLS_BEFORE_RECORDING + 1):
            actions["ours"]()
        seconds = time_interleaved(actions, case.rounds, device, warm_up=5)
        # these steps are taken apart and change the parameters' gradients: last
        parts = measure_parts(ensemble, pixels, batch, case.rounds, device)
    taken = statistics.median(seconds["ours"])
    images = case.seeds * batch
    plain_ratio = compute_ratio(seconds[case.objective], seconds["ours"])
    measured = {
        "seconds": taken,
        "images_per_second": images / taken,
        "images_per_second_per_seed": batch / taken,
        "times_plain": case.seeds * plain_ratio,
        "product_share": compute_ratio(seconds["products"], seconds["ours"]),
        "flops": images * count_image_flops(experiment)[1] / taken,
    }
    if "beta_vae_estimator" in seconds:
        published_ratio = compute_ratio(seconds["beta_vae_estimator"], seconds["ours"])
        measured["times_published"] = case.seeds * published_ratio
    return measured | {f"part_{name}": value for name, value in parts.items()}


def make_stepper(
    ensemble: Ensemble, pixels: Pixels, batch: int
) -> Callable[[], object]:
    """Make a function that takes the next step of a training, epoch after epoch.

    It reads no value from the device.
    """
    steps = len(pixels) // batch
    taken = 0

    def take_step() -> object:
        nonlocal taken
        epoch, position = divmod(taken, steps)
        taken += 1
        return ensemble.step(pixels, batch, epoch, position, epoch + 1)

    return take_step


def make_plain_loop(
    experiment: Experiment,
    objective: str,
    ensemble: Ensemble,
    pixels: Pixels,
    device: torch.device,
) -> PlainLoop:
    """Make the plain loop with the networks that the block's first seed starts from."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(pixels), generator=generator)[:IMAGES]
    return PlainLoop(
        copy_networks(ensemble.member(0).architecture),
        pixels[rows].cpu(),
        min(experiment.batch_size, len(rows)),
        objective,
        experiment.setting.beta,
        experiment.grid.training.learning_rate,
        device,
        dataset_size=len(pixels),
    )


def copy_networks(architecture: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Copy an encoder and a decoder to networks of PyTorch's own layers alone.

    Raises:
        UserError: they are not sequences of layers.
    """
    encoder, decoder = architecture.encoder, architecture.decoder
    return _copy_network(encoder), _copy_network(decoder)


def _copy_network(network: nn.Module) -> nn.Sequential:
    if not isinstance(network, nn.Sequential):
        raise UserError(
            "the plain loop needs an encoder and a decoder that are 'nn.Sequential'; "
            f"got {type(network).__name__}: leave the architecture as it is"
        )
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            dense = nn.Linear(layer.in_features, layer.out_features)
            state = layer.state_dict()
            dense.load_state_dict({k: v.cpu().clone() for k, v in state.items()})
            layers.append(dense)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)
