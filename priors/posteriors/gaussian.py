"""Diagonal Gaussian posteriors."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from priorbench.priors.numerics.columns import pick_columns, sum_groups
from priorbench.priors.numerics.special import LOG_2PI, TensorOrFloat, log_real
from priorbench.priors.posteriors.base import Groups, Posterior, PosteriorFamily


@dataclass(frozen=True)
class Gaussian(PosteriorFamily):
    r"""Diagonal Gaussians :math:`q(z|x) = \prod_i N(z_i; \mu_i, \sigma_i^2)`.

    The raw parameters are the means and, behind them, the log standard deviations,
    (..., 2 * latent_dim).

    Example:
        >>> q = Gaussian()(torch.zeros(3, 4))
        >>> q.log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __call__(self, params: Tensor) -> "GaussianPosterior":
        """Return the posteriors of raw parameters, (..., 2 * latent_dim)."""
        return GaussianPosterior(params, self)

    def num_params(self, latent_dim: int) -> int:
        """Return the number of means and log standard deviations together."""
        return 2 * latent_dim


class GaussianPosterior(Posterior):
    """Diagonal Gaussians of the family :class:`Gaussian`.

    Attributes:
        loc: means, (..., latent_dim).
        log_scale: log standard deviations, (..., latent_dim).
    """

    def __init__(self, params: Tensor, family: PosteriorFamily) -> None:
        super().__init__(params, family)
        self.loc, self.log_scale = params.chunk(2, dim=-1)

    @property
    def scale(self) -> Tensor:
        """Standard deviations, (..., latent_dim)."""
        return self.log_scale.exp()

    @property
    def representation(self) -> Tensor:
        """The mean, (..., latent_dim)."""
        return self.loc

    def rsample(self, noise: Tensor) -> Tensor:
        """Return ``loc + scale * noise``; noise (..., latent_dim) standard normal."""
        return self.loc + self.scale * noise

    def log_prob_coordinates(self, z: Tensor) -> Tensor:
        """Return the log density of each coordinate in nats, (..., latent_dim)."""
        precision = torch.exp(-self.log_scale)
        standardised = (z - self.loc) * precision
        exponent = -0.5 * standardised.square()
        return exponent - self.log_scale - 0.5 * LOG_2PI

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, z (..., latent_dim) -> (...)."""
        return self.log_prob_coordinates(z).sum(-1)

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Return the log density of each group in nats, (..., groups)."""
        return sum_groups(self.log_prob_coordinates(z), groups)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Yield the log density of every z under every posterior, (S, N), in nats.

        It is summed coordinate by coordinate: no array has a dimension for the latents,
        which would be the innermost one and a short one.

        Args:
            z: S points, (S, latent_dim).
            groups: coordinates of each group; each gives one array.
        """
        loc = self.loc.T.contiguous()
        precision = torch.exp(-self.log_scale).T.contiguous()
        for group in groups:
            log_scales = pick_columns(self.log_scale, tuple(group))
            constant = 0.5 * len(group) * LOG_2PI
            total = -log_scales.sum(-1) - constant
            for i in group:
                distance = z[:, i, None] - loc[i]
                standardised = distance * precision[i]
                total = torch.addcmul(total, standardised, standardised, value=-0.5)
            yield total

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, (...)."""
        entropies = self.log_scale + 0.5 * (1 + LOG_2PI)
        return entropies.sum(-1)

    def kl_normal(self, variance: TensorOrFloat = 1.0) -> Tensor:
        r"""Return the closed form :math:`KL(q \| N(0, v I))` in nats, (...).

        Args:
            variance: v, one for all latents or one each, (latent_dim,).
        """
        each = self.kl_normal_coordinates(variance)
        return each.sum(-1)

    def kl_normal_coordinates(self, variance: TensorOrFloat = 1.0) -> Tensor:
        r"""Return :math:`KL(q_i \| N(0, v_i))` of each coordinate in nats.

        Args:
            variance: v, one for all latents or one each, (latent_dim,).

        Returns:
            (..., latent_dim).
        """
        second_moment = self.loc.square() + torch.exp(2 * self.log_scale)
        ratio = second_moment / variance
        twice = ratio - 1 + log_real(variance) - 2 * self.log_scale
        return 0.5 * twice
