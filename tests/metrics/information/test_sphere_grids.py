import math

import numpy as np
import pytest
import torch
from scipy import special

from priorbench.metrics.information.polynomials import orthonormal_polynomials
from priorbench.metrics.information.sphere_grids import (
    CircleGrid,
    SphereGrid,
    quadrature_rule,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("m", [3, 4, 5, 10, 41])
def test_polynomials_are_orthonormal_under_the_rule(m):
    y, weights = map(torch.tensor, quadrature_rule(256, m))
    values = orthonormal_polynomials(y, 100, m)
    torch.testing.assert_close(
        (values * weights) @ values.T, torch.eye(101).double(), atol=1e-11, rtol=0
    )


@pytest.mark.parametrize("m", [3, 4, 7, 10])
def test_rule_integrates_a_smooth_function(m):
    y, weights = quadrature_rule(40, m)
    exact = special.hyp0f1(m / 2, 3.0**2 / 4)  # E exp(3 y)
    assert weights @ np.exp(3 * y) == pytest.approx(exact, rel=1e-14)


def test_circle_from_moments():
    grid = CircleGrid(3, 16, CPU, whole=True)
    moments = torch.zeros(4, 2, 1, dtype=torch.float64)
    moments[0, 0], moments[1, 1], moments[3, 0] = 1, 0.2, 0.1
    angle = torch.arange(16).double() * math.pi / 8
    expected = 1 + math.sqrt(2) * (0.2 * torch.sin(angle) + 0.1 * torch.cos(3 * angle))
    torch.testing.assert_close(grid.evaluate_densities(moments)[:, 0, 0], expected)


@pytest.mark.parametrize("grid", [CircleGrid(4, 64, CPU), SphereGrid(4, 64, 5, CPU)])
def test_what_is_beyond_the_degree(grid):
    m = 2 if isinstance(grid, CircleGrid) else 5
    y = (
        torch.cos(torch.arange(64).double() * math.pi / 32)
        if m == 2
        else torch.tensor(quadrature_rule(64, m)[0])
    )
    values = orthonormal_polynomials(y, 6, m)
    mixed = (3 * values[2] + 0.5 * values[5] - 1.2 * values[6])[:, None, None]
    assert grid.norm_beyond_degree(mixed).item() == pytest.approx(1.3, abs=1e-10)
    assert grid.norm_beyond_degree(values[4][:, None, None]).item() == pytest.approx(
        0, abs=2e-7
    )
