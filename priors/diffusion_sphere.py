"""One hypersphere with the uniform prior and a diffusion posterior: the ΔVAE."""

from priorbench.priors.base import register
from priorbench.priors.hypersphere import UniformOnSpheres
from priorbench.priors.posteriors.diffusion import Diffusion


@register("diffusion_sphere")
class DiffusionSphere(UniformOnSpheres):
    r"""One hypersphere, uniform prior, diffusion posterior: the ΔVAE.

    .. math:: p(z) = |S^d|^{-1}

    with respect to the surface measure. See :class:`Diffusion` for the choices and for
    what is wrong with the published ones.

    References: Pérez Rey 2019, "Disentanglement with Hyperspherical Latent
    Spaces using Diffusion Variational Autoencoders".

    Args:
        dim: dimension d >= 1 of the sphere S^d, in latent_dim = d + 1 coordinates.
        steps: number of steps L of the posterior's walk.
        kl: "exact" for the heat kernel's, "walk" for that of what is drawn, "paper" for
            Eq. 3.
        step: variance of a step, "sqrt" for t / L or "printed" for t².
        density: the posterior's log_prob, "walk" or "heat".
    Shape:
        z (..., dim + 1) -> log_prob (...), in nats.
    Raises:
        ValueError: ``dim`` or ``steps`` is not a positive integer, or a name is
            unknown.
    Example:
        >>> prior = DiffusionSphere(2)
        >>> prior.latent_dim, prior.posterior.noise_dim(3)
        (3, 15)
        >>> prior.log_prob(prior.sample())
        tensor(-2.5310)
    """

    examples = (
        {"dim": 2, "kl": "walk"},
        {"dim": 3, "steps": 2, "kl": "walk", "step": "printed"},
    )

    def __init__(
        self,
        dim: int = 10,
        steps: int = 5,
        kl: str = "exact",
        step: str = "sqrt",
        density: str = "walk",
    ) -> None:
        if type(dim) is not int or dim < 1:
            raise ValueError(f"'dim' must be a positive integer; got {dim!r}")
        super().__init__([dim])
        self.posterior = Diffusion(self.dims, steps, step, density, kl)
