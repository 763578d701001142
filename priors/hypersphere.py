"""Products of hyperspheres with the uniform prior."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.priors.base import Prior, register
from priorbench.priors.spheres.geometry import (
    make_layout,
    log_surface_area,
    normalise_vectors,
)
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.spherical import Spherical
from priorbench.priors.posteriors.von_mises_fisher import (
    GRADIENTS,
    PowerSpherical,
    VonMisesFisher,
)

POSTERIORS = {"von_mises_fisher": VonMisesFisher, "power_spherical": PowerSpherical}


class UniformOnSpheres(Prior):
    """The uniform distribution on a product of spheres, by their surface measure.

    Args:
        dims: dimension k >= 1 of each sphere S^k, in k + 1 coordinates.

    Raises:
        ValueError: no sphere, or a dimension that is no positive integer.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        good = (
            isinstance(dims, Sequence) and not isinstance(dims, str) and len(dims) > 0
        )
        if not good or any(type(k) is not int or k < 1 for k in dims):
            raise ValueError(
                "'dims' must be the dimension of each sphere, positive integers; "
                f"got {dims!r}"
            )
        self.dims = tuple(dims)
        super().__init__(make_layout(self.dims).latent_dim)
        density = torch.tensor(
            [-log_surface_area(k + 1) for k in self.dims], dtype=torch.float64
        )
        self.register_buffer("_log_density", density, persistent=False)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The coordinates of each sphere."""
        return make_layout(self.dims).groups

    @property
    def support(self) -> tuple[str, ...]:
        """A sphere for each group."""
        return ("sphere",) * len(self.dims)

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Log density of each sphere's point, one constant each, (..., spheres), in nats."""
        self.check_shape(z)
        return self._log_density.to(z).expand(*z.shape[:-1], len(self.dims))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density for points z (..., latent_dim) on the spheres, a constant (...), in nats."""
        return self.log_prob_groups(z).sum(-1)

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Independent draws, (*shape, latent_dim): directions of normal vectors."""
        device = generator.device if generator is not None else None
        draws = [
            normalise_vectors(
                torch.randn((*shape, k + 1), generator=generator, device=device)
            )
            for k in self.dims
        ]
        return torch.cat(draws, dim=-1).to(torch.get_default_dtype())

    def kl(self, q: Posterior, z: Tensor) -> Tensor:
        """KL(q || p), (...), in nats: closed for a posterior on the same spheres."""
        return q.kl_uniform() if self._fits(q) else super().kl(q, z)

    def kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        """KL of each sphere, (..., spheres), in nats: closed as :meth:`kl`."""
        return q.kl_spheres().to(z.dtype) if self._fits(q) else super().kl_groups(q, z)

    def _fits(self, q: Posterior) -> bool:
        return isinstance(q, Spherical) and q.layout.dims == self.dims


@register("hypersphere")
class HypersphereProduct(UniformOnSpheres):
    r"""Product of hyperspheres, uniform prior, von Mises–Fisher or power spherical posterior.

    .. math:: p(z) = \prod_i |S^{k_i}|^{-1}

    with respect to the surface measure. One sphere is ``dims=[40]``, the torus ``dims=[1] * 20``.
    The latents are the spheres' coordinates: latent_dim is the sum of k_i + 1.

    References: Davidson et al. 2019, "Increasing Expressivity of a Hyperspherical VAE", Eqs. 3, 4.

    Args:
        dims: dimension k >= 1 of each sphere S^k.
        posterior: "von_mises_fisher" or "power_spherical".
        gradient: of von Mises–Fisher draws, "implicit" or "pathwise" (the published, biased one).
    Shape:
        z (..., latent_dim) -> log_prob (...), in nats.
    Raises:
        ValueError: a dimension below 1, an unknown posterior or gradient.
    Example:
        >>> prior = HypersphereProduct([1, 2])
        >>> prior.latent_dim, prior.groups
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
                f"'posterior' must be one of {tuple(POSTERIORS)}; got {posterior!r}"
            )
        if gradient not in GRADIENTS:
            raise ValueError(f"'gradient' must be one of {GRADIENTS}; got {gradient!r}")
        settings = {"gradient": gradient} if posterior == "von_mises_fisher" else {}
        if gradient == "pathwise" and not settings:
            raise ValueError(
                "'gradient' = 'pathwise' is of von Mises–Fisher's published sampler; "
                f"the posterior is {posterior!r}"
            )
        self.posterior = POSTERIORS[posterior].family(dims=self.dims, **settings)
