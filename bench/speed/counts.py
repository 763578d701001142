"""Kernels and bytes of training steps, counted without computing them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from priorbench.bench import objectives
from priorbench.bench.models.build import build_model, build_networks
from priorbench.bench.speed.kernels import KernelCounter
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets.base import FactorDataset

PRIORS: dict[str, dict[str, Any]] = {
    "normal": {"name": "normal", "latent_dim": 20},
    "ISA": {"name": "isa", "latent_dim": 20},
    "ISA, learned": {"name": "isa", "latent_dim": 20, "learn_exponents": True},
    "S40": {"name": "hypersphere", "dims": [40], "latent_dim": 41},
    "S4×4": {"name": "hypersphere", "dims": [4, 4, 4, 4], "latent_dim": 20},
    "S10×[S9]×3": {"name": "hypersphere", "dims": [10, 9, 9, 9], "latent_dim": 41},
    "S15×S10×S5×S4×[S3]×2": {
        "name": "hypersphere",
        "dims": [15, 10, 5, 4, 3, 3],
        "latent_dim": 46,
    },
}
"""Priors by the names of their rows."""

NARROW = {"hidden": 2}
"""Arguments of an architecture whose values are computed."""

IMAGES, FACTORS = 737_280, (3, 6, 40, 32, 32)
"""Number of images and factors of dSprites."""


@dataclass(frozen=True)
class CountedStep:
    """A step to be counted.

    Attributes:
        prior: a name of :data:`PRIORS`.
        objective: a name of the registry.
        precision: "fp32", "tf32" or "bf16".
        seeds: of the block.
        architecture: name and arguments.
        side: height and width of the images.
        batch: images of a seed's batch.
    """

    prior: str
    objective: str = "beta_vae"
    precision: str = "fp32"
    seeds: int = 1
    architecture: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    side: int = 64
    batch: int = 2048


def count_step(step: CountedStep) -> dict[str, Any]:
    """Count the kernels and the bytes of a step, as a GPU would take it.

    Nothing is computed: the tensors have shapes and no values. What a step keeps from
    one to the next, like tables, is made before by a step of narrow networks.

    Returns:
        ``kernels`` of the block and ``bytes_per_seed``; ``each``, the kernels by the
        name of the operation or function.
    """
    _take_steps(step, {**step.architecture, **NARROW}, 1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        counter = _take_steps(step, step.architecture, step.seeds)
    return {
        "kernels": counter.kernels.total(),
        "bytes_per_seed": counter.bytes.total() / step.seeds,
        "each": dict(counter.kernels.most_common()),
    }


def list_counts(
    objectives: Sequence[str], precisions: Sequence[str], seeds: int
) -> Iterator[dict[str, Any]]:
    """Yield the counts of a seed alone and in a block, for every prior.

    Args:
        objectives: names of the registry.
        precisions: "fp32", "tf32" or "bf16".
        seeds: of the block.

    Yields:
        What is trained, ``alone`` and ``block`` as :func:`count_step` gives them.
    """
    for prior in PRIORS:
        for objective in objectives:
            for precision in precisions:
                alone = CountedStep(prior, objective, precision)
                yield {
                    "prior": prior,
                    "objective": objective,
                    "precision": precision,
                    "seeds": seeds,
                    "alone": count_step(alone),
                    "block": count_step(replace(alone, seeds=seeds)),
                }


class PlacedLoss(Loss):
    """A loss that is where it belongs: parameters without values cannot be moved."""

    def to(self, *_: Any) -> "PlacedLoss":
        """Return the loss itself."""
        return self

    def __deepcopy__(self, memo: Any) -> "PlacedLoss":
        """Return the loss itself: there is nothing that training would change."""
        return self


def _take_steps(
    step: CountedStep, architecture: Mapping[str, Any], seeds: int
) -> KernelCounter:
    """Take two steps; return the counter of the second."""
    shape = (1, step.side, step.side)
    packed = np.zeros((IMAGES, step.side**2 // 8), np.uint8)  # takes no memory
    data = FactorDataset("zeros", tuple("abcde"), FACTORS, shape, packed=packed)
    cpu = torch.device("cpu")

    def build() -> Loss:
        words = {"name": "bernoulli"}, 1, shape, step.precision
        narrow = {**architecture, **NARROW}
        with unset_fake_temporarily():  # a prior may look at its values
            model = build_model(PRIORS[step.prior], narrow, *words)
        prior = model.prior
        size = prior.latent_dim, prior.posterior.num_params(prior.latent_dim)
        model.architecture = build_networks(architecture, shape, *size)
        objective = objectives.registry.build(step.objective, beta=4.0)
        objective.adapt(model.prior)
        return PlacedLoss(model, objective)

    ensemble = Ensemble(build, range(seeds), 1e-3, cpu)
    pixels = Pixels(data, cpu)
    for position in range(2):
        with KernelCounter() as counter:
            ensemble.step(pixels, step.batch, 0, position, 1)
    return counter
