"""Angles by inversion: quantiles, means, gradients."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from torch.func import grad, vmap

from priorbench.priors.spheres import bessel, inversion
from priorbench.priors.spheres.zonal_families import Exponential, Power

VMF, POWER = Exponential(), Power()
M, KAPPA = (2, 3, 5, 10, 20, 41, 100), (0.01, 1.0, 11.0, 20.0, 100.0, 1e4)


def angle(family, n, k, m):
    return inversion.draw_angle(family, n, k, m).angle


def full(kappa, like):
    return torch.full_like(like, kappa)


def normals(count):
    """Standard normal quantiles at the middles of equal probabilities."""
    u = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.special.ndtri(u)


@pytest.mark.parametrize(
    ("m", "kappa", "w", "level", "slope"),
    [
        (2, 2.0, 0.95, 0.6829873767386191, 0.030318352455267865),
        (3, 5.0, 0.6, 0.13529602573691582, 0.07988396965297438),
        (41, 50.0, 0.7, 0.6152285797756211, 0.00472304579823536),
    ],
)
def test_implicit_gradient_against_high_precision(m, kappa, w, level, slope):
    """P(W <= w) and dw/dκ at that level, mpmath."""
    n = torch.special.ndtri(torch.tensor([level], dtype=torch.float64))
    k = torch.tensor([kappa], dtype=torch.float64, requires_grad=True)
    cosine = torch.cos(angle(VMF, n, k, m))
    (derivative,) = torch.autograd.grad(cosine.sum(), k)
    assert cosine.item() == pytest.approx(w, rel=1e-10)
    assert derivative.item() == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 3.0, 11.0, 200.0, 1e5])
def test_closed_forms_of_circle_and_sphere(kappa):
    n = torch.cat([normals(200), torch.tensor([-6.5, 6.5], dtype=torch.float64)])
    on_sphere = angle(VMF, n, full(kappa, n), 3)
    u, v = stats.norm.cdf(-n.numpy()), stats.norm.cdf(n.numpy())
    near = np.log1p(u * math.expm1(-2 * kappa))
    far = np.log(v + u * math.exp(-2 * kappa))
    rest = torch.from_numpy(-np.where(u < 0.5, near, far) / kappa)  # 1 - w
    exact = 2 * torch.asin((0.5 * rest).clamp(max=1).sqrt())
    # beside the antipode the arcsine itself has half its digits
    torch.testing.assert_close(
        on_sphere, exact, rtol=1e-9, atol=2e-6 if kappa < 20 else 1e-12
    )
    if kappa < 50:  # from there on scipy's is a normal approximation
        on_circle = angle(VMF, n[:200], full(kappa, n[:200]), 2)
        level = 2 * stats.vonmises(kappa).cdf(on_circle.numpy()) - 1
        assert abs(level - u[:200]).max() < 1e-8


@pytest.mark.parametrize("m", [2, 3, 10, 128])
@pytest.mark.parametrize("kappa", [0.0, 0.01, 1.0, 30.0, 1e5])
def test_power_spherical_is_a_beta(m, kappa):
    n = torch.cat([normals(100), torch.tensor([-6.5, 6.5], dtype=torch.float64)])
    theta = angle(POWER, n, full(kappa, n), m).numpy()
    b = 0.5 * (m - 1)
    x = torch.sin(torch.from_numpy(theta) / 2).square().numpy()  # (1 - w) / 2
    level = stats.beta(b, b + kappa).cdf(x)
    below = n.numpy() > 0
    assert level[below] == pytest.approx(stats.norm.cdf(-n.numpy())[below], rel=1e-7)
    rest = stats.beta(b + kappa, b).cdf(
        (torch.cos(torch.from_numpy(theta) / 2) ** 2).numpy()
    )
    assert rest[~below] == pytest.approx(
        stats.norm.cdf(n.numpy())[~below], rel=1e-5, abs=1e-11
    )


@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("kappa", KAPPA)
def test_mean_resultant_length_by_quadrature(m, kappa):
    """Sharper than samples: the trapezoid rule in the normal variate, and its derivative."""
    n = torch.linspace(-7, 7, 701, dtype=torch.float64)
    weights = 0.02 * torch.exp(-0.5 * n.square()) / math.sqrt(2 * math.pi)
    k = torch.full_like(n, kappa, requires_grad=True)
    rest = (
        weights * 2 * torch.sin(0.5 * angle(VMF, n, k, m)).square()
    ).sum()  # E[1 - w]
    x = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
    assert rest.item() == pytest.approx(bessel.resultant_gap(x, m).item(), rel=1e-8)
    (slope,) = torch.autograd.grad(rest, k)
    (exact,) = torch.autograd.grad(bessel.mean_resultant_length(x, m), x)
    assert -slope.sum().item() == pytest.approx(exact.item(), rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("kappa", KAPPA)
def test_mean_resultant_length_of_a_million_samples(m, kappa):
    total, squares, count = 0.0, 0.0, 1_000_000
    for part in torch.randn(count, dtype=torch.float64).split(100_000):
        w = torch.cos(angle(VMF, part, full(kappa, part), m))
        total, squares = total + w.sum().item(), squares + w.square().sum().item()
    mean = total / count
    error = math.sqrt(max(squares / count - mean**2, 1e-30) / count)
    assert (
        abs(mean - bessel.mean_resultant_length(torch.tensor(kappa), m).item())
        < 4 * error
    )


@pytest.mark.parametrize("family", [VMF, POWER])
@pytest.mark.parametrize("m", [2, 3, 4, 5, 41])
def test_gradient_agrees_with_finite_differences(family, m):
    n = normals(50)
    for kappa in (0.02, 2.0, 50.0):
        k = torch.full_like(n, kappa, requires_grad=True)
        (slope,) = torch.autograd.grad(angle(family, n, k, m).sum(), k)
        step = 1e-5 * kappa
        above, below = (angle(family, n, full(kappa + s, n), m) for s in (step, -step))
        torch.testing.assert_close(
            slope, (above - below) / (2 * step), rtol=2e-6, atol=2e-8
        )


@pytest.mark.parametrize("family", [VMF, POWER])
@pytest.mark.parametrize("m", [2, 3, 4, 8, 41])
@pytest.mark.parametrize("kappa", [0.0, 1e-3, 0.05, 0.3, 3.0, 50.0])
def test_draws_follow_the_direction(family, m, kappa):
    """dE[z]/dμ is the mean resultant length, by quadrature over the normal variate."""
    n = torch.linspace(-7, 7, 1401, dtype=torch.float64)
    weights = 0.01 * torch.exp(-0.5 * n.square()) / math.sqrt(2 * math.pi)
    angle, across, towards = inversion.draw_angle(family, n, full(kappa, n), m)
    share = 1 / (m - 1)  # of a direction across in the draw's way to go, squared
    motion = across * (
        1 - share * torch.sin(angle).square()
    ) - towards * share * torch.sin(angle) * torch.cos(angle)
    length = bessel.mean_resultant_length(torch.tensor(kappa, dtype=torch.float64), m)
    exact = length.item() if family is VMF else kappa / (kappa + m - 1)
    assert (weights * motion).sum().item() == pytest.approx(exact, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("family", [VMF, POWER])
def test_finite_everywhere(family):
    n = torch.tensor([-40.0, -7.0, 0.0, 7.0, 40.0])
    for m in (2, 3, 41):
        for kappa in (0.0, 1e-30, 1e-3, 1e3, 1e9, 1e20):
            k = torch.full_like(n, kappa, requires_grad=True)
            drawn = inversion.draw_angle(family, n, k, m)
            theta = drawn.angle
            (slope,) = torch.autograd.grad(theta.sum(), k)
            assert all(torch.isfinite(values).all() for values in drawn)
            assert torch.isfinite(slope).all()
            assert (theta.diff() <= 0).all()


@pytest.mark.parametrize("family", [VMF, POWER])
def test_many_coordinates(family):
    """The mean by quadrature over the normal variate, and no draw is far off."""
    m = 800
    n = torch.linspace(-7, 7, 701, dtype=torch.float64)
    weights = 0.02 * torch.exp(-0.5 * n.square()) / math.sqrt(2 * math.pi)
    for kappa in [*torch.logspace(2, 5, 40).tolist(), 4e8]:
        theta = angle(family, n, full(kappa, n), m)
        assert (theta.diff() <= 0).all()
        x = torch.tensor(kappa, dtype=torch.float64)
        gap = bessel.resultant_gap(x, m) if family is VMF else (m - 1) / (x + m - 1)
        rest = (weights * 2 * torch.sin(0.5 * theta).square()).sum()
        assert rest.item() == pytest.approx(gap.item(), rel=1e-7)


def test_a_block_equals_its_members():
    n, k = torch.randn(3, 50), torch.rand(3, 50) * 20

    def slope(k, n):
        return grad(lambda k: angle(VMF, n, k, 5).sum())(k)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing batching rule warns
        block = vmap(slope)(k, n)
    assert torch.equal(
        block, torch.stack([slope(a, b) for a, b in zip(k, n, strict=True)])
    )
