import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import special

from priorbench.metrics.information import harmonics
from priorbench.metrics.information.factor_table import FactorTable
from priorbench.metrics.information.harmonics import (
    circle_information,
    coordinate_information,
)
from priorbench.priors import PowerSpherical, VonMisesFisher
from priorbench.priors.posteriors.spherical import SphericalFamily
from tests.metrics.synthetic_codes import unit_vectors


@dataclass(frozen=True)
class HeatKernel(SphericalFamily):
    """The heat kernel of half the Laplacian at time 1 / concentration, harmonics only."""

    log_density = kl_sphere = None

    def harmonics(self, concentration, degree, m):
        index = torch.arange(degree + 1.0).double()
        return torch.exp(-0.5 * index * (index + m - 2) / concentration[..., None])


def make_table(*factors, sizes=None):
    """The table of factors, (N,) each."""
    sizes = sizes or [int(values.max()) + 1 for values in factors]
    return FactorTable.from_factors(torch.stack(factors, dim=1), sizes)


EIGHT = make_table(torch.arange(8))
TWO = make_table(torch.arange(2))


def make_sphere(direction, kappa, family=VonMisesFisher):
    direction = torch.as_tensor(direction, dtype=torch.float64)
    kappa = torch.as_tensor(kappa, dtype=torch.float64).expand(len(direction))
    return family(dims=(direction.shape[1] - 1,)).at(direction, kappa[:, None])


def scattered(m, kappa, values=4, copies=3, family=VonMisesFisher):
    """Directions around different axes for different values, concentrations up to ``kappa``."""
    v = torch.arange(values).repeat_interleave(copies)
    generator = torch.Generator().manual_seed(m)
    spread = torch.randn(len(v), m, generator=generator, dtype=torch.float64)
    scale = 0.1 + torch.rand(len(v), generator=generator, dtype=torch.float64)
    centre = torch.nn.functional.one_hot(v % m, m)
    return make_sphere(spread + 1.5 * centre, kappa * scale, family), v


def log_uniform(m):
    """A_m(κ) as a function, by the scaled Bessel function."""
    order = m / 2 - 1
    return lambda k: (
        math.lgamma(m / 2) + np.log(special.ive(order, k)) + k - order * np.log(k / 2)
    )


def direct(q, factor, j):
    """Information of one coordinate by Gauss-Legendre, from the closed density in its angle."""
    m = q.direction.shape[1]
    c, kappa = q.direction[:, j].numpy(), q.concentration[:, 0].numpy()
    node, weight = special.roots_legendre(1500)
    psi, weight = (node[:, None] + 1) * np.pi / 2, weight * np.pi / 2
    whole, rest = log_uniform(m), log_uniform(m - 1)
    across = kappa * np.sqrt(1 - c**2) * np.sin(psi)
    part = np.logaddexp(across, -across) - np.log(2) if m == 2 else rest(across)
    log_area = math.lgamma(m / 2) - math.lgamma((m - 1) / 2) - 0.5 * math.log(math.pi)
    p = np.exp(
        log_area
        + (m - 2) * np.log(np.sin(psi))
        + kappa * c * np.cos(psi)
        + part
        - whole(kappa)
    )
    entropies = [
        weight @ special.entr(p[:, rows].mean(1))
        for rows in (factor >= 0, *(factor == v for v in np.unique(factor)))
    ]
    shares = np.unique(factor, return_counts=True)[1] / len(factor)
    return entropies[0] - shares @ entropies[1:]


@pytest.mark.parametrize(
    ("family", "concentration", "expected"),
    [(VonMisesFisher, 10.0, 1.541325583323526), (HeatKernel, 10.0, 1.5685681435693932)],
)
@pytest.mark.parametrize("turn", [0.0, 0.3, 2.0])
def test_oracle_circle(family, concentration, expected, turn):
    directions = unit_vectors(torch.arange(8) * math.pi / 4 + turn)
    q = make_sphere(directions, concentration, family)
    information, error = circle_information(q, EIGHT)
    assert information.shape == error.shape == (1, 1)
    assert abs(information.item() - expected) <= error.item() + 1e-14
    assert error.item() < 1e-9


@pytest.mark.parametrize(
    ("m", "kappa", "expected"),
    [(3, 2.0, 0.3907045990451182), (10, 5.0, 0.5361441211512981)],
)
def test_oracle_antipodal_directions(m, kappa, expected):
    # the coordinate along both directions knows all that the sphere does, the others nothing
    axis = torch.eye(m)[:1]
    q = make_sphere(torch.cat([axis, -axis]), kappa)
    information, error = coordinate_information(q, range(m), TWO)
    assert information[0].item() == pytest.approx(expected, abs=1e-12)
    assert information[1:].abs().max() < 1e-12
    assert error.max() < 1e-11


@pytest.mark.parametrize("m", [2, 3, 4, 5, 10, 41])
@pytest.mark.parametrize("kappa", [0.01, 3.0, 100.0, 2000.0])
def test_coordinates_agree_with_the_closed_density(m, kappa):
    q, v = scattered(m, kappa)
    information, error = coordinate_information(q, [0, 1], make_table(v))
    expected = [direct(q, v.numpy(), j) for j in (0, 1)]
    assert information[:, 0].tolist() == pytest.approx(expected, abs=1e-11)
    assert error.max() < 1e-7


