"""A training step taken apart."""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from priorbench.bench.speed.timing import time_interleaved
from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.training.pixels import Pixels
from priorbench.priors.posteriors.gaussian import Gaussian
from priorbench.priors.posteriors.mixture import log_mixture


def measure_parts(
    ensemble: Ensemble, pixels: Pixels, batch: int, rounds: int, device: torch.device
) -> dict[str, float]:
    """Measure the parts of a step, each waited for; the step is not recorded here.

    Returns:
        Median seconds of ``data`` (images and noise), ``forward``, ``backward`` and
        ``optimiser``; and of ``estimator``, that of β-TCVAE over single latents,
        forward and backward, which for β-TCVAE is in the second and third.
    """
    prior = ensemble.template.model.prior
    latents = prior.latent_dim
    rows = torch.randint(len(pixels), (len(ensemble), batch), device=device)
    noise_shape = (batch, prior.posterior.noise_dim(latents))
    now: dict[str, Tensor] = {}

    def load_data() -> None:
        now["noise"] = random_streams.draw_normal(
            ensemble.seeds, random_streams.NOISE, 0, noise_shape
        )
        now["x"] = pixels[rows]

    def run_forward() -> None:
        losses, *_ = ensemble.losses(now["x"], now["noise"], len(pixels), 0.5)
        now["loss"] = losses.sum()

    def run_backward() -> None:
        ensemble.optimizer.zero_grad(set_to_none=True)
        now["loss"].backward()

    actions = {
        "data": load_data,
        "forward": run_forward,
        "backward": run_backward,
        "optimiser": ensemble.optimizer.step,
        "estimator": _make_estimator(len(ensemble), batch, latents, device),
    }
    seconds = time_interleaved(actions, rounds, device, warm_up=1)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _make_estimator(
    seeds: int, batch: int, latents: int, device: torch.device
) -> Callable[[], None]:
    """Make a function that runs the estimator of β-TCVAE forward and backward."""
    z = torch.randn(batch, latents, device=device, requires_grad=True)
    raw = torch.randn(batch, 2 * latents, device=device, requires_grad=True)

    def estimate_sum(z: Tensor, raw: Tensor) -> Tensor:
        groups = [[i] for i in range(latents)]
        joint, marginals = log_mixture(Gaussian()(raw), z, groups, 0.0)
        return joint.sum() + marginals.sum()

    def run_estimator() -> None:
        if seeds == 1:
            estimate_sum(z, raw).backward()
        else:
            many = [tensor.expand(seeds, *tensor.shape) for tensor in (z, raw)]
            torch.func.vmap(estimate_sum)(*many).sum().backward()

    return run_estimator
