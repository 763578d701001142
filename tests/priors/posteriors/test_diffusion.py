"""The ΔVAE's posterior."""

import math

import numpy as np
import pytest
import torch

from priorbench.priors.posteriors.diffusion import Diffusion
from priorbench.priors.spheres import diffusion
from priorbench.priors.spheres.geometry import log_surface_area
from tests.priors.posteriors.one_sphere import make_diffusion, standard_errors_off


def draw_rows(q, count):
    """Draw from a posterior whose rows are all alike, (count, latent_dim)."""
    width = q.family.noise_dim(q.layout.latent_dim)
    return q.rsample(torch.randn(count, width, dtype=torch.float64))


@pytest.mark.parametrize(
    ("d", "steps", "t", "step"),
    [
        (1, 5, 0.3, "sqrt"),
        (2, 1, 0.5, "printed"),
        (10, 5, 0.1, "sqrt"),
        (10, 5, 0.1, "printed"),
        (20, 5, 0.02, "sqrt"),
    ],
)
def test_draws_follow_the_walk(d, steps, t, step):
    """E cos θ = b_1^L, and log q averages to minus the entropy of the walk."""
    q = make_diffusion(d, t, 200_000, steps=steps, step=step, kl="walk")
    z = draw_rows(q, 200_000)
    assert (z.norm(dim=1) - 1).abs().max() < 1e-12
    assert standard_errors_off(z[:, 0], q[0].harmonics(1)[1]) < 4
    assert standard_errors_off(q.log_prob(z), -q[0].entropy()) < 4
    torch.testing.assert_close(
        q[0].kl_uniform(), log_surface_area(d + 1) - q[0].entropy()
    )


@pytest.mark.parametrize("d", [1, 10])
def test_printed_step_diffuses_longer(d):
    """For the time L t²: with t = 1 / L both are one."""
    a, b = (
        make_diffusion(d, 0.2, steps=5, step="printed"),
        make_diffusion(d, 0.2, steps=5),
    )
    torch.testing.assert_close(a.harmonics(4), b.harmonics(4))
    c = make_diffusion(d, 0.1, steps=5, step="printed", kl="walk")
    torch.testing.assert_close(
        c.kl_uniform(), make_diffusion(d, 0.05, steps=5, kl="walk").kl_uniform()
    )


def test_paper_kl_against_high_precision():
    """Eq. 3, and its minimum at t = 2 / (d - 1), where the exact KL goes on falling."""
    for d, t, value in [
        (1, 0.5, 0.7655121234846454),
        (10, 0.05, 4.945623620836158),
        (20, 1.0, 65.39341509848143),
        (3, 1.0, 0.22579135264472744),
        (10, 2 / 9, 1.362349236947573),
    ]:
        found = make_diffusion(d, t, kl="paper").kl_uniform().item()
        assert found == pytest.approx(value, rel=1e-9)
    for kl, sign in (("paper", 0.0), ("exact", -1.0), ("walk", -1.0)):
        raw = make_diffusion(10, 2 / 9).params.requires_grad_()
        Diffusion(dims=[10], kl=kl)(raw).kl_uniform().sum().backward()
        slope = raw.grad[0, -1].item()
        assert slope == pytest.approx(0, abs=1e-10) if sign == 0 else slope < -0.1


@pytest.mark.parametrize(
    ("kl", "value"),
    [("exact", 2.4578), ("walk", 2.6706136327592187), ("paper", 2.6049)],
)
def test_divergences(kl, value):
    q = make_diffusion(10, 0.1, kl=kl)
    assert q.kl_uniform().item() == pytest.approx(value, abs=1e-4)
    # the divergence is a matter of training; the entropy is that of the density
    assert q.entropy().item() == pytest.approx(
        log_surface_area(11) - 2.6706136327592187, rel=1e-8
    )


def test_density_is_the_chosen_one():
    z = torch.eye(11, dtype=torch.float64)[:3] + 0.1
    z = z / z.norm(dim=1, keepdim=True)
    chord = 2 - 2 * z[:, 0]
    t = torch.tensor(0.1, dtype=torch.float64)
    torch.testing.assert_close(
        make_diffusion(10, 0.1, 3, density="heat").log_prob(z),
        diffusion.log_heat_kernel(chord, t, 10),
    )
    torch.testing.assert_close(
        make_diffusion(10, 0.1, 3).log_prob(z), diffusion.log_walk(chord, t, 10, 5)
    )


