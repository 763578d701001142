"""A training step taken apart."""

import statistics

import torch
from torch import Tensor

from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.speed.timing import time_call
from priorbench.priors import Gaussian
from priorbench.priors.posteriors.mixture import log_mixture


def measure_parts(
    ensemble: Ensemble, pixels: Pixels, batch: int, rounds: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of a step's parts, each waited for; the step is not recorded here.

    Returns:
        ``data`` (images and noise), ``forward``, ``backward``, ``optimiser``; and ``estimator``,
        that of β-TCVAE over single latents, forward and backward, which for β-TCVAE is in the
        second and third.
    """
    prior, now = ensemble.template.model.prior, {}
    rows = torch.randint(len(pixels), (len(ensemble), batch), device=device)
    latents = prior.latent_dim
    z = torch.randn(batch, latents, device=device, requires_grad=True)
    raw = torch.randn(batch, 2 * latents, device=device, requires_grad=True)

    def data() -> None:
        shape = (batch, prior.posterior.noise_dim(latents))
        now["noise"] = random_streams.draw_normal(
            ensemble.seeds, random_streams.NOISE, 0, shape
        )
        now["x"] = pixels[rows]

    def forward() -> None:
        now["losses"] = ensemble.losses(now["x"], now["noise"], len(pixels), 0.5)[0]

    def backward() -> None:
        ensemble.optimizer.zero_grad(set_to_none=True)
        now["losses"].sum().backward()

    def estimator() -> None:
        _run_seeds(_run_estimator, len(ensemble), z, raw).backward()

    actions = {
        "data": data,
        "forward": forward,
        "backward": backward,
        "optimiser": ensemble.optimizer.step,
        "estimator": estimator,
    }
    seconds = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            seconds[name].append(time_call(action, device))
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def _run_estimator(z: Tensor, raw: Tensor) -> Tensor:
    joint, marginals = log_mixture(
        Gaussian(raw), z, [[i] for i in range(z.shape[-1])], 0.0
    )
    return joint.sum() + marginals.sum()


def _run_seeds(function: object, count: int, *tensors: Tensor) -> Tensor:
    if count == 1:
        return function(*tensors)
    return torch.func.vmap(function)(
        *(t.expand(count, *t.shape) for t in tensors)
    ).sum()
