"""The ΔVAE's posterior and prior."""

import math

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.priors.spheres import diffusion
from priorbench.priors.diffusion_sphere import Diffusion, DiffusionSphere
from priorbench.priors.spheres.geometry import log_surface_area
from priorbench.priors.posteriors.von_mises_fisher import VonMisesFisher


def posterior(d, t, count=1, **settings):
    """Posteriors on S^d about the first axis, for one time."""
    raw = torch.zeros(count, d + 2, dtype=torch.float64)
    raw[:, 0], raw[:, -1] = 1.0, math.log(t)
    return Diffusion(raw, dims=[d], **settings)


def draw(q, count):
    """Draws of a posterior whose rows are all alike, (count, latent_dim)."""
    latent_dim = q.layout.latent_dim
    size = Diffusion.noise_dim(
        latent_dim, **{k: v for k, v in q.settings.items() if k != "dims"}
    )
    return q.rsample(torch.randn(count, size, dtype=torch.float64))


def errors(values, expected):
    """By how many standard errors a mean is off."""
    return (
        abs(values.mean() - expected).item()
        * math.sqrt(len(values))
        / values.std().item()
    )


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
def test_walk_has_its_law(d, steps, t, step):
    """E cos θ = b_1^L, and log q averages to minus the entropy of the walk."""
    q = posterior(d, t, 200_000, steps=steps, step=step, kl="walk")
    z = draw(q, 200_000)
    assert (z.norm(dim=1) - 1).abs().max() < 1e-12
    assert errors(z[:, 0], q[0].harmonics(1)[1]) < 4
    assert errors(q.log_prob(z), -q[0].entropy()) < 4
    torch.testing.assert_close(
        q[0].kl_uniform(), log_surface_area(d + 1) - q[0].entropy()
    )


@pytest.mark.parametrize("d", [1, 10])
def test_printed_step_diffuses_longer(d):
    """For the time L t²: with t = 1 / L both are one."""
    a, b = posterior(d, 0.2, steps=5, step="printed"), posterior(d, 0.2, steps=5)
    torch.testing.assert_close(a.harmonics(4), b.harmonics(4))
    c = posterior(d, 0.1, steps=5, step="printed", kl="walk")
    torch.testing.assert_close(
        c.kl_uniform(), posterior(d, 0.05, steps=5, kl="walk").kl_uniform()
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
        found = posterior(d, t, kl="paper").kl_uniform().item()
        assert found == pytest.approx(value, rel=1e-9)
    for kl, sign in (("paper", 0.0), ("exact", -1.0), ("walk", -1.0)):
        raw = posterior(10, 2 / 9).params.requires_grad_()
        Diffusion(raw, dims=[10], kl=kl).kl_uniform().sum().backward()
        slope = raw.grad[0, -1].item()
        assert slope == pytest.approx(0, abs=1e-10) if sign == 0 else slope < -0.1


@pytest.mark.parametrize(
    ("kl", "value"),
    [("exact", 2.4578), ("walk", 2.6706136327592187), ("paper", 2.6049)],
)
def test_divergences(kl, value):
    q = posterior(10, 0.1, kl=kl)
    assert q.kl_uniform().item() == pytest.approx(value, abs=1e-4)
    # the divergence is a matter of training; the entropy is that of the density
    assert q.entropy().item() == pytest.approx(
        log_surface_area(11) - 2.6706136327592187, rel=1e-8
    )


def test_density_is_the_chosen_law():
    z = torch.eye(11, dtype=torch.float64)[:3] + 0.1
    z = z / z.norm(dim=1, keepdim=True)
    chord = 2 - 2 * z[:, 0]
    t = torch.tensor(0.1, dtype=torch.float64)
    torch.testing.assert_close(
        posterior(10, 0.1, 3, law="heat").log_prob(z),
        diffusion.log_heat_kernel(chord, t, 10),
    )
    torch.testing.assert_close(
        posterior(10, 0.1, 3).log_prob(z), diffusion.log_walk(chord, t, 10, 5)
    )


@pytest.mark.parametrize(
    ("law", "step"), [("heat", "sqrt"), ("walk", "sqrt"), ("walk", "printed")]
)
def test_harmonics_are_moments_of_the_density(law, step):
    """By quadrature over the angle: with m = 3 the polynomials are Legendre's."""
    q = posterior(2, 0.3, 400, law=law, step=step)
    x, w = map(torch.tensor, np.polynomial.legendre.leggauss(400))
    z = torch.stack([x, (1 - x * x).sqrt(), torch.zeros_like(x)], dim=-1)
    density = 2 * math.pi * w * q.log_prob(z).exp()
    found = q[0].harmonics(6)
    expected = torch.stack(
        [(density * torch.special.legendre_polynomial_p(x, n)).sum() for n in range(7)]
    )
    assert found.dtype == torch.float64
    assert torch.equal(found[:1], torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


def test_several_spheres():
    """Of one size and of others: as each by itself, up to the shape of the noise."""
    dims, steps = [10, 1, 10], 5
    raw, noise = torch.randn(5, 27), torch.randn(5, 120)
    q = Diffusion(raw, dims=dims, steps=steps, kl="walk")
    z, path = q.rsample(noise), noise.unflatten(-1, (steps, 24))
    blocks = q.blocks()
    for own, columns in blocks:
        alone = own.rsample(path[..., list(columns)].flatten(-2))
        torch.testing.assert_close(z[:, list(columns)], alone)
    parts = torch.stack([own.log_prob(z[:, list(c)]) for own, c in blocks], dim=-1)
    torch.testing.assert_close(q.log_prob_groups(z, q.layout.groups), parts)
    torch.testing.assert_close(
        q.kl_uniform(), sum(own.kl_uniform() for own, _ in blocks)
    )
    torch.testing.assert_close(q.entropy(), sum(own.entropy() for own, _ in blocks))


@pytest.mark.parametrize(
    "settings",
    [{}, {"law": "heat"}, {"kl": "walk"}, {"kl": "paper"}, {"step": "printed"}],
)
@pytest.mark.parametrize("height", [0.0, -1e4, 1e4])
def test_extreme_encoder_outputs(settings, height):
    """No direction, and times far out of range: all is finite, the gradients too, in float32."""
    raw = torch.zeros(3, 12)
    raw[:, -1] = height
    raw.requires_grad_()
    q = Diffusion(raw, dims=[10], **settings)
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
        lambda p: Diffusion(p, dims=[3]).rsample(noise), raw
    )


def test_vmap_is_a_loop():
    raw, noise, z = torch.randn(3, 6, 6), torch.randn(3, 6, 20), torch.randn(3, 6, 4)

    def each(raw, noise, z):
        q = Diffusion(raw, dims=[1, 1], kl="walk")
        unit = z.unflatten(-1, (2, 2))
        unit = (unit / unit.norm(dim=-1, keepdim=True)).flatten(-2)
        return q.rsample(noise), q.log_prob(unit), q.kl_uniform()

    for batch, *alone in zip(
        torch.func.vmap(each)(raw, noise, z),
        *(each(*row) for row in zip(raw, noise, z, strict=True)),
        strict=True,
    ):
        torch.testing.assert_close(batch, torch.stack(alone))


def test_of_directions_and_concentrations():
    q = Diffusion.of(torch.tensor([0.0, 2.0, 0.0]), 4.0)
    assert q.concentration.item() == pytest.approx(4.0)
    assert q.representation.tolist() == [0.0, 1.0, 0.0]
    assert Diffusion.of(torch.ones(3), 0.0, kl="walk").kl_uniform().item() < 1e-6


def test_prior():
    prior = DiffusionSphere(10, steps=4)
    assert prior.latent_dim == 11
    assert prior.groups == (tuple(range(11)),)
    assert prior.support == ("sphere",)
    assert prior.learned() == {}
    assert prior.posterior.num_params(11) == 12
    assert prior.posterior.noise_dim(11) == 44
    z = prior.sample((5,), torch.Generator().manual_seed(3))
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, prior.sample((5,), torch.Generator().manual_seed(3)))
    torch.testing.assert_close(
        prior.log_prob(z), torch.full((5,), -log_surface_area(11))
    )
    torch.testing.assert_close(prior.log_prob_groups(z)[:, 0], prior.log_prob(z))
    with pytest.raises(ValueError, match=r"'z' must have shape \(\.\.\., 11\)"):
        prior.log_prob(z[:, :10])


