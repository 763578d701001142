"""The importance-weighted log-likelihood, where log p(x) is known."""

import math

import pytest
import torch
from torch import nn

from priorbench.bench.models.architectures import Architecture
from priorbench.bench.models.likelihoods import Likelihood
from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring import importance
from priorbench.bench.scoring.importance import choose_images, estimate_log_likelihood
from priorbench.priors import HypersphereProduct, Normal, PowerSpherical, VonMisesFisher
from priorbench.priors.product import Product

X = 1.3


class Fixed(nn.Module):
    """Always the same raw parameters of the posterior."""

    def __init__(self, raw):
        super().__init__()
        self.raw = nn.Parameter(raw)

    def forward(self, x):
        return self.raw.expand(len(x), -1)


class Noisy(Likelihood):
    """p(x|z) = N(z, 0.25)."""

    def __call__(self, raw, x):
        return (-2 * (x - raw) ** 2 - 0.5 * math.log(2 * math.pi * 0.25)).sum(-1)


class Tilted(Likelihood):
    """log p(x|z) = 7 times the first coordinate of a sphere, less 2 (x - last)^2 as above."""

    def __call__(self, raw, x):
        tilt = 7 * raw[..., 0]
        return tilt if raw.shape[-1] == 5 else tilt + Noisy()(raw[..., 5:], x)


def make_vae(raw, prior, likelihood):
    networks = Architecture()
    networks.encoder, networks.decoder = Fixed(raw), nn.Identity()
    return VAE(networks, prior, likelihood).double()


def make_model(mean, variance):
    return make_vae(torch.tensor([mean, 0.5 * math.log(variance)]), Normal(1), Noisy())


