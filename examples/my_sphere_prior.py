"""A prior of your own on a sphere: von Mises–Fisher about a learned direction, on S^dim."""

import torch

from priorbench import priors
from priorbench.priors import VonMisesFisher


@priors.register("von_mises_fisher_prior")
class VonMisesFisherPrior(priors.Prior):
    """Density ∝ exp(κ μ·z) by the surface measure; μ and κ are learned."""

    examples = ({"dim": 2},)

    def __init__(self, dim: int) -> None:
        super().__init__(dim + 1)
        self.posterior = VonMisesFisher.family(
            dims=(dim,)
        )  # q(z|x) lives on the same sphere
        self.raw = torch.nn.Parameter(
            torch.linspace(-1.0, 1.0, dim + 2)
        )  # a direction and a κ

    groups = property(
        lambda self: (tuple(range(self.latent_dim)),)
    )  # its latents belong together
    support = ("sphere",)  # one entry for each group

    def _law(self) -> VonMisesFisher:
        return VonMisesFisher(self.raw, dims=(self.latent_dim - 1,))

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        self.check_shape(z)
        return self._law().log_prob(z)

    def sample(self, shape=(), generator=None) -> torch.Tensor:
        device = generator.device if generator is not None else None
        noise = torch.randn(*shape, self.latent_dim, generator=generator, device=device)
        return self._law().rsample(noise).detach().to(torch.get_default_dtype())