@pytest.mark.parametrize("kl", ["exact", "walk", "paper"])
def test_priors_kl_is_closed(kl):
    prior = DiffusionSphere(10, kl=kl)
    q = prior.posterior(torch.randn(6, 12))
    expected = q.kl_uniform()
    torch.testing.assert_close(prior.kl(q, prior.sample((6,))), expected)
    torch.testing.assert_close(prior.kl_groups(q, prior.sample((6,)))[:, 0], expected)


def test_priors_kl_of_another_posterior_is_estimated():
    prior, q = DiffusionSphere(3), VonMisesFisher(torch.randn(5, 6), dims=[1, 1])
    z = torch.nn.functional.normalize(torch.randn(5, 2, 2), dim=-1).flatten(-2)
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))


def test_walk_divergence_is_that_of_the_draws():
    """Which the heat kernel's is not: for few steps it is lower."""
    prior = DiffusionSphere(10, kl="walk")
    q = prior.posterior(posterior(10, 0.1, 100_000).params)
    z = q.rsample(torch.randn(100_000, 55, dtype=torch.float64))
    one_sample = q.log_prob(z) - prior.double().log_prob(z)
    assert errors(one_sample, prior.kl(q, z)[0]) < 4
    assert errors(one_sample, posterior(10, 0.1).kl_uniform()) > 10


def test_registered():
    prior = priors.get("diffusion_sphere")(
        dim=2, kl="paper", step="printed", density="heat"
    )
    assert isinstance(prior, DiffusionSphere)
    assert prior.posterior.settings == {
        "dims": (2,),
        "steps": 5,
        "step": "printed",
        "law": "heat",
        "kl": "paper",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, "'dim' must be a positive integer; got 0"),
        ({"dim": True}, "'dim' must be a positive integer; got True"),
        ({"dim": 2.0}, r"'dim' must be a positive integer; got 2\.0"),
        ({"steps": 0}, "'steps' must be a positive integer; got 0"),
        ({"steps": "5"}, "'steps' must be a positive integer; got '5'"),
        ({"kl": "eq3"}, "'kl' must be one of .*'paper'.*; got 'eq3'"),
        ({"step": "linear"}, "'step' must be one of .*'printed'.*; got 'linear'"),
        ({"density": "chord"}, "'density' must be one of .*'heat'.*; got 'chord'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiffusionSphere(**arguments)


def test_wrong_law():
    with pytest.raises(ValueError, match=r"'law' must be one of .*; got 'chord'"):
        Diffusion(torch.zeros(4), dims=[2], law="chord")
