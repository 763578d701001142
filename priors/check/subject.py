"""The prior under check, in both precisions, with draws of it and of its posteriors."""

import copy
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor

from priorbench.priors.base import Prior
from priorbench.priors.check.proposal import Proposal, adapt_proposal
from priorbench.priors.posteriors.base import Posterior

DRAWS = 100_000
"""Draws of the prior that the statistical properties share."""

RAW_SCALE = 0.7
"""Standard deviation of random raw encoder output."""


@contextmanager
def use_seed(seed: int, name: str) -> Iterator[None]:
    """Seed the random numbers by a name; the caller's are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{seed} {name}".encode()))
        yield


class Subject:
    """A prior under check; what is drawn or computed of it is kept.

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
        """Draws of a proposal close to the density, and log density over proposal.

        (DRAWS, latent_dim) and (DRAWS,).
        """
        with use_seed(self.seed, "weighted"), torch.no_grad():
            proposal = adapt_proposal(self.double.log_prob, self.draws, self.spheres)
            z = proposal.sample(DRAWS)
            return z, self.double.log_prob(z) - proposal.log_prob(z)

    @property
    def spheres(self) -> list[list[int]]:
        """Coordinates of each group that lives on a unit sphere."""
        groups = self.given.groups
        return [list(group.coordinates) for group in groups if group.on == "sphere"]

    @property
    def real(self) -> list[int]:
        """Coordinates that live on the real line."""
        curved = {i for sphere in self.spheres for i in sphere}
        return [i for i in range(self.latent_dim) if i not in curved]

    def draw_raw(self, *shape: int) -> Tensor:
        """Draw raw encoder output, ``(*shape, num_params)``, float32."""
        size = self.given.posterior.num_params(self.latent_dim)
        return RAW_SCALE * torch.randn(*shape, size)

    def draw_noise(self, *shape: int) -> Tensor:
        """Draw the noise of posteriors' draws, ``(*shape, noise_dim)``, float32."""
        size = self.given.posterior.noise_dim(self.latent_dim)
        return torch.randn(*shape, size)

    def draw_posteriors(self, count: int, draws: int) -> tuple[Posterior, Tensor]:
        """Draw posteriors at random, and draws of each.

        Returns:
            The posteriors, (count, 1), and z, (count, draws, latent_dim); float64.
        """
        q = self.double.posterior(self.draw_raw(count, 1).double())
        return q, q.rsample(self.draw_noise(count, draws).double())

    def make_point(self, values: Tensor) -> Tensor:
        """Return a point with given real coordinates, and a draw's on the spheres.

        Args:
            values: (latent_dim,).

        Returns:
            (latent_dim,), float32.
        """
        point = values.float().clone()
        for sphere in self.spheres:
            point[sphere] = self.draws[0, sphere].float()
        return point
