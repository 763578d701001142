"""Latent priors and their posteriors: densities, samplers, divergences.

Example:
    >>> from priorbench import priors
    >>> import torch
    >>> priors.build_prior("isa", latent_dim=20).log_prob(torch.zeros(3, 20)).shape
    torch.Size([3])
"""

from typing import Any

from priorbench.priors.base import Group, Prior, build_prior, register, registry
from priorbench.priors.diffusion_sphere import DiffusionSphere
from priorbench.priors.from_distribution import from_distribution
from priorbench.priors.generalized_gaussian import GeneralizedGaussian
from priorbench.priors.hypersphere import HypersphereProduct
from priorbench.priors.lp_nested import ISA, LpNested
from priorbench.priors.normal import Normal
from priorbench.priors.posteriors.base import Posterior, PosteriorFamily
from priorbench.priors.posteriors.diffusion import Diffusion
from priorbench.priors.posteriors.gaussian import Gaussian, GaussianPosterior
from priorbench.priors.posteriors.power_spherical import PowerSpherical
from priorbench.priors.posteriors.product import ProductFamily, ProductPosterior
from priorbench.priors.posteriors.spherical import SphericalPosterior
from priorbench.priors.posteriors.von_mises_fisher import VonMisesFisher
from priorbench.priors.product import Product

__all__ = [
    "ISA",
    "Diffusion",
    "DiffusionSphere",
    "Gaussian",
    "GaussianPosterior",
    "GeneralizedGaussian",
    "Group",
    "HypersphereProduct",
    "LpNested",
    "Normal",
    "Posterior",
    "PosteriorFamily",
    "PowerSpherical",
    "Prior",
    "Product",
    "ProductFamily",
    "ProductPosterior",
    "SphericalPosterior",
    "VonMisesFisher",
    "build_prior",
    "check_prior",
    "from_distribution",
    "register",
    "registry",
]


def __getattr__(name: str) -> Any:
    """Import ``check_prior`` when it is first asked for: a density needs no checker."""
    if name == "check_prior":
        from priorbench.priors.check import check_prior

        return check_prior
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
