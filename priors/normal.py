"""Standard normal prior."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.priors.base import Prior, register
from priorbench.priors.posteriors.base import LOG_2PI, Gaussian, Posterior


@register("normal")
class Normal(Prior):
    r"""Standard normal prior, independent over latents.

    .. math:: \log p(z) = -\tfrac12 \sum_i (z_i^2 + \log 2\pi)

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

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., d) -> (...), in nats."""
        return self.log_prob_groups(z).sum(-1)

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Log density of each latent, (..., d), in nats."""
        self.check_shape(z)
        return -0.5 * (z.square() + LOG_2PI)

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Independent draws, (*shape, d)."""
        device = generator.device if generator is not None else None
        return torch.randn(
            (*shape, self.latent_dim), generator=generator, device=device
        )

    def kl(self, q: Posterior, z: Tensor) -> Tensor:
        """KL(q || p), (...), in nats: closed for a Gaussian q, else one-sample."""
        return q.kl_normal() if isinstance(q, Gaussian) else super().kl(q, z)

    def kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        """KL(q_i || p_i) of each latent, (..., d), in nats: closed for a Gaussian q."""
        if isinstance(q, Gaussian):
            return q.kl_normal_coordinates()
        return super().kl_groups(q, z)
