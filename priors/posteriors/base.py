"""Posteriors q(z|x): functions of the encoder's raw output to distributions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from priorbench.priors.spheres.geometry import pick_columns
from priorbench.priors.numerics.special import log_real

Groups = Sequence[Sequence[int]]

LOG_2PI = math.log(2 * math.pi)


class Posterior(ABC):
    """A distribution over z for every row of the encoder's raw output.

    A sample is a deterministic function of standard normal noise, so that it batches under
    ``torch.func.vmap``, replays exactly, and every seed can own its stream.

    Args:
        params: raw encoder output, (..., num_params).
        settings: what a family needs beside the parameters, such as the dimensions of spheres;
            the same for all rows. A class that takes them passes them on by name.
    """

    def __init__(self, params: Tensor, **settings: Any) -> None:
        self.params = params
        self.settings = settings

    @classmethod
    def family(cls, **settings: Any) -> "Family":
        """The class with its settings, as a prior's ``posterior`` needs it."""
        return Family(cls, settings)

    @staticmethod
    @abstractmethod
    def num_params(latent_dim: int, **settings: Any) -> int:
        """Length of the encoder's raw output for ``latent_dim`` latents."""

    @staticmethod
    def noise_dim(latent_dim: int, **settings: Any) -> int:
        """Number of standard normal variates that one draw of z uses."""
        return latent_dim

    @abstractmethod
    def rsample(self, noise: Tensor) -> Tensor:
        """Reparameterised draw; noise (..., noise_dim) standard normal -> z (..., latent_dim)."""

    @abstractmethod
    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Log density of each group of coordinates: z (..., latent_dim) -> (..., groups), nats."""

    @property
    @abstractmethod
    def representation(self) -> Tensor:
        """The point that deterministic metrics read, (..., latent_dim)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        everything = [range(z.shape[-1])]
        return self.log_prob_groups(z, everything).squeeze(-1)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Log density of every z under every one of N posteriors, one group at a time.

        Args:
            z: S points, (S, latent_dim).
            groups: coordinates of each group.
        Yields:
            log q(z_g | x_n), (S, N), in nats, for each group g.
        """
        yield from self[None].log_prob_groups(z[:, None], groups).unbind(-1)

    def entropy(self) -> Tensor:
        """Differential entropy (...), in nats.

        Raises:
            NotImplementedError: the family has no closed form.
        """
        raise NotImplementedError(f"{type(self).__name__} has no closed-form entropy")

    def blocks(self) -> list[tuple["Posterior", tuple[int, ...]]]:
        """Independent parts, each with its coordinates: they partition the latents in order.

        What is one family with independent coordinates is one block; every sphere is its own.
        """
        return [(self, tuple(range(self.representation.shape[-1])))]

    def __getitem__(self, index: Any) -> Self:
        """The posteriors at ``index`` of the batch dimensions."""
        return type(self)(self.params[index], **self.settings)


@dataclass(frozen=True)
class Family:
    """A class of posteriors with its settings: called with raw parameters, it gives posteriors.

    Attributes:
        kind: the class.
        settings: by name, the same for all posteriors.

    Example:
        >>> Gaussian.family().num_params(3)
        6
    """

    kind: type[Posterior]
    settings: Mapping[str, Any]

    def __call__(self, params: Tensor) -> Posterior:
        """The posteriors of raw parameters (..., num_params)."""
        return self.kind(params, **self.settings)

    def num_params(self, latent_dim: int) -> int:
        """Length of the encoder's raw output for ``latent_dim`` latents."""
        return self.kind.num_params(latent_dim, **self.settings)

    def noise_dim(self, latent_dim: int) -> int:
        """Number of standard normal variates that one draw of z uses."""
        return self.kind.noise_dim(latent_dim, **self.settings)


class Gaussian(Posterior):
    r"""Diagonal Gaussian :math:`q(z|x) = \prod_i N(z_i; \mu_i, \sigma_i^2)`.

    Args:
        params: means and log standard deviations side by side, (..., 2 * latent_dim).

    Example:
        >>> q = Gaussian(torch.zeros(3, 4))
        >>> q.log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, params: Tensor) -> None:
        super().__init__(params)
        self.loc, self.log_scale = params.chunk(2, dim=-1)

    @staticmethod
    def num_params(latent_dim: int) -> int:
        """A mean and a log standard deviation for each latent."""
        return 2 * latent_dim

    @property
    def scale(self) -> Tensor:
        """Standard deviations, (..., latent_dim)."""
        return self.log_scale.exp()

    @property
    def representation(self) -> Tensor:
        """The mean, (..., latent_dim)."""
        return self.loc

    def rsample(self, noise: Tensor) -> Tensor:
        """``loc + scale * noise``; noise (..., latent_dim) standard normal."""
        return self.loc + self.scale * noise

    def log_prob_coordinates(self, z: Tensor) -> Tensor:
        """Log density of each coordinate, (..., latent_dim), in nats."""
        standardised = (z - self.loc) * torch.exp(-self.log_scale)
        return -0.5 * standardised.square() - self.log_scale - 0.5 * LOG_2PI

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        return self.log_prob_coordinates(z).sum(-1)

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Log density of each group of coordinates: (..., groups), in nats."""
        return sum_groups(self.log_prob_coordinates(z), groups)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Log density of every z under every posterior, one group at a time: each (S, N), nats.

        Summed coordinate by coordinate: no array has a dimension for the latents, which would be
        the innermost one and a short one.
        """
        loc, precision = (
            self.loc.T.contiguous(),
            torch.exp(-self.log_scale).T.contiguous(),
        )
        for group in groups:
            total = (
                -pick_columns(self.log_scale, tuple(group)).sum(-1)
                - 0.5 * len(group) * LOG_2PI
            )
            for i in group:
                standardised = (z[:, i, None] - loc[i]) * precision[i]
                total = torch.addcmul(total, standardised, standardised, value=-0.5)
            yield total

    def entropy(self) -> Tensor:
        """Differential entropy, (...), in nats."""
        return (self.log_scale + 0.5 * (1 + LOG_2PI)).sum(-1)

    def kl_normal(self, variance: Tensor | float = 1.0) -> Tensor:
        r"""Closed form :math:`KL(q \| N(0, v I))`, (...), in nats; ``variance`` v as below."""
        return self.kl_normal_coordinates(variance).sum(-1)

    def kl_normal_coordinates(self, variance: Tensor | float = 1.0) -> Tensor:
        r"""Closed form :math:`KL(q_i \| N(0, v_i))` of each coordinate, (..., latent_dim), nats.

        Args:
            variance: v, one for all latents or one each, (latent_dim,).
        """
        ratio = (self.loc.square() + torch.exp(2 * self.log_scale)) / variance
        return 0.5 * (ratio - 1 + log_real(variance) - 2 * self.log_scale)


def sum_groups(values: Tensor, groups: Groups) -> Tensor:
    """Sum the last dimension of ``values`` over each group of indices: (..., groups)."""
    if [list(group) for group in groups] == [[i] for i in range(values.shape[-1])]:
        return values
    return torch.stack(
        [pick_columns(values, tuple(group)).sum(-1) for group in groups], dim=-1
    )
