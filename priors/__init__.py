"""Latent priors and their posteriors: densities, samplers, divergences.

Example:
    >>> from priorbench import priors
    >>> import torch
    >>> priors.build_prior("isa", latent_dim=20).log_prob(torch.zeros(3, 20)).shape
    torch.Size([3])
"""

from typing import Any

from priorbench.priors.base import Prior, build_prior, get, names, register, registry
from priorbench.priors.diffusion_sphere import Diffusion, DiffusionSphere
from priorbench.priors.generalized_gaussian import GeneralizedGaussian
from priorbench.priors.hypersphere import HypersphereProduct
from priorbench.priors.lp_nested import ISA, LpNested
from priorbench.priors.normal import Normal
from priorbench.priors.posteriors.base import Family, Gaussian, Posterior
from priorbench.priors.product import Product
from priorbench.priors.posteriors.product import ProductPosterior
from priorbench.priors.posteriors.spherical import Spherical
from priorbench.priors.posteriors.von_mises_fisher import PowerSpherical, VonMisesFisher

__all__ = [
    "ISA",
    "Diffusion",
    "DiffusionSphere",
    "Family",
    "Gaussian",
    "GeneralizedGaussian",
    "HypersphereProduct",
    "LpNested",
    "Normal",
    "Posterior",
    "PowerSpherical",
    "Prior",
    "Product",
    "ProductPosterior",
    "Spherical",
    "VonMisesFisher",
    "build",
    "check_prior",
    "get",
    "names",
    "register",
    "registry",
]


def __getattr__(name: str) -> Any:
    """``check_prior`` is imported where it is first asked for: a density needs no checker."""
    if name == "check_prior":
        from priorbench.priors.check import check_prior

        return check_prior
    raise AttributeError(f"module 'priors' has no attribute {name!r}")
