"""A training step against the plain loop, against its matrix products alone, and in parts."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from priorbench.bench.execution import worker, experiment, plan
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs
from priorbench.bench.execution.worker import Block
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.study.job import Job
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.speed import matrix_products
from priorbench.bench.speed.step_parts import measure_parts
from priorbench.bench.speed.plain_loop import PlainLoop
from priorbench.bench.speed.timing import time_interleaved, compute_ratio

IMAGES = 40_960
"""Images that the plain loop holds as float32: all of dSprites would be 12 GB."""

METHODS = {"beta_vae": "β-VAE", "beta_tcvae": "β-TCVAE"}


@dataclass(frozen=True)
class Case:
    """What is trained, and how it is timed.

    Attributes:
        objective: "beta_vae" or "beta_tcvae".
        device: "cpu", "cuda" or "cuda:N".
        seeds: of the block.
        precision: "fp32", "tf32" or "bf16".
        rounds: that are timed.
        changes: keys of the grid file laid over those of ``dsprites_beta``.
    """

    objective: str
    device: str
    seeds: int = 1
    precision: str = "fp32"
    rounds: int = 5
    changes: tuple[tuple[str, object], ...] = ()


def make_jobs(case: Case, beta: float = 4.0) -> tuple[Job, ...]:
    """The seeds of one setting of the grid ``dsprites_beta``."""
    grid = load_grid("dsprites_beta").model_copy(
        update={"seeds": case.seeds, **dict(case.changes)}
    )
    return tuple(
        j
        for j in list_jobs(grid, case.precision, [METHODS[case.objective]])
        if j.beta == beta
    )


def measure_training(case: Case) -> dict[str, float]:
    """Figures of one training step; the ratios are of times taken in turn.

    Returns:
        ``seconds`` of a step of the block, ``images_per_second`` of the block and ``..._per_seed``;
        ``times_plain``, how many times faster than the plain loop a seed is trained, and for the
        β-VAE ``times_published``, than the loop that also computes the estimator, as the
        published code does; ``product_share``, the products' time over the step's; ``flops``
        per second, dense count; ``part_<name>`` seconds of the step's parts.
    """
    device, own = torch.device(case.device), make_jobs(case)
    ensemble, pixels = (
        worker.make_ensemble(Block(own), case.device),
        experiment.load_pixels(own[0], case.device),
    )
    batch = min(own[0].config["training"]["batch_size"], len(pixels))
    actions = {
        "ours": make_stepper(ensemble, pixels, batch),
        "products": matrix_products.make_products(
            ensemble.template.model, case.seeds, batch, case.precision, device
        ),
    }
    names = {
        "beta_vae": ("beta_vae", "beta_vae_estimator"),
        "beta_tcvae": ("beta_tcvae",),
    }
    for name in names[case.objective]:
        actions[name] = make_plain_loop(own[0], name, ensemble, pixels, device).step
    with experiment.set_precision(case.precision):
        seconds = time_interleaved(actions, case.rounds, device, warm_up=5)
        taken = statistics.median(seconds["ours"])
        images = case.seeds * batch
        found = {
            "seconds": taken,
            "images_per_second": images / taken,
            "images_per_second_per_seed": batch / taken,
            "times_plain": case.seeds
            * compute_ratio(seconds[case.objective], seconds["ours"]),
            "product_share": compute_ratio(seconds["products"], seconds["ours"]),
            "flops": images * plan.count_image_flops(own[0])[1] / taken,
        }
        if "beta_vae_estimator" in seconds:
            found["times_published"] = case.seeds * compute_ratio(
                seconds["beta_vae_estimator"], seconds["ours"]
            )
        # these steps are taken apart and change the parameters' gradients: last
        found |= {
            f"part_{name}": value
            for name, value in measure_parts(
                ensemble, pixels, batch, case.rounds, device
            ).items()
        }
    return found


def make_stepper(
    ensemble: Ensemble, pixels: Pixels, batch: int
) -> Callable[[], object]:
    """The next step of a training that begins again after an epoch; no value is read."""
    steps, count = len(pixels) // batch, iter(range(10**9))

    def step() -> object:
        epoch, position = divmod(next(count), steps)
        return ensemble.step(pixels, batch, epoch, position, epoch + 1)

    return step


def make_plain_loop(
    own: Job, objective: str, ensemble: Ensemble, pixels: Pixels, device: torch.device
) -> PlainLoop:
    """The plain loop with the networks that the block's first seed starts from."""
    networks = _make_plain_networks(ensemble.member(0).architecture)
    rows = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))[
        :IMAGES
    ]
    training = own.config["training"]
    return PlainLoop(
        networks,
        pixels[rows].cpu(),
        min(training["batch_size"], len(rows)),
        objective,
        own.beta,
        training["learning_rate"],
        device,
        dataset_size=len(pixels),
    )


def _make_plain_networks(architecture: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The same networks of PyTorch's own layers alone."""
    return _make_dense(architecture.encoder), _make_dense(architecture.decoder)


def _make_dense(network: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(
        *(_copy_layer(m) if isinstance(m, nn.Linear) else m for m in network)
    )


def _copy_layer(layer: nn.Linear) -> nn.Linear:
    same = nn.Linear(layer.in_features, layer.out_features)
    same.load_state_dict({k: _copy_tensor(v) for k, v in layer.state_dict().items()})
    return same


def _copy_tensor(value: Tensor) -> Tensor:
    return value.detach().cpu().clone()