@pytest.mark.parametrize(
    ("density", "step"), [("heat", "sqrt"), ("walk", "sqrt"), ("walk", "printed")]
)
def test_harmonics_are_moments_of_the_density(density, step):
    """By quadrature over the angle: with m = 3 the polynomials are Legendre's."""
    q = make_diffusion(2, 0.3, 400, density=density, step=step)
    x, w = map(torch.tensor, np.polynomial.legendre.leggauss(400))
    z = torch.stack([x, (1 - x * x).sqrt(), torch.zeros_like(x)], dim=-1)
    mass = 2 * math.pi * w * q.log_prob(z).exp()
    found = q[0].harmonics(6)
    expected = torch.stack(
        [(mass * torch.special.legendre_polynomial_p(x, n)).sum() for n in range(7)]
    )
    assert found.dtype == torch.float64
    assert torch.equal(found[:1], torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


def test_several_spheres():
    """Of one size and of others: as each by itself, up to the shape of the noise."""
    dims, steps = [10, 1, 10], 5
    raw, noise = torch.randn(5, 27), torch.randn(5, 120)
    q = Diffusion(dims, steps, kl="walk")(raw)
    z, path = q.rsample(noise), noise.unflatten(-1, (steps, 24))
    parts = q.independent_parts()
    for own, columns in parts:
        alone = own.rsample(path[..., list(columns)].flatten(-2))
        torch.testing.assert_close(z[:, list(columns)], alone)
    each = torch.stack([own.log_prob(z[:, list(c)]) for own, c in parts], dim=-1)
    torch.testing.assert_close(q.log_prob_groups(z, q.layout.groups), each)
    torch.testing.assert_close(
        q.kl_uniform(), sum(own.kl_uniform() for own, _ in parts)
    )
    torch.testing.assert_close(q.entropy(), sum(own.entropy() for own, _ in parts))


@pytest.mark.parametrize(
    "fields",
    [{}, {"density": "heat"}, {"kl": "walk"}, {"kl": "paper"}, {"step": "printed"}],
)
@pytest.mark.parametrize("height", [0.0, -1e4, 1e4])
def test_extreme_encoder_outputs(fields, height):
    """No direction, and times far out of range: all is finite, the gradients too, in float32."""
    raw = torch.zeros(3, 12)
    raw[:, -1] = height
    raw.requires_grad_()
    q = Diffusion(dims=[10], **fields)(raw)
    z = q.rsample(torch.randn(3, 55))
    values = [
        z,
        q.log_prob(z),
        q.log_prob(-q.representation),
        q.kl_uniform(),
        q.entropy(),
    ]
    assert all(v.dtype == torch.float32 and torch.isfinite(v).all() for v in values)
    sum(v.sum() for v in values).backward()
    assert torch.isfinite(raw.grad).all()


def test_draws_move_with_parameters():
    raw = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(4, 20, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda p: Diffusion(dims=[3])(p).rsample(noise), raw
    )


def test_vmap_is_a_loop():
    raw, noise, z = torch.randn(3, 6, 6), torch.randn(3, 6, 20), torch.randn(3, 6, 4)

    def each(raw, noise, z):
        q = Diffusion(dims=[1, 1], kl="walk")(raw)
        unit = z.unflatten(-1, (2, 2))
        unit = (unit / unit.norm(dim=-1, keepdim=True)).flatten(-2)
        return q.rsample(noise), q.log_prob(unit), q.kl_uniform()

    for batch, *alone in zip(
        torch.func.vmap(each)(raw, noise, z),
        *(each(*row) for row in zip(raw, noise, z, strict=True)),
        strict=True,
    ):
        torch.testing.assert_close(batch, torch.stack(alone))


def test_given_directions_and_concentrations():
    q = Diffusion(dims=[2]).at(torch.tensor([0.0, 2.0, 0.0]), 4.0)
    assert q.concentration.item() == pytest.approx(4.0)
    assert q.representation.tolist() == [0.0, 1.0, 0.0]
    uniform = Diffusion(dims=[2], kl="walk").at(torch.ones(3), 0.0)
    assert uniform.kl_uniform().item() < 1e-6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"density": "chord"}, r"'density' must be one of .*; got 'chord'"),
        ({"step": "linear"}, r"'step' must be one of .*; got 'linear'"),
        ({"kl": "eq3"}, r"'kl' must be one of .*; got 'eq3'"),
        ({"steps": 0}, "'steps' must be a positive integer; got 0"),
    ],
)
def test_wrong_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        Diffusion(dims=[2], **fields)
