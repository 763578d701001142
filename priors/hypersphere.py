"""Products of hyperspheres with the uniform prior."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.priors.base import Group, Prior, register
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.power_spherical import PowerSpherical
from priorbench.priors.posteriors.spherical import SphericalPosterior, check_dims
from priorbench.priors.posteriors.von_mises_fisher import GRADIENTS, VonMisesFisher
from priorbench.priors.spheres.geometry import (
    log_surface_area,
    make_layout,
    normalise_vectors,
)

POSTERIORS = ("von_mises_fisher", "power_spherical")


class UniformOnSpheres(Prior):
    """The uniform distribution on a product of spheres, by their surface measure.

    Its groups are the spheres. The KL is closed for a posterior on the same spheres.

    Args:
        dims: dimension k >= 1 of each sphere S^k, in k + 1 coordinates.

    Raises:
        ValueError: there is no sphere, or a dimension is not a positive integer.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        self.dims = check_dims(dims)
        layout = make_layout(self.dims)
        groups = [Group(group, on="sphere") for group in layout.groups]
        super().__init__(layout.latent_dim, groups)
        log_density = [-log_surface_area(k + 1) for k in self.dims]
        constants = torch.tensor(log_density, dtype=torch.float64)
        self.register_buffer("_log_density", constants, persistent=False)

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        return self._log_density.to(z).expand(*z.shape[:-1], len(self.dims))

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw directions of normal vectors."""
        draws = []
        for k in self.dims:
            normal = torch.randn((*shape, k + 1), generator=generator)
            draws.append(normalise_vectors(normal))
        return torch.cat(draws, dim=-1)

    def _kl(self, q: Posterior, z: Tensor) -> Tensor:
        return q.kl_uniform() if self._fits(q) else super()._kl(q, z)

    def _kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        if self._fits(q):
            return q.kl_spheres().to(z.dtype)
        return super()._kl_groups(q, z)

    def _fits(self, q: Posterior) -> bool:
        """Return whether a posterior lives on the same spheres."""
        return isinstance(q, SphericalPosterior) and q.layout.dims == self.dims


@register("hypersphere")
class HypersphereProduct(UniformOnSpheres):
    r"""Product of hyperspheres with a uniform prior.

    .. math:: p(z) = \prod_i |S^{k_i}|^{-1}

    with respect to the surface measure. One sphere is ``dims=[40]``, the torus
    ``dims=[1] * 20``. The latents are the spheres' coordinates: latent_dim is the sum
    of k_i + 1. The posterior is von Mises–Fisher or power spherical.

    References: Davidson et al. 2019, "Increasing Expressivity of a Hyperspherical VAE",
    Eqs. 3, 4.

    Args:
        dims: dimension k >= 1 of each sphere S^k.
        posterior: "von_mises_fisher" or "power_spherical".
        gradient: of von Mises–Fisher draws, "implicit" or "pathwise" (the published,
            biased one).
    Shape:
        z (..., latent_dim) -> log_prob (...), in nats.
    Raises:
        ValueError: a dimension below 1, an unknown posterior or gradient.
    Example:
        >>> prior = HypersphereProduct([1, 2])
        >>> prior.latent_dim, prior.coordinates
        (5, ((0, 1), (2, 3, 4)))
        >>> prior.log_prob(prior.sample())
        tensor(-4.3689)
    """

    examples = ({"dims": [1, 2]}, {"dims": [4, 1], "posterior": "power_spherical"})

    def __init__(
        self,
        dims: Sequence[int],
        posterior: str = "von_mises_fisher",
        gradient: str = "implicit",
    ) -> None:
        super().__init__(dims)
        if posterior not in POSTERIORS:
            raise ValueError(
                f"'posterior' must be one of {POSTERIORS}; got {posterior!r}"
            )
        if gradient not in GRADIENTS:
            raise ValueError(f"'gradient' must be one of {GRADIENTS}; got {gradient!r}")
        if posterior == "von_mises_fisher":
            self.posterior = VonMisesFisher(self.dims, gradient)
            return
        if gradient == "pathwise":
            raise ValueError(
                "'gradient' = 'pathwise' is the gradient of von Mises–Fisher's "
                f"published sampler; the posterior is {posterior!r}"
            )
        self.posterior = PowerSpherical(self.dims)
