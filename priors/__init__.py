"""Latent priors and their posteriors: densities, samplers, divergences.

Example:
    >>> import priors, torch
    >>> priors.build("isa", latent_dim=20).log_prob(torch.zeros(3, 20)).shape
    torch.Size([3])
"""

from typing import Any

from priors.base import Prior, build, get, names, register, registry
from priors.diffusion_sphere import Diffusion, DiffusionSphere
from priors.generalized_gaussian import GeneralizedGaussian
from priors.hypersphere import HypersphereProduct
from priors.lp_nested import ISA, LpNested
from priors.normal import Normal
from priors.posteriors import Family, Gaussian, Posterior
from priors.product import Product
from priors.product_posterior import ProductPosterior
from priors.spherical import Spherical
from priors.von_mises_fisher import PowerSpherical, VonMisesFisher

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
        from priors.check import check_prior

        return check_prior
    raise AttributeError(f"module 'priors' has no attribute {name!r}")
