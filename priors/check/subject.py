"""The prior under check, in both precisions, with draws of it and of its posteriors."""

import copy
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor

from priorbench.priors.base import Prior
from priorbench.priors.check.place import find_files
from priorbench.priors.check.proposal import Proposal, adapt_proposal
from priorbench.priors.posteriors.base import Family, Posterior

DRAWS = 100_000
"""Draws of the prior that the statistical properties share."""


@contextmanager
def use_seed(seed: int, name: str) -> Iterator[None]:
    """A stream of random numbers by name; the caller's is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{seed} {name}".encode()))
        yield


class Subject:
    """A prior under check; what is read off it is computed once, when first asked for.

    Args:
        prior: left as it is; copies are checked.
        seed: of all draws.
    """

    def __init__(self, prior: Prior, seed: int = 0) -> None:
        self.given = prior
        self.seed = seed
        self.latent_dim = prior.latent_dim

    @cached_property
    def single(self) -> Prior:
        """A copy in float32."""
        return copy.deepcopy(self.given).cpu().float()

    @cached_property
    def double(self) -> Prior:
        """A copy in float64."""
        return copy.deepcopy(self.given).cpu().double()

    @cached_property
    def draws(self) -> Tensor:
        """Draws of the prior, (DRAWS, latent_dim), float64."""
        generator = torch.Generator().manual_seed(self.seed)
        with use_seed(self.seed, "draws"):
            return self.double.sample((DRAWS,), generator).detach().double()

    @cached_property
    def proposal(self) -> Proposal:
        """A proposal close to the draws."""
        return Proposal(self.draws, self.spheres)

    @cached_property
    def weighted(self) -> tuple[Tensor, Tensor]:
        """Draws of a proposal close to the density, and log density over proposal, (DRAWS,)."""
        with use_seed(self.seed, "weighted"), torch.no_grad():
            proposal = adapt_proposal(self.double.log_prob, self.draws, self.spheres)
            z = proposal.sample(DRAWS)
            return z, self.double.log_prob(z) - proposal.log_prob(z)

    @property
    def support(self) -> tuple[str, ...]:
        """Where each group lives, "real" or "sphere"."""
        return tuple(self.given.support)

    @property
    def spheres(self) -> list[list[int]]:
        """Coordinates of each group that lives on a unit sphere."""
        return [
            list(group)
            for group, kind in zip(self.given.groups, self.support, strict=True)
            if kind == "sphere"
        ]

    @property
    def real(self) -> list[int]:
        """Coordinates that live on the real line."""
        curved = {i for sphere in self.spheres for i in sphere}
        return [i for i in range(self.latent_dim) if i not in curved]

    @property
    def files(self) -> set[str]:
        """The files that define the prior's class and its posterior's."""
        family = self.given.posterior
        return find_files(
            type(self.given), family.kind if isinstance(family, Family) else family
        )

    def raw(self, *shape: int, scale: float = 0.7) -> Tensor:
        """Random raw encoder output, (*shape, num_params), float32."""
        return scale * torch.randn(
            *shape, self.given.posterior.num_params(self.latent_dim)
        )

    def noise(self, *shape: int) -> Tensor:
        """Noise of posteriors' draws, (*shape, noise_dim), float32."""
        return torch.randn(*shape, self.given.posterior.noise_dim(self.latent_dim))

    def posteriors(self, count: int, draws: int) -> tuple[Posterior, Tensor]:
        """Random posteriors (count, 1) with draws of each, (count, draws, latent_dim), float64."""
        q = self.double.posterior(self.raw(count, 1).double())
        return q, q.rsample(self.noise(count, draws).double())

    def points(self, values: Sequence[float] | Tensor) -> Tensor:
        """A point with ``values`` (latent_dim,) at the real coordinates, a draw on the spheres."""
        point = torch.as_tensor(values, dtype=torch.float32).clone()
        for sphere in self.spheres:
            point[sphere] = self.draws[0, sphere].float()
        return point
