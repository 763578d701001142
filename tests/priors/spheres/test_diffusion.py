"""Heat kernels and random walks on spheres."""

import math

import mpmath
import numpy as np
import pytest
import torch

from priorbench.priors.posteriors.diffusion import kl_paper
from priorbench.priors.spheres import diffusion, heat_kernel, random_walk
from priorbench.priors.spheres.geometry import log_surface_area
from tests.priors.spheres.exact_densities import (
    exact_kernel,
    exact_series,
    exact_step,
    integrate_density,
    squared_chord,
)

pytestmark = pytest.mark.usefixtures("float64")

KL = [
    (1, 0.01, 2.7215236261987186),
    (1, 0.05, 1.916804669981668),
    (1, 0.1, 1.5702310797016956),
    (1, 0.2, 1.2236574894283037),
    (1, 0.5, 0.7655385984510484),
    (1, 1.0, 0.4237610086806359),
    (2, 0.001, 6.6014024734371475),
    (2, 0.05, 2.7139149706445576),
    (2, 0.1, 2.0458777137354387),
    (2, 0.2, 1.40319666766714),
    (2, 0.5, 0.6409199335770346),
    (2, 1.0, 0.21647342363623184),
    (3, 0.001, 9.088924187766075),
    (3, 0.01, 5.6485382797098245),
    (3, 0.05, 3.294179073111157),
    (3, 0.2, 1.4364549362877328),
    (3, 1.0, 0.10254670936931667),
    (10, 0.001, 23.403224268817297),
    (10, 0.01, 12.091371587921557),
    (10, 0.05, 4.909212323861643),
    (10, 0.5, 0.0372542899518111),
    (20, 0.001, 39.56582798653233),
    (20, 0.01, 17.381093738563116),
    (20, 0.1, 1.5210881970398618),
    (20, 1.0, 2.164211320117138e-08),
]
LOG_KERNEL = [
    (1, 0.01, 0.2, -0.6163534402106271),
    (1, 0.1, 0.5, -1.01764598670765),
    (1, 0.3, 1.5, -4.066952131041703),
    (1, 0.3, 3.0, -15.266701889861917),
    (2, 0.01, 0.2, 0.7722989709711526),
    (3, 0.01, 0.2, 2.162615257566575),
    (3, 0.1, 0.5, -0.4609184542975807),
    (3, 0.3, 1.5, -4.142883128825357),
    (3, 0.3, 3.0, -12.802151109939379),
    (10, 0.1, 0.5, 1.9987827902307593),
    (10, 0.3, 3.0, -6.989466249945544),
    (20, 0.1, 0.5, 6.841149750047213),
    (20, 0.3, 1.5, 1.2806161347092444),
    (20, 0.3, 3.0, 0.03344033562133767),
]


@pytest.mark.parametrize(("d", "t", "value"), KL)
def test_kl_against_high_precision(d, t, value):
    assert diffusion.kl_heat(torch.tensor(t), d).item() == pytest.approx(
        value, rel=1e-8
    )


@pytest.mark.parametrize(("d", "t", "angle", "value"), LOG_KERNEL)
def test_log_kernel_against_high_precision(d, t, angle, value):
    found = diffusion.log_heat_kernel(squared_chord(angle), torch.tensor(t), d).item()
    assert found == pytest.approx(value, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    ("d", "value"),
    [(2, 0.013889506207795823), (3, -0.0833351852500037), (10, -14.375416596001157)],
)
def test_kl_beyond_the_printed_expansion(d, value):
    """The next term, in t²: what is left of the difference is rounding, 1e-15 of 30 nats."""
    t = torch.tensor(1e-4)
    beyond = (diffusion.kl_heat(t, d) - kl_paper(t, d)) / t**2
    assert beyond.item() == pytest.approx(value, abs=2e-5)


@pytest.mark.parametrize(
    ("d", "steps", "t", "kl", "mean"),
    [
        (10, 5, 0.1, 2.6706136327592187, 0.6270586441124488),
        (10, 10, 0.1, 2.5643711163311, 0.616976867225267),
    ],
)
def test_walk_against_high_precision(d, steps, t, kl, mean):
    time = torch.tensor(t)
    assert diffusion.kl_walk(time, d, steps).item() == pytest.approx(kl, rel=1e-8)
    assert diffusion.walk_harmonics(time, 1, d, steps).item() == pytest.approx(
        mean, rel=1e-8
    )


