"""Codes of models that are made of a few numbers, all in float64."""

from dataclasses import dataclass

import torch

from priorbench.metrics import Codes
from priorbench.priors import Gaussian, VonMisesFisher
from priorbench.priors.numerics.special import LOG_2PI
from priorbench.priors.posteriors.base import Posterior, PosteriorFamily
from priorbench.priors.spheres.geometry import log_surface_area

FACTOR_NAMES = "abcdefgh"


def make_gaussian_codes(loc, scale, factors, sizes, groups=None, seed=0, **fields):
    """Codes of a Gaussian model under a standard normal prior."""
    loc, scale = torch.broadcast_tensors(
        torch.as_tensor(loc, dtype=torch.float64),
        torch.as_tensor(scale, dtype=torch.float64),
    )
    posterior = Gaussian()(torch.cat([loc, scale.log()], dim=1))
    z = posterior.rsample(draw_noise(loc.shape, seed + 1))
    fields.setdefault("factor_names", tuple(FACTOR_NAMES[: len(sizes)]))
    return Codes(
        posterior=posterior,
        z=z,
        log_prior=-0.5 * (z.square() + LOG_2PI).sum(1),
        factors=factors,
        factor_sizes=tuple(sizes),
        seed=seed,
        groups=groups or [[i] for i in range(loc.shape[1])],
        **fields,
    )


def make_spherical_codes(
    directions, kappa, factors, sizes, family=VonMisesFisher, seed=0, **fields
):
    """Codes on spheres, one array of directions each, under a uniform prior."""
    directions = [torch.as_tensor(d, dtype=torch.float64) for d in directions]
    dims = tuple(d.shape[1] - 1 for d in directions)
    count = len(factors)
    kappa = torch.as_tensor(kappa, dtype=torch.float64)
    kappa = kappa[..., None].expand(count, len(dims))
    posterior = family(dims=dims).at(torch.cat(directions, 1), kappa)
    noise = draw_noise((count, posterior.layout.latent_dim), seed + 1)
    log_area = sum(log_surface_area(k + 1) for k in dims)
    fields.setdefault("factor_names", tuple(FACTOR_NAMES[: len(sizes)]))
    fields.setdefault("groups", posterior.layout.groups)
    return Codes(
        posterior=posterior,
        z=posterior.rsample(noise),
        log_prior=torch.full((count,), -log_area, dtype=torch.float64),
        factors=factors,
        factor_sizes=tuple(sizes),
        seed=seed,
        **fields,
    )


def draw_noise(shape, seed):
    """Standard normal variates."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def unit_vectors(angles):
    """Points (N, 2) of the unit circle."""
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@dataclass(frozen=True)
class OpaqueGaussian(PosteriorFamily):
    """A Gaussian that metrics know only through the interface of posteriors."""

    def __call__(self, params):
        return OpaquePosterior(params, self)

    def num_params(self, latent_dim):
        return 2 * latent_dim


class OpaquePosterior(Posterior):
    """Posteriors of :class:`OpaqueGaussian`."""

    def __init__(self, params, family):
        super().__init__(params, family)
        self.inner = Gaussian()(params)

    representation = property(lambda self: self.inner.loc)

    def rsample(self, noise):
        return self.inner.rsample(noise)

    def log_prob_groups(self, z, groups):
        return self.inner.log_prob_groups(z, groups)
