"""Power spherical posteriors."""

import math

import mpmath
import pytest
import torch

from priorbench.priors import PowerSpherical
from tests.priors.posteriors.one_sphere import make_axis, make_posterior

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(
    ("m", "kappa", "log_normaliser", "kl"),
    [
        (3, 2.0, -2.8187063194210715, 0.43194562200144304),
        (10, 40.0, -21.8639081699649, 5.205907585865506),
        (41, 100.0, -22.681447509590917, 14.48713408830961),
    ],
)
def test_density_and_kl_against_high_precision(m, kappa, log_normaliser, kl):
    q = make_posterior(make_axis(m), kappa, PowerSpherical)
    z = make_axis(m)  # where (1 + w)^κ = 2^κ
    assert q.log_prob(z).item() - kappa * math.log(2) == pytest.approx(
        log_normaliser, rel=1e-10
    )
    assert q.kl_uniform().item() == pytest.approx(kl, rel=1e-10)


@pytest.mark.parametrize("m", [2, 3, 10, 41, 128])
def test_kl_against_mpmath(m):
    with mpmath.workdps(40):
        for kappa in (1e-3, 0.1, 0.99, 1.01, 7.0, 300.0, 1e5):
            k, b = mpmath.mpf(kappa), mpmath.mpf(m - 1) / 2
            mass = (
                mpmath.loggamma(k + b)
                - mpmath.loggamma(b)
                - mpmath.loggamma(k + 2 * b)
                + mpmath.loggamma(2 * b)
            )
            mean = mpmath.digamma(k + b) - mpmath.digamma(k + 2 * b)
            slope = k * (mpmath.psi(1, k + b) - mpmath.psi(1, k + 2 * b))
            x = torch.tensor(kappa, requires_grad=True)
            kl = PowerSpherical(dims=(m - 1,)).kl_sphere(x, m)
            (got,) = torch.autograd.grad(kl, x)
            assert kl.item() == pytest.approx(float(k * mean - mass), rel=1e-10)
            assert got.item() == pytest.approx(float(slope), rel=1e-9)


def test_single_coordinates_have_no_density():
    q = PowerSpherical(dims=[2])(torch.randn(4, 4))
    with pytest.raises(
        ValueError, match="PowerSpherical has no closed density of single"
    ):
        q.log_prob_groups(torch.randn(4, 3), [[0]])
