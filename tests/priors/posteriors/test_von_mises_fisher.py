"""Von Mises–Fisher posteriors."""

import math

import numpy as np
import pytest
import torch

from priorbench.priors import HypersphereProduct, VonMisesFisher
from priorbench.priors.spheres import bessel
from priorbench.priors.spheres.geometry import log_surface_area, normalise_vectors
from tests.priors.posteriors.one_sphere import make_axis, make_posterior

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(
    ("m", "kappa", "w", "value"),
    [
        (2, 4.0, 0.5, -2.262849861924805),
        (3, 4.0, 0.5, -2.451247186381378),
        (41, 100.0, 0.8, 37.24932859663127),
    ],
)
def test_log_prob_against_high_precision(m, kappa, w, value):
    z = w * make_axis(m) + math.sqrt(1 - w * w) * make_axis(m, 1)
    assert make_posterior(make_axis(m), kappa).log_prob(z).item() == pytest.approx(
        value, rel=1e-10
    )


@pytest.mark.parametrize(
    ("m", "kappa", "along", "y", "value"),
    [
        (2, 4.0, 0.3, 0.5, -0.21311933962427276),
        (3, 4.0, 0.3, 0.5, -0.1781980383537509),
        (5, 20.0, -0.6, -0.4, 0.3590885202146252),
        (41, 100.0, 0.2, 0.1, 1.2267829268991448),
    ],
)
def test_coordinate_against_high_precision(m, kappa, along, y, value):
    q = make_posterior(
        along * make_axis(m) + math.sqrt(1 - along**2) * make_axis(m, 1), kappa
    )
    z = y * make_axis(m) + math.sqrt(1 - y * y) * make_axis(m, m - 1)
    assert q.log_prob_groups(z, [[0]]).item() == pytest.approx(value, rel=1e-9)
    assert next(q[None].log_prob_pairs(z[None], [[0]])).item() == pytest.approx(
        value, rel=1e-9
    )


def test_gradients_of_expectations_agree_with_their_closed_form():
    """E exp(c.z) = exp(A(|κμ + c|) - A(κ)); the value from high precision."""
    mu = torch.tensor([1.0, 2.0, 0.0, -1.0, 0.5])
    c = torch.tensor([0.7, -1.1, 0.3, 0.9, -1.5])
    raw = torch.cat(
        [mu, torch.tensor([4 + math.log(-math.expm1(-4))])]
    ).requires_grad_()

    def closed(raw):
        q = VonMisesFisher(dims=[4])(raw)
        length = (q.concentration * q.direction + c).norm()
        return torch.exp(
            bessel.log_normaliser(length, 5)
            - bessel.log_normaliser(q.concentration[0], 5)
        )

    assert closed(raw).item() == pytest.approx(0.6729578907076036, rel=1e-10)
    count = 100_000
    rows = raw.detach().expand(count, -1).clone().requires_grad_()
    values = torch.exp(
        VonMisesFisher(dims=[4])(rows).rsample(torch.randn(count, 5)) @ c
    )
    (each,) = torch.autograd.grad(values.sum(), rows)
    (exact,) = torch.autograd.grad(closed(raw), raw)
    assert ((each.mean(0) - exact).abs() < 4.5 * each.std(0) / math.sqrt(count)).all()
    assert abs(values.mean() - closed(raw)) < 4 * values.std() / math.sqrt(count)


@pytest.mark.parametrize("m", [2, 3, 11])
def test_noise_of_the_direction_gradient_falls_with_the_concentration(m):
    """Turning all draws with the direction would keep its noise where κ leaves no signal."""
    kappa = torch.tensor([1e-3, 1e-2, 0.1])[:, None].expand(-1, 2000).flatten()
    direction = make_axis(m).expand(len(kappa), -1).clone().requires_grad_()
    q = VonMisesFisher(dims=(m - 1,)).at(direction, kappa[:, None])
    (slopes,) = torch.autograd.grad(
        q.rsample(torch.randn(len(kappa), m))[:, 1].sum(), direction
    )
    noise = slopes[:, 1].unflatten(0, (3, -1)).std(1)
    assert (noise < 2 * torch.tensor([1e-3, 1e-2, 0.1]) / (m - 1)).all()


@pytest.mark.parametrize(
    ("m", "kappa", "true", "biased"),
    [
        (2, 1.0, 0.35434603245035623, 0.1996316616436928),
        (2, 1.66, 0.21748172226610846, 0.11002339245591478),
        (10, 7.0, 0.044400922623365716, 0.040721181561362764),
        (41, 29.0, 0.010394730125909479, 0.010195925631954485),
        (41, 100.0, 0.0016215608298973405, 0.001606207928372898),
    ],
)
def test_pathwise_gradient_has_the_published_bias(m, kappa, true, biased):
    normal = torch.linspace(-7, 7, 701)  # the trapezoid rule, exact to what lies beyond
    weights = 0.02 * torch.exp(-0.5 * normal.square()) / math.sqrt(2 * math.pi)
    for gradient, expected in (("implicit", true), ("pathwise", biased)):
        k = torch.full_like(normal, kappa).requires_grad_()
        q = make_posterior(make_axis(m), kappa, gradient=gradient)
        cosine = torch.cos(q.family.polar(normal, k, m).angle)
        (slope,) = torch.autograd.grad((weights * cosine).sum(), k)
        assert slope.sum().item() == pytest.approx(expected, rel=1e-8)


def test_log_prob_keeps_its_digits_in_float32():
    """The distance, not the product with the direction, which would lose κ's share."""
    mu, kappa = normalise_vectors(torch.tensor([1.0, 2.0, -0.5, 0.3])), 1e5
    q = make_posterior(mu, kappa)
    z = q.rsample(torch.randn(500, 4))
    raw = torch.cat([mu.float(), torch.tensor([kappa], dtype=torch.float32)])
    single = VonMisesFisher(dims=[3])(raw).log_prob(z.float()).double()
    # float32 moves z and the direction by 6e-8 of a distance of 1 / sqrt(κ)
    assert (single - q.log_prob(z)).abs().max() < 1e-3


def test_entropy_is_that_of_samples():
    q = make_posterior(torch.randn(5), 9.0)
    surprise = -q.log_prob(q.rsample(torch.randn(100_000, 5)))
    error = surprise.std() / math.sqrt(len(surprise))
    assert abs(surprise.mean() - q.entropy()) < 4 * error
    prior = HypersphereProduct([4])
    assert prior.kl(q, make_axis(5)).item() == pytest.approx(
        log_surface_area(5) - q.entropy().item()
    )


def test_unknown_gradient():
    with pytest.raises(
        ValueError, match=r"'gradient' must be one of .*; got 'reinforce'"
    ):
        make_posterior(make_axis(2), 1.0, gradient="reinforce")


def test_importance_weights_of_the_exact_posterior_are_constant():
    """log E_U[exp(λ w)] = A(λ): with q the exact posterior every weight gives it."""
    q, prior = make_posterior(make_axis(5), 7.0), HypersphereProduct([4])
    z = q.rsample(torch.randn(50, 5))
    weights = 7 * z[:, 0] + prior.log_prob(z) - q.log_prob(z)
    np.testing.assert_allclose(weights.numpy(), 3.3594952388746235, rtol=1e-9)
