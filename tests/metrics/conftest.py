import math

import pytest
import torch

from priorbench.metrics import Codes
from priorbench.priors.spheres.geometry import log_surface_area
from priorbench.priors.posteriors.base import LOG_2PI, Gaussian, Posterior
from priorbench.priors.posteriors.von_mises_fisher import VonMisesFisher


def gaussian_codes(loc, scale, factors, sizes, groups=None, seed=0, **fields):
    """Codes of a Gaussian model under a standard normal prior, in float64."""
    loc, scale = torch.broadcast_tensors(
        torch.as_tensor(loc, dtype=torch.float64),
        torch.as_tensor(scale, dtype=torch.float64),
    )
    posterior = Gaussian(torch.cat([loc, scale.log()], dim=1))
    noise = torch.randn(
        loc.shape,
        generator=torch.Generator().manual_seed(seed + 1),
        dtype=torch.float64,
    )
    z = posterior.rsample(noise)
    fields.setdefault("factor_names", tuple("abcdefgh"[: len(sizes)]))
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


def inverse_softplus(y):
    y = torch.as_tensor(y, dtype=torch.float64)
    return y + torch.log(-torch.expm1(-y))


def spherical_codes(
    directions, kappa, factors, sizes, family=VonMisesFisher, seed=0, **fields
):
    """Codes on spheres, one array of directions each, under a uniform prior, in float64."""
    directions = [torch.as_tensor(d, dtype=torch.float64) for d in directions]
    dims, count = tuple(d.shape[1] - 1 for d in directions), len(factors)
    raw = inverse_softplus(kappa)[..., None].expand(count, len(dims))
    posterior = family(torch.cat([*directions, raw], 1), dims=dims)
    noise = torch.randn(
        count,
        posterior.layout.latent_dim,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed + 1),
    )
    area = sum(log_surface_area(k + 1) for k in dims)
    fields.setdefault("factor_names", tuple("abcdefgh"[: len(sizes)]))
    fields.setdefault("groups", posterior.layout.groups)
    return Codes(
        posterior=posterior,
        z=posterior.rsample(noise),
        factors=factors,
        seed=seed,
        log_prior=torch.full((count,), -area, dtype=torch.float64),
        factor_sizes=tuple(sizes),
        **fields,
    )


def angles(values):
    """Unit vectors (N, 2) at these angles."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return torch.stack([values.cos(), values.sin()], dim=1)


class Product(Posterior):
    """A Gaussian of two latents beside a circle and a sphere: the first 4 raw parameters its."""

    def __init__(self, params):
        super().__init__(params)
        self.parts = [
            Gaussian(params[..., :4]),
            VonMisesFisher(params[..., 4:], dims=(1, 2)),
        ]

    @staticmethod
    def num_params(latent_dim):
        return 11

    @property
    def representation(self):
        return torch.cat([part.representation for part in self.parts], dim=-1)

    def rsample(self, noise):
        return torch.cat(
            [
                self.parts[0].rsample(noise[..., :2]),
                self.parts[1].rsample(noise[..., 2:]),
            ],
            dim=-1,
        )

    def log_prob_groups(self, z, groups):
        columns = []
        for group in groups:
            first = [c for c in group if c < 2]
            second = [c - 2 for c in group if c >= 2]
            values = [
                part.log_prob_groups(own, [inside])[..., 0]
                for part, own, inside in zip(
                    self.parts, (z[..., :2], z[..., 2:]), (first, second), strict=True
                )
                if inside
            ]
            columns.append(sum(values))
        return torch.stack(columns, dim=-1)

    def blocks(self):
        return [(self.parts[0], (0, 1))] + [
            (block, tuple(c + 2 for c in own)) for block, own in self.parts[1].blocks()
        ]


@pytest.fixture
def product(grid):
    """Every family at once: latents 0 and 1, circle 2, 3 and sphere 4, 5, 6; 120 points."""

    def build(groups=((0,), (1,), (2, 3), (4, 5, 6)), seed=0):
        v = grid(4, 5, 6)
        generator = torch.Generator().manual_seed(3)
        loc = v[:, :2] + 0.2 * torch.randn(120, 2, generator=generator).double()
        sphere = (
            torch.nn.functional.one_hot(v[:, 2] % 3, 3) * (1 - 2 * (v[:, 2:] // 3))
            + 0.1
        )
        params = torch.cat(
            [
                loc,
                torch.full((120, 2), math.log(0.4)),
                angles(2 * math.pi * v[:, 2] / 6),
                sphere,
                inverse_softplus([4.0, 9.0]).expand(120, 2),
            ],
            dim=1,
        )
        q = Product(params)
        noise = torch.randn(
            120, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        return Codes(
            q,
            q.rsample(noise),
            torch.zeros(120).double(),
            v,
            ("a", "b", "c"),
            (4, 5, 6),
            [list(g) for g in groups],
            seed=seed,
        )

    return build


@pytest.fixture
def make_spherical():
    return spherical_codes


@pytest.fixture
def make_codes():
    return gaussian_codes


@pytest.fixture
def grid():
    """All combinations of factor values, in C order, (prod(sizes), len(sizes))."""

    def combinations(*sizes):
        return torch.cartesian_prod(*[torch.arange(n) for n in sizes]).view(
            -1, len(sizes)
        )

    return combinations


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
