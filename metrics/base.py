"""What metrics read, and the registry of metrics."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priorbench.registry import Registry
from priorbench.priors.posteriors.base import Groups, Posterior

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
        factors: ground-truth factor values, int64 (N, F), each from 0 to its size - 1; F is 0
            for a dataset without factors.
        factor_names: F names.
        factor_sizes: number of values of each factor.
        groups: coordinates that belong together under the prior; they partition the latents.
        excluded: names of the factors that the dataset's published MIG leaves out.
        seed: of the random draws that sampled metrics make.

    Raises:
        ValueError: shapes disagree, a factor value is outside its size, or ``groups`` is no
            partition of the latents.
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

    def __post_init__(self) -> None:
        """Check that the fields fit each other."""
        num_points, num_factors = len(self.z), len(self.factor_names)
        expected = {"log_prior": (num_points,), "factors": (num_points, num_factors)}
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(
                    f"{name!r} must have shape {shape} to fit 'z' and 'factor_names'; "
                    f"got {tuple(getattr(self, name).shape)}"
                )
        if len(self.posterior.params) != num_points or num_points == 0:
            raise ValueError(
                "'posterior' and 'z' must hold the same data points, at least one; "
                f"got {len(self.posterior.params)} and {num_points}"
            )
        if sorted(i for group in self.groups for i in group) != list(
            range(self.z.shape[1])
        ):
            raise ValueError(
                f"'groups' must partition the {self.z.shape[1]} latents; "
                f"got {self.groups}"
            )
        self._check_factors()

    def _check_factors(self) -> None:
        if len(set(self.factor_names)) != len(self.factor_names):
            raise ValueError(f"'factor_names' must differ; got {self.factor_names}")
        if len(self.factor_sizes) != len(self.factor_names):
            raise ValueError(
                "'factor_sizes' must have one size for each of the "
                f"{len(self.factor_names)} names; got {self.factor_sizes}"
            )
        if unknown := set(self.excluded) - set(self.factor_names):
            raise ValueError(
                f"'excluded' must be names of factors; got {sorted(unknown)}"
            )
        columns = zip(self.factor_names, self.factor_sizes, self.factors.T, strict=True)
        for name, size, values in columns:
            if values.min() < 0 or values.max() >= size:
                raise ValueError(
                    f"'factors' of {name!r} must lie in 0 ... {size - 1}; "
                    f"got {int(values.min())} to {int(values.max())}"
                )

    def generator(self) -> torch.Generator:
        """A fresh CPU generator; every metric draws from its own copy of the same stream."""
        return torch.Generator().manual_seed(self.seed)

    def points(self, num_samples: int) -> Tensor:
        """Indices of ``num_samples`` random data points without replacement.

        All of them, in order, where there are no more than ``num_samples``.
        """
        if num_samples < 2:
            raise ValueError(f"'num_samples' must be at least 2; got {num_samples}")
        if len(self.z) <= num_samples:
            return torch.arange(len(self.z), device=self.z.device)
        index = torch.randperm(len(self.z), generator=self.generator())[:num_samples]
        return index.to(self.z.device)


Scores = dict[str, float | Tensor]
"""What a metric returns: numbers become columns of the CSVs, tensors are kept for plots."""
