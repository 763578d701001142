"""Latent priors and their posteriors: densities, samplers, divergences.

Example:
    >>> import priors, torch
    >>> priors.build("isa", latent_dim=20).log_prob(torch.zeros(3, 20)).shape
    torch.Size([3])
"""

from priors.base import Prior, build, get, names, register, registry
from priors.generalized_gaussian import GeneralizedGaussian
from priors.hypersphere import HypersphereProduct
from priors.lp_nested import ISA, LpNested
from priors.normal import Normal
from priors.posteriors import Family, Gaussian, Posterior
from priors.spherical import Spherical
from priors.von_mises_fisher import PowerSpherical, VonMisesFisher

__all__ = [
    "ISA",
    "Family",
    "Gaussian",
    "GeneralizedGaussian",
    "HypersphereProduct",
    "LpNested",
    "Normal",
    "Posterior",
    "PowerSpherical",
    "Prior",
    "Spherical",
    "VonMisesFisher",
    "build",
    "get",
    "names",
    "register",
    "registry",
]
