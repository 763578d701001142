import math

import numpy as np
import pytest
import torch
from scipy import special

from priorbench.metrics.information.polynomials import (
    log_multiplicity,
    orthonormal_polynomials,
)


@pytest.mark.parametrize("m", [2, 3, 4, 10, 41])
def test_polynomials_are_normalised_gegenbauer(m):
    y = np.linspace(-1, 1, 21)
    got = orthonormal_polynomials(torch.tensor(y), 60, m)
    for degree in (1, 2, 3, 17, 60):
        own, peak = (
            np.cos(degree * np.arccos(x))
            if m == 2
            else special.eval_gegenbauer(degree, m / 2 - 1, x)
            for x in (y, 1.0)
        )
        root = math.exp(0.5 * log_multiplicity(torch.tensor(degree), m))
        np.testing.assert_allclose(
            got[degree], root * own / peak, rtol=1e-9, atol=1e-12 * root
        )


def test_multiplicity_counts_harmonics():
    count = log_multiplicity(torch.arange(5), 4).exp()
    assert count.tolist() == pytest.approx([1, 4, 9, 16, 25])
    assert log_multiplicity(torch.arange(3), 2).exp().tolist() == pytest.approx(
        [1, 2, 2]
    )