class Pixels:
    """Images of one pixel, all X."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        return torch.full((len(rows), 1), X, dtype=torch.float64)


@pytest.mark.parametrize("samples", [1, 2, 50])
@pytest.mark.usefixtures("float64")
def test_the_exact_posterior_gives_log_p_x_for_every_number_of_samples(samples):
    """High-precision value of log p(x): p(z) = N(0, 1), p(x|z) = N(z, 0.25), x = 1.3."""
    value = estimate_log_likelihood(make_model(X / 1.25, 0.2), Pixels(5), 0, samples)
    assert value.tolist() == pytest.approx([-1.7065103088617777] * 5, rel=1e-12)


@pytest.mark.usefixtures("float64")
def test_another_posterior_gives_a_bound_that_tightens():
    """Its mean rises with the number of samples, from the ELBO towards log p(x)."""
    wrong = make_model(0.6, 0.5)
    means = [
        estimate_log_likelihood(wrong, Pixels(4000), 0, k).mean().item()
        for k in (1, 5, 100)
    ]
    q = wrong.encode(Pixels(1)[[0]])
    expected = -2 * ((X - 0.6) ** 2 + 0.5) - 0.5 * math.log(2 * math.pi * 0.25)
    elbo = expected - q.kl_normal().item()
    assert means[0] == pytest.approx(elbo, abs=0.15)
    assert means[0] < means[1] < means[2] < -1.7065 + 0.02
    assert means[2] == pytest.approx(-1.7065103, abs=0.02)


TILT = 3.3594952388746235
"""High-precision value of log E[exp(7 z_1)] for z uniform on the sphere in 5 coordinates."""


@pytest.mark.parametrize("samples", [1, 3, 500])
@pytest.mark.usefixtures("float64")
def test_the_exact_posterior_on_a_sphere(samples):
    """Von Mises–Fisher of concentration 7 is the posterior of the uniform prior here."""
    raw = VonMisesFisher(dims=(4,)).at(torch.eye(5)[0], 7.0).params
    exact = make_vae(raw, HypersphereProduct([4]), Tilted())
    value = estimate_log_likelihood(exact, Pixels(3), 0, samples)
    assert value.tolist() == pytest.approx([TILT] * 3, rel=1e-10)


@pytest.mark.usefixtures("float64")
def test_the_exact_posterior_of_a_product():
    raw = torch.cat(
        [
            VonMisesFisher(dims=(4,)).at(torch.eye(5)[0], 7.0).params,
            torch.tensor([X / 1.25, 0.5 * math.log(0.2)]),
        ]
    )
    prior = Product([{"name": "hypersphere", "dims": [4]}, "normal"], latent_dim=6)
    value = estimate_log_likelihood(make_vae(raw, prior, Tilted()), Pixels(3), 0, 7)
    assert value.tolist() == pytest.approx([TILT - 1.7065103088617777] * 3, rel=1e-10)


@pytest.mark.usefixtures("float64")
def test_another_posterior_on_a_sphere_gives_a_bound():
    raw = PowerSpherical(dims=(4,)).at(torch.eye(5)[0], 3.0).params
    prior = HypersphereProduct([4], posterior="power_spherical")
    value = estimate_log_likelihood(make_vae(raw, prior, Tilted()), Pixels(200), 0, 500)
    assert value.mean().item() == pytest.approx(TILT, abs=0.02)


@pytest.mark.parametrize("chunk", [4096, 20, 7, 5, 1])
def test_however_many_are_taken_at_once_each_image_gets_its_samples(monkeypatch, chunk):
    """Of 5 images and 9 samples: all at once; 4, 4 and 1; one by one; one image at a time."""
    monkeypatch.setattr(importance, "CHUNK_SIZE", chunk)
    wrong, drawn = make_model(0.6, 0.5), []
    density = wrong.prior.log_prob
    wrong.prior.log_prob = lambda z: drawn.append(z[:, 0]) or density(z)
    value = estimate_log_likelihood(wrong, Pixels(5), 3, 9)
    assert value.shape == (5,)
    z = torch.cat(drawn)
    assert len(z) == len(z.unique()) == 45
    assert max(map(len, drawn)) <= chunk
    if chunk >= 5:  # draws of an image are five apart
        log_weight = (
            Noisy()(z[:, None], torch.tensor(X))
            + density(z[:, None])
            - torch.distributions.Normal(0.6, 0.5**0.5).log_prob(z)
        )
        expected = torch.logsumexp(log_weight.reshape(9, 5), 0) - math.log(9)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


class Counted(Pixels):
    """Images that say their row, and which were asked for."""

    def __init__(self, count):
        super().__init__(count)
        self.rows = []

    def __getitem__(self, rows):
        self.rows += rows.tolist()
        return rows[:, None].double()


def test_the_same_images_for_every_seed():
    first, second = Counted(500), Counted(500)
    estimate_log_likelihood(make_model(0.0, 1.0), first, 0, 2, images=40)
    estimate_log_likelihood(make_model(0.5, 0.1), second, 1, 3, images=40)
    assert first.rows == second.rows == sorted(set(first.rows))
    assert len(first.rows) == 40


def test_images_are_random_without_replacement():
    """Few fit into many, none twice, and none of a hundred parts is left out."""
    rows = choose_images(737_280, 1000)
    assert rows.dtype == torch.int64
    assert len(rows.unique()) == 1000
    assert torch.equal(rows, rows.sort().values)
    counts = torch.bincount(rows // 73_728, minlength=10)
    assert ((counts - 100).abs() < 40).all()
    assert set(choose_images(10_000, 20).tolist()) < set(
        choose_images(10_000, 30).tolist()
    )


@pytest.mark.parametrize("wanted", [5, 6, 1000])
def test_all_images_where_there_are_fewer(wanted):
    assert choose_images(5, wanted).tolist() == [0, 1, 2, 3, 4]
    assert (
        len(
            estimate_log_likelihood(
                make_model(0.0, 1.0), Pixels(5), 0, 2, images=wanted
            )
        )
        == 5
    )


def test_no_samples():
    with pytest.raises(ValueError, match="'samples' must be at least 1; got 0"):
        estimate_log_likelihood(make_model(0.0, 1.0), Pixels(1), 0, 0)
    with pytest.raises(ValueError, match="'images' must be at least 1; got 0"):
        estimate_log_likelihood(make_model(0.0, 1.0), Pixels(1), 0, 1, images=0)
