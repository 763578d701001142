"""Generalized Gaussian prior."""

import torch
from torch import Tensor

from priorbench.priors.base import Prior, can_hold_variances, register
from priorbench.priors.numerics.exponents import LEARNING_RATE, Exponents, check_scale
from priorbench.priors.numerics.special import (
    draw_signs,
    exp_real,
    log_abs,
    log_gamma,
    log_real,
    sample_log_gamma,
)


@register("generalized_gaussian")
class GeneralizedGaussian(Prior):
    r"""Generalized Gaussian prior, independent over latents.

    .. math:: \log p(z) = \sum_i \bigl[\log p - \log 2 - \log\Gamma(1/p)
        - \tfrac1p\log s - |z_i|^p / s\bigr]

    p = 2 with s = 2 is the standard normal, p = 1 Laplace; p > 2 is platykurtic. Draws
    are exact: ``|z|^p / s`` is Gamma(1/p), the sign is fair.

    References: Stühmer et al. 2019 (ISA-VAE), Eq. 5.

    Args:
        latent_dim: number of latents d.
        p: exponent, > 0; where learning starts if it is learned.
        scale: s, > 0.
        learn_exponent: learn the exponent, one for all latents, at its own learning
            rate.
    Shape:
        z (..., d) -> log_prob (...), in nats.
    Raises:
        ValueError: ``p`` or ``scale`` is not positive.
    Example:
        >>> GeneralizedGaussian(2, p=2.0, scale=2.0).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    learning_rate = LEARNING_RATE
    examples = ({"p": 2.4, "scale": 1.3}, {"p": 1.0}, {"learn_exponent": True})

    def __init__(
        self,
        latent_dim: int,
        p: float = 2.0,
        scale: float = 1.0,
        learn_exponent: bool = False,
    ) -> None:
        super().__init__(latent_dim)
        self.exponents = Exponents([p], learn_exponent)
        self.scale = check_scale(scale)
        try:
            variance = torch.as_tensor(self._compute_variance(), dtype=torch.float64)
            self._knows_variance = can_hold_variances([variance.detach().item()])
        except OverflowError:
            self._knows_variance = False

    @property
    def p(self) -> Tensor | float:
        """The exponent."""
        return self.exponents()[0]

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        p = self.p
        log_normaliser = log_real(2 * self.scale ** (1 / p) / p) + log_gamma(1 / p)
        return -torch.exp(p * log_abs(z)) / self.scale - log_normaliser

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        shape = (*shape, self.latent_dim)
        p = self.exponents.values()[0]
        log_power = sample_log_gamma(shape, 1 / p, generator) + log_real(self.scale)
        return draw_signs(shape, generator) * torch.exp(log_power / p)

    def variance(self) -> Tensor | float | None:
        """Return the variance of a latent, s^(2/p) Γ(3/p) / Γ(1/p).

        None where the exponent, as given, makes it larger or smaller than float32
        holds.
        """
        return self._compute_variance() if self._knows_variance else None

    def _compute_variance(self) -> Tensor | float:
        p = self.p
        return self.scale ** (2 / p) * exp_real(log_gamma(3 / p) - log_gamma(1 / p))

    def learned(self) -> dict[str, Tensor]:
        """Return the exponent, if it is learned."""
        if self.exponents.rho is None:
            return {}
        return {"exponent": self.p.detach()}