@pytest.mark.parametrize("d", [1, 2, 10, 20, 40])
@pytest.mark.parametrize("t", [0.02, 0.07, 0.3, 2.0])
def test_kernel_at_every_angle(d, t):
    """As far as the antipode, where the density is e^-240 of its peak at t = 0.02."""
    angles = [0.0, 1e-4, 0.3, 1.1, 2.0, 2.8, 3.1, 3.14, math.pi]
    found = diffusion.log_heat_kernel(
        squared_chord(angles), torch.tensor(t), d
    ) + log_surface_area(d + 1)
    expected = [float(exact_kernel(angle, t, d, 180)) for angle in angles]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("d", "angle"), [(2, 0.3), (10, 0.3), (20, 0.5), (10, 1.0)])
def test_kernel_at_a_short_time(d, angle):
    """At t = 1e-3, where the density is down to e^-500 of its peak."""
    expected = float(exact_kernel(angle, 1e-3, d, 320))
    found = diffusion.log_heat_kernel(
        squared_chord(angle), torch.tensor(1e-3), d
    ) + log_surface_area(d + 1)
    assert found.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("d", "steps", "time"),
    [(1, 5, 0.05), (10, 1, 0.1), (10, 5, 0.1), (20, 5, 0.03), (10, 5, 4.0)],
)
def test_walk_density(d, steps, time):
    """Within e^-20 of the peak."""
    with mpmath.workdps(50):
        steps_harmonics = [
            exact_step(n, mpmath.mpf(time) / steps, d + 1) ** steps
            for n in range(1, 150)
        ]
    end = min(math.pi, math.sqrt(40 * time))
    angles = [0.0, 0.1 * end, 0.5 * end, 0.8 * end, end]
    expected = [
        float(exact_series(a, lambda n: steps_harmonics[n - 1], d, 16)) for a in angles
    ]
    found = diffusion.log_walk(
        squared_chord(angles), torch.tensor(time), d, steps
    ) + log_surface_area(d + 1)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-6)


@pytest.mark.parametrize("d", [1, 10, 20])
@pytest.mark.parametrize("t", [0.01, 0.1, 3.0])
def test_densities_have_mass_one(d, t):
    time = torch.tensor(t)
    assert integrate_density(
        lambda c: diffusion.log_heat_kernel(c, time, d), d
    ) == pytest.approx(1, abs=1e-7)
    assert integrate_density(
        lambda c: diffusion.log_walk(c, time, d, 5), d
    ) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("d", "steps"), [(1, 5), (10, 5), (20, 5)])
def test_walks_density_falls(d, steps):
    c = squared_chord(torch.linspace(0, math.pi, 2000))
    for t in (1e-6, 1e-4, 1e-3, 0.03, 0.3, 3.0):
        value = diffusion.log_walk(c, torch.tensor(t), d, steps)
        assert (value.diff() <= 1e-12).all()


def test_many_short_steps_are_brownian_motion():
    d, t, c = 10, torch.tensor(0.2), squared_chord(torch.linspace(0, 2, 9))
    apart = [
        (diffusion.log_walk(c, t, d, steps) - diffusion.log_heat_kernel(c, t, d))
        .abs()
        .max()
        .item()
        for steps in (5, 10, 20)
    ]
    assert apart[2] < 0.6 * apart[1] < 0.36 * apart[0]


@pytest.mark.parametrize("d", [1, 10, 20])
@pytest.mark.parametrize("t", [1e-4, 1e-3, 0.02, 0.2, 1.0, 5.0, 10.0])
def test_kl_between_the_nodes(d, t):
    """Tables off their nodes, and their slope against differences."""
    time, step = torch.tensor(t * 1.0123, requires_grad=True), 1e-4
    near = t * 1.0123 * np.exp(step * np.array([-2, -1, 0, 1, 2]))
    for table, log_kl in (
        (lambda x: diffusion.kl_heat(x, d), lambda x: heat_kernel.log_kl(x, d)),
        (lambda x: diffusion.kl_walk(x, d, 5), lambda x: random_walk.log_kl(x, d, 5)),
    ):
        value = table(time)
        (slope,) = torch.autograd.grad(value.log(), time)
        a, b, middle, c, e = log_kl(near)
        assert value.log().item() == pytest.approx(middle, abs=1e-8)
        expected = (a - 8 * b + 8 * c - e) / (12 * step)
        assert (slope * time).item() == pytest.approx(expected, rel=2e-6, abs=1e-6)


