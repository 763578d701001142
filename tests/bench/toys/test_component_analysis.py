"""ICA by VI: the free energy by quadrature, its ascent, and what β does."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from priorbench.bench.toys.component_analysis import (
    Problem,
    ascend_free_energy,
    compute_free_energy,
    measure_components,
    update_posterior,
)
from priorbench.bench.toys.vi_bias import PRUNED, climb, compute_shortest

SETTINGS = (0.3, 5.0, 3.5)


def make_problem(x, sigma, beta, v):
    values = (
        torch.tensor([number], dtype=torch.float64) for number in (sigma, v, beta)
    )
    return Problem(x[None], *values)


@pytest.fixture
def small():
    """One problem of four points, weights, and a q of theirs."""
    sigma, beta, v = SETTINGS
    generator = torch.Generator().manual_seed(1)
    shapes = (4, 2), (1, 2, 3), (1, 4, 3), (1, 4, 3)
    x, W, mean, raw = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    return make_problem(x, sigma, beta, v), W, mean, raw.sigmoid()


def test_the_free_energy_is_that_of_adaptive_quadrature(small):
    problem, W, mean, scale = small
    sigma, beta, v = SETTINGS
    values = []
    for n in range(4):
        m, s = mean[0, n].numpy(), scale[0, n].numpy()
        kl = 0.0
        for k in range(3):
            q = stats.norm(m[k], s[k])
            integral, _ = integrate.quad(
                lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.t.logpdf(z, v)),
                m[k] - 12 * s[k],
                m[k] + 12 * s[k],
                epsabs=1e-10,
            )
            kl += integral
        w, x = W[0].numpy(), problem.x[0, n].numpy()
        likelihood = stats.norm.logpdf(x, w @ m, sigma).sum()
        likelihood -= 0.5 * (w**2 @ s**2).sum() / sigma**2
        values.append(likelihood / beta - kl)
    found = compute_free_energy(problem, W, mean, scale).item()
    assert found == pytest.approx(np.mean(values), abs=2e-6)


def test_updates_of_q_end_where_the_gradient_is_zero(small):
    problem, W, mean, scale = small
    values = []
    for _ in range(200):
        values.append(compute_free_energy(problem, W, mean, scale).item())
        mean, scale = update_posterior(problem, W, mean, scale, 1)
    assert (np.diff(values) > -1e-12).all()
    mean.requires_grad_(), scale.requires_grad_()
    value = compute_free_energy(problem, W, mean, scale)
    for gradient in torch.autograd.grad(value, (mean, scale)):
        assert gradient.abs().max() < 1e-6


def test_no_step_of_the_ascent_lowers_the_free_energy():
    ascent, _ = climb([(0.1, 1.0, 3.5, 0), (0.1, 5.0, 1.5, 0)], 40, 60)
    assert (ascent.free_energies.diff(dim=0) >= 0).all()
    assert (ascent.free_energies[-1] > ascent.free_energies[0] + 0.1).all()


def test_beta_is_a_larger_noise():
    ascent, problem = climb([(0.1, 5.0, 3.5, 0)], 40, 30)
    z = torch.zeros(1, 40, 3, dtype=torch.float64)
    W = ascent.weights[0]
    strong = ascend_free_energy(problem, W, z, 30)
    noisy = make_problem(problem.x[0], 0.1 * 5**0.5, 1.0, 3.5)
    plain = ascend_free_energy(noisy, W, z, 30)
    assert torch.allclose(strong.weights, plain.weights, atol=1e-9)
    assert not torch.allclose(strong.W, W, atol=1e-2)


def test_one_component_of_three_is_pruned_for_the_papers_sources():
    ascent, _ = climb([(0.1, 1.0, 3.5, 0), (0.1, 5.0, 3.5, 0)], 60, 80)
    assert compute_shortest(ascent.weights[0]) == pytest.approx(1.0, abs=1e-12)
    assert (compute_shortest(ascent.W) < PRUNED).all()
    lengths, angles = measure_components(ascent.W)
    for length, angle in zip(lengths, angles, strict=True):
        first, second = angle[length > PRUNED * length.max()]
        assert abs((first - second).abs() - 90) < 10


def test_sparser_sources_keep_three_components():
    ascent, _ = climb([(0.5, 1.0, 0.7, 0)], 60, 80)
    assert compute_shortest(ascent.W).item() > 0.5


def test_components_are_measured_as_axes():
    W = torch.tensor([[1.0, 0.0, -3.0], [0.0, -2.0, 3.0]])
    lengths, angles = measure_components(W)
    assert lengths.tolist() == pytest.approx([1, 2, 18**0.5])
    assert angles.tolist() == pytest.approx([0, 90, 135])
