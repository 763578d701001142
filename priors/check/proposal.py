"""Densities to integrate against: heavy-tailed around draws, uniform on spheres."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Cauchy, Normal, StudentT

from priorbench.priors.check.statistics import Density, centre_and_spread
from priorbench.priors.spheres.geometry import log_surface_area

BINS = 64
TAILS = 0.15
WIDE = 0.25
WIDENING = 3.0
BLUR = 0.3
INSIDE = 0.7
"""Scale of the density that lies inside the prior, relative to the prior's own."""


def adapt_proposal(
    log_prob: Density, draws: Tensor, spheres: Sequence[Sequence[int]]
) -> "Proposal":
    """A proposal close to the draws and to what they miss of the density.

    Twice, points of a proposal, resampled by their weight and a little blurred, are added to the
    draws that the next is fitted to.

    References: Cappé et al. 2004, Population Monte Carlo.
    """
    proposal, (_, spread) = Proposal(draws, spheres), centre_and_spread(draws)
    for _ in range(2):
        z = proposal.sample(len(draws) // 2)
        weight = (log_prob(z) - proposal.log_prob(z)).softmax(0)
        found = z[torch.multinomial(weight, len(z), replacement=True)]
        blurred = found + BLUR * spread * torch.randn_like(found)
        proposal = Proposal(torch.cat([draws, blurred]), spheres)
    return proposal


class Proposal:
    """A density close to given draws, and wide enough to see what they miss.

    The real coordinates, decorrelated, are independent: a histogram of the draws mixed with a
    Cauchy; three in four. The others are three times as wide, Student's t. Spheres are uniform.

    Args:
        draws: (n, d), float64.
        spheres: coordinates of each unit sphere.
    """

    def __init__(self, draws: Tensor, spheres: Sequence[Sequence[int]]) -> None:
        self.spheres = spheres
        curved = {i for sphere in spheres for i in sphere}
        self.real = [i for i in range(draws.shape[-1]) if i not in curved]
        self.log_area = sum(log_surface_area(len(sphere)) for sphere in spheres)
        x = draws[:, self.real]
        self.centre, spread = centre_and_spread(x)
        core = ((x - self.centre) / spread).clamp(-5, 5)
        covariance = (
            torch.atleast_2d(core.T.cov()) if self.real else torch.zeros(0, 0).to(x)
        )
        self.factor = spread[:, None] * torch.linalg.cholesky(
            covariance + 1e-6 * torch.eye(len(self.real)).to(x)
        )
        u = self.standardise(draws).sort(dim=0).values
        quantiles = torch.linspace(0.002 * len(u), 0.998 * len(u), BINS + 1).long()
        self.knots = u[quantiles].T.contiguous()
        self.widths = self.knots.diff(dim=-1).clamp_min(1e-12)

    def standardise(self, z: Tensor) -> Tensor:
        """The real coordinates, decorrelated and of unit scale, (n, d) -> (n, real)."""
        centred = (z[:, self.real] - self.centre).T
        return torch.linalg.solve_triangular(self.factor, centred, upper=False).T

    def sample(self, n: int) -> Tensor:
        """Independent draws, (n, d)."""
        shape = (n, len(self.real))
        bins, coordinate = torch.randint(BINS, shape), torch.arange(len(self.real))
        histogram = (
            self.knots[coordinate, bins]
            + torch.rand(shape) * self.widths[coordinate, bins]
        )
        close = torch.where(
            torch.rand(shape) < TAILS, Cauchy(0.0, 1.0).sample(shape), histogram
        )
        wide = StudentT(3.0, 0.0, WIDENING).sample(shape)
        return self._place(
            torch.where(torch.rand(n, 1) < WIDE, wide, close).to(self.factor)
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, (n, d) -> (n,), in nats; on the spheres for their surface measure."""
        u = self.standardise(z)
        bins = torch.searchsorted(self.knots, u.T.contiguous()) - 1
        within = (bins >= 0) & (bins < BINS)
        histogram = within / (BINS * self.widths.gather(-1, bins.clamp(0, BINS - 1)))
        tails = Cauchy(0.0, 1.0).log_prob(u).exp()
        close = torch.log((1 - TAILS) * histogram.T + TAILS * tails).sum(-1)
        wide = StudentT(3.0, 0.0, WIDENING).log_prob(u).sum(-1)
        both = torch.logaddexp(math.log(1 - WIDE) + close, math.log(WIDE) + wide)
        return both - self._log_volume - self.log_area

    def log_prob_inside(self, z: Tensor) -> Tensor:
        """Log density of a normal cut off at two of its deviations, within the draws' bulk."""
        u = self.standardise(z) / INSIDE
        values = Normal(0.0, 1.0).log_prob(u) - math.log(
            INSIDE * math.erf(math.sqrt(2))
        )
        cut = torch.where(u.abs() < 2, values, -math.inf).sum(-1)
        return cut - self._log_volume - self.log_area

    @property
    def _log_volume(self) -> Tensor:
        return self.factor.diagonal().log().sum()

    def _place(self, u: Tensor) -> Tensor:
        """Standardised real coordinates to points, uniform on the spheres."""
        z = torch.randn(len(u), len(self.real) + sum(map(len, self.spheres))).to(u)
        z[:, self.real] = self.centre + u @ self.factor.T
        for sphere in self.spheres:
            z[:, sphere] /= z[:, sphere].norm(dim=-1, keepdim=True)
        return z