def test_kl_against_quadrature_of_many_digits():
    """By the circle's density, which is in no table: images in place of harmonics."""
    t = mpmath.mpf("0.7")

    def integrand(angle):
        q = mpmath.nsum(
            lambda j: mpmath.npdf(angle + 2 * mpmath.pi * j, 0, mpmath.sqrt(t)), [-6, 6]
        )
        return q * mpmath.log(2 * mpmath.pi * q)

    expected = float(2 * mpmath.quad(integrand, [0, mpmath.pi]))
    assert diffusion.kl_heat(torch.tensor(0.7), 1).item() == pytest.approx(
        expected, rel=1e-9
    )


def test_kl_loses_information_as_fishers():
    """De Bruijn: dKL/dt = -1/2 E |grad log q|², by the gradient of the density."""
    d, t = 10, torch.tensor(0.2, requires_grad=True)
    (slope,) = torch.autograd.grad(diffusion.kl_heat(t, d), t)
    x, w = np.polynomial.legendre.leggauss(400)
    angle = torch.tensor(0.5 * math.pi * (1 + x), requires_grad=True)
    log_q = diffusion.log_heat_kernel(
        squared_chord(0) + 2 - 2 * torch.cos(angle), t.detach(), d
    )
    (score,) = torch.autograd.grad(log_q.sum(), angle)
    ring = torch.tensor(0.5 * math.pi * w) * torch.sin(angle.detach()) ** (d - 1)
    fisher = (ring * torch.exp(log_q.detach() + log_surface_area(d)) * score**2).sum()
    assert slope.item() == pytest.approx(-0.5 * fisher.item(), rel=1e-7)


@pytest.mark.parametrize(
    ("d", "t", "angle"),
    [(1, 0.3, 3.1), (2, 0.1, 2.0), (10, 0.05, 0.7), (20, 0.3, 1.5), (3, 2.0, 3.141)],
)
def test_kernels_gradient(d, t, angle):
    """In the squared chord, and in the time, against differences in many digits."""
    c, time = squared_chord(angle).requires_grad_(), torch.tensor(t, requires_grad=True)
    found = torch.autograd.grad(diffusion.log_heat_kernel(c, time, d), (c, time))
    with mpmath.workdps(80):
        at, t, h = mpmath.mpf(c.item()), mpmath.mpf(t), mpmath.mpf(10) ** -12

        def value(c, t):
            return exact_kernel(mpmath.acos(1 - c / 2), t, d, 80)

        across = (value(at + h, t) - value(at - h, t)) / (2 * h)
        along = (value(at, t + h) - value(at, t - h)) / (2 * h)
    assert [g.item() for g in found] == pytest.approx(
        [float(across), float(along)], rel=5e-6
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 10])
def test_finite_everywhere(d, dtype):
    c = torch.cat(
        [
            squared_chord([0.0, 1e-9, 1e-5, 1.0, math.pi - 1e-7, math.pi]),
            torch.tensor([4.0]),
        ]
    )
    t = torch.tensor([0.0, 1e-6, 1e-4, 1e-2, 1.0, 100.0, 1e4])
    c, t = c.to(dtype).requires_grad_(), t.to(dtype)[:, None].requires_grad_()
    for evaluate in (
        lambda: diffusion.log_heat_kernel(c, t, d),
        lambda: diffusion.log_walk(c, t, d, 5),
        lambda: diffusion.kl_heat(t, d),
        lambda: diffusion.kl_walk(t, d, 5),
    ):
        value = evaluate()
        gradients = torch.autograd.grad(value.sum(), (c, t), allow_unused=True)
        assert value.dtype == torch.float64
        assert torch.isfinite(value).all()
        assert all(torch.isfinite(g).all() for g in gradients if g is not None)


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda c, t: diffusion.log_heat_kernel(c, t, 6),
        lambda c, t: diffusion.log_walk(c, t, 6, 3),
        lambda c, t: diffusion.kl_heat(t, 6) + 0 * c,
        lambda c, t: diffusion.kl_walk(t, 6, 3) + 0 * c,
    ],
)
def test_vmap_is_a_loop(evaluate):
    """Of values and gradients; the tables, which no other test has, are made inside."""
    c, t = squared_chord(torch.rand(5, 4) * 3), torch.rand(5, 4) + 0.01
    both = torch.func.grad_and_value(lambda c, t: evaluate(c, t).sum(), argnums=(0, 1))
    gradients, values = torch.func.vmap(both)(c, t)
    for i in range(5):
        own, value = both(c[i], t[i])
        torch.testing.assert_close(values[i], value)
        torch.testing.assert_close((gradients[0][i], gradients[1][i]), own)
