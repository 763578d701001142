import math

import pytest
import torch
from torch.nn.functional import one_hot

from priorbench.metrics import Codes
from priorbench.priors import Gaussian, ProductFamily, VonMisesFisher
from tests.metrics.synthetic_codes import (
    draw_noise,
    make_gaussian_codes,
    make_spherical_codes,
    unit_vectors,
)


@pytest.fixture
def product(grid):
    """Every family at once: latents 0 and 1, circle 2, 3 and sphere 4, 5, 6; 120 points."""
    spheres = VonMisesFisher(dims=(1, 2))
    family = ProductFamily(parts=((Gaussian(), 2), (spheres, 5)))

    def build(groups=((0,), (1,), (2, 3), (4, 5, 6)), seed=0):
        v = grid(4, 5, 6)
        generator = torch.Generator().manual_seed(3)
        loc = v[:, :2] + 0.2 * torch.randn(120, 2, generator=generator).double()
        log_scale = torch.full((120, 2), math.log(0.4))
        circle = unit_vectors(2 * math.pi * v[:, 2] / 6)
        sphere = one_hot(v[:, 2] % 3, 3) * (1 - 2 * (v[:, 2:] // 3)) + 0.1
        directions = torch.cat([circle, sphere], dim=1)
        kappa = torch.tensor([4.0, 9.0]).double().expand(120, 2)
        on_spheres = spheres.at(directions, kappa).params
        q = family(torch.cat([loc, log_scale, on_spheres], dim=1))
        return Codes(
            posterior=q,
            z=q.rsample(draw_noise((120, 7), seed)),
            log_prior=torch.zeros(120).double(),
            factors=v,
            factor_names=("a", "b", "c"),
            factor_sizes=(4, 5, 6),
            groups=[list(group) for group in groups],
            seed=seed,
        )

    return build


@pytest.fixture
def make_spherical():
    return make_spherical_codes


@pytest.fixture
def make_codes():
    return make_gaussian_codes


@pytest.fixture
def grid():
    """All combinations of factor values, in C order, (prod(sizes), len(sizes))."""

    def combine(*sizes):
        values = [torch.arange(size) for size in sizes]
        return torch.cartesian_prod(*values).view(-1, len(sizes))

    return combine


@pytest.fixture
def toy(make_codes, grid):
    """Three factors and four latents of uneven means and scales; 240 data points."""
    factors = grid(4, 5, 12)
    generator = torch.Generator().manual_seed(7)
    mix = torch.tensor(
        [[1.0, 0.1, 0.0, 0.3], [0.0, 0.8, 0.2, 0.0], [0.0, 0.05, 0.3, 0.1]]
    )
    loc = factors.double() @ mix.double()
    loc = loc + 0.1 * torch.randn(loc.shape, generator=generator, dtype=torch.float64)
    scale = 0.2 + 0.6 * torch.rand(loc.shape, generator=generator, dtype=torch.float64)

    def build(**fields):
        return make_codes(loc, scale, factors, (4, 5, 12), **fields)

    return build
