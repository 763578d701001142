import pytest
import torch

from metrics import Codes
from priors.posteriors import LOG_2PI, Gaussian


def gaussian_codes(loc, scale, factors, sizes, groups=None, seed=0, **fields):
    """Codes of a Gaussian model under a standard normal prior, in float64."""
    loc, scale = torch.broadcast_tensors(torch.as_tensor(loc, dtype=torch.float64),
                                         torch.as_tensor(scale, dtype=torch.float64))
    posterior = Gaussian(torch.cat([loc, scale.log()], dim=1))
    noise = torch.randn(loc.shape, generator=torch.Generator().manual_seed(seed + 1),
                        dtype=torch.float64)
    z = posterior.rsample(noise)
    fields.setdefault("factor_names", tuple("abcdefgh"[:len(sizes)]))
    return Codes(posterior=posterior, z=z, log_prior=-0.5 * (z.square() + LOG_2PI).sum(1),
                 factors=factors, factor_sizes=tuple(sizes), seed=seed,
                 groups=groups or [[i] for i in range(loc.shape[1])], **fields)


@pytest.fixture
def make_codes():
    return gaussian_codes


@pytest.fixture
def grid():
    """All combinations of factor values, in C order, (prod(sizes), len(sizes))."""
    def combinations(*sizes):
        return torch.cartesian_prod(*[torch.arange(n) for n in sizes]).view(-1, len(sizes))
    return combinations


@pytest.fixture
def toy(make_codes, grid):
    """Three factors and four latents of uneven means and scales; 240 data points."""
    factors = grid(4, 5, 12)
    generator = torch.Generator().manual_seed(7)
    mix = torch.tensor([[1.0, 0.1, 0.0, 0.3], [0.0, 0.8, 0.2, 0.0], [0.0, 0.05, 0.3, 0.1]])
    loc = factors.double() @ mix.double()
    loc = loc + 0.1 * torch.randn(loc.shape, generator=generator, dtype=torch.float64)
    scale = 0.2 + 0.6 * torch.rand(loc.shape, generator=generator, dtype=torch.float64)

    def build(**fields):
        return make_codes(loc, scale, factors, (4, 5, 12), **fields)
    return build