def test_bound_counts_the_rounding_near_a_pole():
    # all directions nearly on one axis of many: the sum over degrees cancels
    direction = torch.zeros(2, 41).double()
    direction[:, 0], direction[1, 1] = 1, 0.2
    q = make_sphere(direction, 150.0)
    information, error = coordinate_information(q, [0, 1], TWO)
    q.direction[0, 0] = math.sqrt(1 - 1e-12)  # the closed form needs a bit of the rest
    expected = [direct(q, np.arange(2), j) for j in (0, 1)]
    difference = (information[:, 0] - torch.tensor(expected)).abs()
    assert (difference <= error[:, 0] + 1e-10).all()
    assert error[0] > 1e-8 > error[1]


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("kappa", [0.4, 0.8, 1.7, 10.3, 60.6])
def test_bound_holds_where_harmonics_fall_slowly(monkeypatch, m, kappa):
    """Power spherical ones have a kink opposite to their direction; against more degrees."""
    q, v = scattered(m, kappa, family=PowerSpherical)
    table = make_table(v)

    def find_information():
        if m == 2:
            return circle_information(q, table)
        return coordinate_information(q, [0, 1], table)

    monkeypatch.setattr(harmonics, "MAX_ERROR", 1e-3)
    monkeypatch.setattr(harmonics, "SLOW", 128)
    information, error = find_information()
    monkeypatch.setattr(harmonics, "SLOW", 4000 if m == 2 else 1000)
    monkeypatch.setattr(harmonics, "TAIL", 1e-9)
    fine, fine_error = find_information()
    assert ((information - fine).abs() <= error + fine_error).all()
    assert error.max() < 5e-4


def test_circle_by_its_own_coordinates():
    # in the upper half, a circle and its first coordinate know the same
    phi = torch.linspace(1.2, 1.9, 8)
    q = make_sphere(unit_vectors(phi), 400.0)
    coordinates, _ = coordinate_information(q, [0, 1], EIGHT)
    whole, _ = circle_information(q, EIGHT)
    assert coordinates[0].item() == pytest.approx(whole.item(), abs=1e-10)
    assert coordinates[1].item() < whole.item()


def test_permuting_coordinates_points_and_values():
    q, v = scattered(5, 30.0)
    expected, _ = coordinate_information(q, range(5), make_table(v))
    points, order = torch.randperm(12), [3, 0, 4, 2, 1]
    turned = make_sphere(q.direction[points][:, order], q.concentration[points, 0])
    got, _ = coordinate_information(turned, range(5), make_table(3 - v[points]))
    torch.testing.assert_close(got, expected[order], atol=1e-12, rtol=0)
    some, _ = coordinate_information(q, [4, 2], make_table(v))
    torch.testing.assert_close(some, expected[[4, 2]], atol=1e-12, rtol=0)


@pytest.mark.parametrize("m", [2, 4])
def test_chunks_and_degrees_lose_nothing(monkeypatch, m):
    generator = torch.Generator().manual_seed(0)
    v = torch.randint(3, (500, 1), generator=generator)
    kappa = torch.exp(8 * torch.rand(500, generator=generator).double() - 3)
    direction = torch.randn(500, m, generator=generator) + 2 * v
    q = make_sphere(direction, kappa)
    table = make_table(v[:, 0], sizes=[5])
    expected, _ = coordinate_information(q, range(m), table)
    monkeypatch.setattr(harmonics, "SEGMENT", 37)
    monkeypatch.setitem(harmonics.ELEMENTS, "cpu", 1000)
    got, error = coordinate_information(q, range(m), table)
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)
    assert error.max() < 1e-7


def test_several_factors_of_unequal_counts():
    q, v = scattered(3, 20.0)
    other = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 3, 3, 3, 3])
    factors = v, other, torch.zeros_like(other)
    table = make_table(*factors, sizes=[4, 5, 2])
    information, _ = coordinate_information(q, [1], table)
    expected = [direct(q, values.numpy(), 1) for values in factors]
    assert information[0].tolist() == pytest.approx(expected, abs=1e-11)
    assert information[0, 2].item() == pytest.approx(0, abs=1e-12)


def test_separated_directions_know_the_value():
    phi = torch.tensor([0.3, 1.0, 2.0, 2.9])
    table = make_table(torch.tensor([0, 1, 1, 2]))
    q = make_sphere(unit_vectors(phi), 3e4)
    information, error = coordinate_information(q, [0], table)
    assert information.item() == pytest.approx(1.5 * math.log(2), abs=1e-8)
    assert error.item() < 1e-6


def test_too_narrow_has_no_answer():
    for m, kappa in ((2, 1e8), (3, 1e6), (500, 3e4)):
        q, v = scattered(m, kappa)
        information, error = coordinate_information(q, [0, 1], make_table(v))
        assert (information == 0).all()
        assert torch.isinf(error).all()


def test_parameters_must_be_finite():
    q, v = scattered(3, 2.0)
    q.params[0, 0] = math.nan
    with pytest.raises(ValueError, match="'params' of the posterior must be finite"):
        coordinate_information(q, [0], make_table(v))
