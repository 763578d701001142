"""Posteriors q(z|x), and the families that make them from the encoder's raw output."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

Groups = Sequence[Sequence[int]]
"""The coordinates of each group of latents."""

Parts = list[tuple["Posterior", tuple[int, ...]]]
"""Independent posteriors, each with its coordinates."""


class PosteriorFamily(ABC):
    """A family of distributions q(z|x): a function of the encoder's raw output.

    A family is a frozen dataclass. Its fields hold what all its posteriors share, such
    as the dimensions of spheres.
    """

    @abstractmethod
    def __call__(self, params: Tensor) -> "Posterior":
        """Return the posteriors of raw parameters, (..., num_params)."""

    @abstractmethod
    def num_params(self, latent_dim: int) -> int:
        """Return the length of the encoder's raw output for ``latent_dim`` latents."""

    def noise_dim(self, latent_dim: int) -> int:
        """Return the number of standard normal variates that one draw of z uses."""
        return latent_dim


class Posterior(ABC):
    """A distribution over z for every row of the encoder's raw output.

    A draw is a deterministic function of standard normal noise, so that it batches
    under ``torch.func.vmap``, replays exactly, and every seed can have random numbers
    of its own.

    Args:
        params: raw output of the encoder, (..., num_params).
        family: the family that made it.
    """

    def __init__(self, params: Tensor, family: PosteriorFamily) -> None:
        self.params = params
        self.family = family

    @abstractmethod
    def rsample(self, noise: Tensor) -> Tensor:
        """Return a reparameterised draw.

        Args:
            noise: standard normal, (..., noise_dim).

        Returns:
            z, (..., latent_dim).
        """

    @abstractmethod
    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Return the log density of each group of coordinates in nats.

        Args:
            z: (..., latent_dim).
            groups: coordinates of each group.

        Returns:
            (..., groups).
        """

    @property
    @abstractmethod
    def representation(self) -> Tensor:
        """The point that deterministic metrics read, (..., latent_dim)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, z (..., latent_dim) -> (...)."""
        everything = range(z.shape[-1])
        joint = self.log_prob_groups(z, [everything])
        return joint.squeeze(-1)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Yield the log density of every z under every posterior, group by group.

        Args:
            z: S points, (S, latent_dim).
            groups: coordinates of each group.

        Yields:
            log q(z_g | x_n) of the N posteriors, (S, N), in nats, for each group g.
        """
        every = self[None]
        pairs = every.log_prob_groups(z[:, None], groups)
        yield from pairs.unbind(-1)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, (...).

        Raises:
            NotImplementedError: the family has no closed form.
        """
        name = type(self.family).__name__
        raise NotImplementedError(f"{name} has no closed-form entropy")

    def independent_parts(self) -> Parts:
        """Return the independent parts, each with its coordinates.

        The coordinates partition the latents in order. Independent coordinates of one
        family are one part; every sphere is a part of its own.
        """
        latent_dim = self.representation.shape[-1]
        return [(self, tuple(range(latent_dim)))]

    def __getitem__(self, index: Any) -> "Posterior":
        """Return the posteriors at ``index`` of the batch dimensions."""
        return self.family(self.params[index])
