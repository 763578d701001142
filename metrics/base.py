"""What metrics read, and the registry of metrics."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.registry import Registry
from priors.posteriors import Groups, Posterior

registry = Registry("metric", "priorbench.metrics")
register = registry.register
get = registry.get
names = registry.names


@dataclass(frozen=True)
class Codes:
    """The codes of a whole dataset under one trained model (one seed).

    Attributes:
        posterior: q(z|x_n) of all N images, parameters (N, num_params).
        z: one draw of each posterior, (N, latent_dim).
        log_prior: log p(z) at these draws, (N,), in nats.
        factors: ground-truth factor values, int64 (N, F), each from 0 to its size - 1.
        factor_names: F names.
        factor_sizes: number of values of each factor.
        groups: coordinates that belong together under the prior; they partition the latents.
        excluded: names of the factors that the dataset's published MIG leaves out.
        seed: of the random draws that sampled metrics make.
    """

    posterior: Posterior
    z: Tensor
    log_prior: Tensor
    factors: Tensor
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    groups: Groups
    excluded: tuple[str, ...] = ()
    seed: int = 0

    def generator(self) -> torch.Generator:
        """A fresh CPU generator; every metric draws from its own copy of the same stream."""
        return torch.Generator().manual_seed(self.seed)


Scores = dict[str, float | Tensor]
"""What a metric returns: numbers become columns of the CSVs, tensors are kept for plots."""
