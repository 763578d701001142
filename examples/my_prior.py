"""A prior of your own: one class, registered; examples/my_grid.toml uses it."""

import math

import torch

from priorbench import priors


@priors.register("logistic")
class Logistic(priors.Prior):
    """Independent logistic latents: log p(z) = Σ log(sech²(z_i / 2s) / 4s), nats."""

    def __init__(self, latent_dim: int, scale: float = 0.5) -> None:
        super().__init__(latent_dim)
        if scale <= 0:
            raise ValueError(f"'scale' must be positive; got {scale}")
        self.scale = scale

    def _log_prob_groups(self, z):  # of each latent: (..., latent_dim)
        half = z.abs() / (2 * self.scale)  # log cosh x = x + log(1 + e^-2x) - log 2
        log_cosh = half + torch.log1p(torch.exp(-2 * half)) - math.log(2)
        return -2 * log_cosh - math.log(4 * self.scale)

    def _sample(self, shape, generator):  # (*shape, latent_dim)
        u = torch.rand(*shape, self.latent_dim, generator=generator)
        return self.scale * torch.logit(u, eps=1e-7)

    def variance(self):  # optional: lowers the variance of the KL's estimate
        return (math.pi * self.scale) ** 2 / 3
