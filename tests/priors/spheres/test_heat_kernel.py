"""The heat kernel: its contour integral against its series."""

import math

import numpy as np
import pytest

from priorbench.priors.spheres import heat_kernel, zonal_series


@pytest.mark.parametrize("d", [160, 300])
def test_divergence_at_short_times_is_that_of_a_gaussian(d):
    """Where the density is above the largest float."""
    t = np.array([1e-7, 1e-6])
    found = np.exp(heat_kernel.log_kl(t, d))
    np.testing.assert_allclose(found, zonal_series.gaussian_kl(t, d), rtol=1e-4)


@pytest.mark.parametrize("d", [1, 2, 7, 20, 40, 64])
def test_contour_and_series_agree_where_they_meet(d):
    angle = np.linspace(0, math.pi, 20)[None]
    t = np.array([zonal_series.smooth_from(d)])
    late = heat_kernel.log_density(angle, t, d)
    np.testing.assert_allclose(
        heat_kernel.integrate_contour(angle, t[:, None], d), late, atol=1e-11
    )
