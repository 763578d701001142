"""A prior of your own on a sphere: von Mises–Fisher about a learned direction."""

import torch

from priorbench import priors


@priors.register("von_mises_fisher_prior")
class VonMisesFisherPrior(priors.Prior):
    """Density ∝ exp(κ μ·z) by the surface measure of S^dim; μ and κ are learned."""

    examples = ({"dim": 2},)

    def __init__(self, dim: int) -> None:
        # all latents together are a point of one sphere, and q(z|x) lives there too
        super().__init__(dim + 1, [priors.Group(range(dim + 1), on="sphere")])
        self.posterior = priors.VonMisesFisher(dims=(dim,))
        # a direction and a concentration, as an encoder would give them
        self.raw = torch.nn.Parameter(torch.linspace(-1.0, 1.0, dim + 2))

    def _log_prob(self, z):
        return self.posterior(self.raw).log_prob(z)

    def _sample(self, shape, generator):
        noise = torch.randn(*shape, self.latent_dim, generator=generator)
        return self.posterior(self.raw).rsample(noise)
