"""The heat kernel: its contour integral against its series."""

import math

import numpy as np
import pytest

from priorbench.priors.spheres import heat_kernel, zonal_series


@pytest.mark.parametrize("d", [1, 2, 7, 20, 40, 64])
def test_contour_and_series_agree_where_they_meet(d):
    angle = np.linspace(0, math.pi, 20)[None]
    t = np.array([zonal_series.smooth_from(d)])
    late = heat_kernel.log_density(angle, t, d)
    np.testing.assert_allclose(
        heat_kernel.integrate_contour(angle, t[:, None], d), late, atol=1e-11
    )
