"""Standard normal prior."""

import torch
from torch import Tensor

from priorbench.priors.base import Prior, register
from priorbench.priors.numerics.special import LOG_2PI
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.gaussian import GaussianPosterior


@register("normal")
class Normal(Prior):
    r"""Standard normal prior, independent over latents.

    .. math:: \log p(z) = -\tfrac12 \sum_i (z_i^2 + \log 2\pi)

    The KL of a Gaussian posterior is closed.

    References: Kingma and Welling 2014, appendix B (the closed form of the KL).

    Args:
        latent_dim: number of latents d.
    Shape:
        z (..., d) -> log_prob (...), in nats.
    Example:
        >>> Normal(2).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + LOG_2PI)

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn((*shape, self.latent_dim), generator=generator)

    def _kl(self, q: Posterior, z: Tensor) -> Tensor:
        if isinstance(q, GaussianPosterior):
            return q.kl_normal()
        return super()._kl(q, z)

    def _kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        if isinstance(q, GaussianPosterior):
            return q.kl_normal_coordinates()
        return super()._kl_groups(q, z)
