"""The harmonics of a step against Kummer's function."""

import mpmath
import numpy as np
import pytest

from priorbench.priors.spheres import random_walk
from tests.priors.spheres.exact_densities import exact_step


@pytest.mark.parametrize(
    ("steps", "b_1", "b_2"),
    [
        (5, 0.9108809760000001, 0.8145778154775704),
        (10, 0.9528551555, 0.8992406210022365),
    ],
)
def test_step_against_high_precision(steps, b_1, b_2):
    found = random_walk.step_harmonics(np.array([0.1 / steps]), 2, 11)[0].astype(float)
    assert found == pytest.approx([b_1, b_2], rel=1e-9)


@pytest.mark.parametrize(
    ("d", "variance"), [(1, 1e-3), (10, 0.02), (20, 0.5), (3, 30.0)]
)
def test_steps_harmonics(d, variance):
    found = random_walk.step_harmonics(np.array([variance]), 40, d + 1)[0].astype(float)
    table = np.exp(random_walk.log_harmonics(np.array([variance]), 40, d + 1)[0])
    with mpmath.workdps(40):
        expected = [float(exact_step(n, variance, d + 1)) for n in range(1, 41)]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(table, expected, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize(("d", "variance"), [(1, 5e-5), (10, 1e-5), (20, 1e-8)])
def test_harmonics_of_short_steps(d, variance):
    """Degrees up to 1000, by the expansion for large arguments."""
    table = random_walk.log_harmonics(np.array([variance]), 1000, d + 1)[0]
    with mpmath.workdps(40):
        for n in (1, 2, 10, 100, 1000):
            expected = float(mpmath.log(exact_step(n, variance, d + 1)))
            assert table[n - 1] == pytest.approx(expected, rel=1e-7, abs=1e-10)
