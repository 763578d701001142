"""Densities to integrate against: heavy-tailed around draws, uniform on spheres."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Cauchy, Normal, StudentT

from priorbench.priors.check.statistics import (
    Density,
    find_centre_and_spread,
    project_on_spheres,
)
from priorbench.priors.spheres.geometry import log_surface_area

BINS = 64
"""Bins of the histogram of each coordinate."""

TAILS = 0.15
"""Share of the Cauchy beside the histogram."""

WIDE, WIDENING = 0.25, 3.0
"""Share of the wide part, and its scale."""

ROUNDS, BLUR = 2, 0.3
"""How often a proposal is adapted, and how much resampled points are blurred."""

INSIDE, CUT = 0.7, 2.0
"""Scale of the density inside the prior's bulk, relative to it, and where it is cut."""


class Proposal:
    """A density close to given draws, and wide enough to see what they miss.

    The real coordinates, decorrelated, are independent: three in four draws are of a
    histogram of the given draws mixed with a Cauchy, the others of Student's t, three
    times as wide. Spheres are uniform.

    Args:
        draws: (n, d), float64.
        spheres: coordinates of each unit sphere.
    """

    def __init__(self, draws: Tensor, spheres: Sequence[Sequence[int]]) -> None:
        self.spheres = spheres
        curved = {i for sphere in spheres for i in sphere}
        self.real = [i for i in range(draws.shape[-1]) if i not in curved]
        x = draws[:, self.real]
        self.centre, spread = find_centre_and_spread(x)
        covariance = torch.zeros(0, 0).to(x)
        if self.real:
            core = ((x - self.centre) / spread).clamp(-5, 5)
            covariance = torch.atleast_2d(core.T.cov())
        regular = covariance + 1e-6 * torch.eye(len(self.real)).to(x)
        self.factor = spread[:, None] * torch.linalg.cholesky(regular)
        log_area = sum(log_surface_area(len(sphere)) for sphere in spheres)
        self.log_volume = self.factor.diagonal().log().sum() + log_area
        u = self.standardise(draws).sort(dim=0).values
        quantiles = torch.linspace(0.002 * len(u), 0.998 * len(u), BINS + 1).long()
        self.knots = u[quantiles].T.contiguous()
        self.widths = self.knots.diff(dim=-1).clamp_min(1e-12)

    def standardise(self, z: Tensor) -> Tensor:
        """Return the real coordinates, decorrelated and of unit scale.

        Args:
            z: (n, d).

        Returns:
            (n, real).
        """
        centred = (z[:, self.real] - self.centre).T
        return torch.linalg.solve_triangular(self.factor, centred, upper=False).T

    def sample(self, n: int) -> Tensor:
        """Draw n points independently, (n, d)."""
        shape = (n, len(self.real))
        bins = torch.randint(BINS, shape)
        coordinate = torch.arange(len(self.real))
        low = self.knots[coordinate, bins]
        histogram = low + torch.rand(shape) * self.widths[coordinate, bins]
        tails = torch.rand(shape) < TAILS
        close = torch.where(tails, Cauchy(0.0, 1.0).sample(shape), histogram)
        wide = StudentT(3.0, 0.0, WIDENING).sample(shape)
        u = torch.where(torch.rand(n, 1) < WIDE, wide, close).to(self.factor)
        z = torch.randn(n, len(self.real) + sum(map(len, self.spheres))).to(u)
        z[:, self.real] = self.centre + u @ self.factor.T
        project_on_spheres(z, self.spheres)
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats; on spheres for their surface measure.

        Args:
            z: (n, d).

        Returns:
            (n,).
        """
        u = self.standardise(z)
        bins = torch.searchsorted(self.knots, u.T.contiguous()) - 1
        within = (bins >= 0) & (bins < BINS)
        widths = self.widths.gather(-1, bins.clamp(0, BINS - 1))
        histogram = within / (BINS * widths)
        tails = Cauchy(0.0, 1.0).log_prob(u).exp()
        close = torch.log((1 - TAILS) * histogram.T + TAILS * tails).sum(-1)
        wide = StudentT(3.0, 0.0, WIDENING).log_prob(u).sum(-1)
        mixed = torch.logaddexp(math.log(1 - WIDE) + close, math.log(WIDE) + wide)
        return mixed - self.log_volume

    def log_prob_inside(self, z: Tensor) -> Tensor:
        """Return the log density of a cut normal in the draws' bulk, (n, d) -> (n,)."""
        u = self.standardise(z) / INSIDE
        log_mass = math.log(INSIDE * math.erf(CUT / math.sqrt(2)))
        values = Normal(0.0, 1.0).log_prob(u) - log_mass
        inside = torch.where(u.abs() < CUT, values, -math.inf)
        return inside.sum(-1) - self.log_volume


def adapt_proposal(
    log_prob: Density,
    draws: Tensor,
    spheres: Sequence[Sequence[int]],
) -> Proposal:
    """Return a proposal close to the draws and to what they miss of the density.

    Twice, points of a proposal, resampled by their weight and a little blurred, are
    added to the draws that the next is fitted to.

    References: Cappé et al. 2004, Population Monte Carlo.
    """
    proposal = Proposal(draws, spheres)
    _, spread = find_centre_and_spread(draws)
    for _ in range(ROUNDS):
        z = proposal.sample(len(draws) // 2)
        weight = (log_prob(z) - proposal.log_prob(z)).softmax(0)
        found = z[torch.multinomial(weight, len(z), replacement=True)]
        blurred = found + BLUR * spread * torch.randn_like(found)
        proposal = Proposal(torch.cat([draws, blurred]), spheres)
    return proposal
