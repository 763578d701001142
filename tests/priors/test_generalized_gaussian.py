import math

import pytest
import torch
from scipy import stats

from priorbench.priors import Gaussian, GeneralizedGaussian

pytestmark = pytest.mark.usefixtures("float64")


# high-precision values (mpmath) of log p/(2 Gamma(1/p) s^(1/p)) - |z|^p/s
@pytest.mark.parametrize(
    ("p", "scale", "z", "value"),
    [
        (2.0, 2.0, 1.3, -1.7639385332046726),
        (2.1, 1.0, 0.5, -0.8050212320493043),
        (2.4, 1.0, -1.1, -1.829673586953753),
        (2.1, 1.0, 0.0, -0.5717629841651025),
    ],
)
def test_log_prob_high_precision(p, scale, z, value):
    prior = GeneralizedGaussian(1, p=p, scale=scale)
    assert prior.log_prob(torch.tensor([z])).item() == pytest.approx(value, rel=1e-9)


# high-precision values of the entropy, the variance and the kurtosis
@pytest.mark.parametrize(
    ("p", "scale", "entropy", "variance", "kurtosis"),
    [
        (1.0, 1.0, 1.6931471805599454, 2.0, 6.0),
        (2.1, 1.0, 1.0479534603555787, 0.476396309121441, 2.9065711637051765),
        (2.2, 2.0, 1.3412975963359808, 0.8576524033346635, 2.8247290081443173),
        (0.8, 1.5, 2.5748502805875475, 13.446921368143137, 8.565144420868679),
    ],
)
def test_moments_high_precision(p, scale, entropy, variance, kurtosis):
    prior = GeneralizedGaussian(1, p=p, scale=scale)
    assert prior.variance() == pytest.approx(variance, rel=1e-9)
    # quadrature of the density in t, z = sinh(t)^3 / spread, resolves the kink at 0
    t, dt = torch.linspace(-6, 6, 200_001).requires_grad_(False), 12 / 200_000
    z, dz = torch.sinh(t) ** 3, 3 * torch.sinh(t) ** 2 * torch.cosh(t) * dt
    log_prob = prior.log_prob(z[:, None])
    mass = log_prob.exp() * dz
    assert mass.sum().item() == pytest.approx(1, rel=1e-9)
    assert -(mass * log_prob).sum().item() == pytest.approx(entropy, rel=1e-9)
    fourth = (mass * z**4).sum().item()
    assert fourth / variance**2 == pytest.approx(kurtosis, rel=1e-9)


@pytest.mark.parametrize("p", [0.3, 1.0, 2.1, 8.0])
def test_samples_follow_the_density(p):
    z = GeneralizedGaussian(1, p=p, scale=0.7).sample((20_000,)).squeeze(-1)
    expected = stats.gennorm(beta=p, scale=0.7 ** (1 / p))
    assert stats.kstest(z.numpy(), expected.cdf).pvalue > 1e-4


def test_small_exponents_do_not_underflow_to_a_single_value():
    z = GeneralizedGaussian(1, p=0.05).sample((1_000,))
    assert z.unique().numel() == 1_000


@pytest.mark.parametrize("p", [0.8, 1.0, 2.1, 4.0])
def test_gaussian_part_keeps_the_expectation_and_lowers_the_variance(p):
    prior = GeneralizedGaussian(3, p=p, scale=1.3)
    q = Gaussian()(torch.tensor([0.2, -0.5, 0.1, -1.5, -2.0, -0.7]).expand(200_000, 6))
    z = q.rsample(torch.randn(200_000, 3))
    split, plain = prior.kl(q, z), q.log_prob(z) - prior.log_prob(z)
    error = (split - plain).std() / math.sqrt(len(z))
    assert abs(split.mean() - plain.mean()) < 4 * error
    assert split.std() < 0.5 * plain.std()


@pytest.mark.parametrize(("p", "scale"), [(0.013, 1.0), (0.05, 1.0), (1.0, 1e-30)])
def test_a_variance_beyond_float32_is_left_out(p, scale):
    prior = GeneralizedGaussian(2, p=p, scale=scale)
    assert prior.variance() is None
    assert GeneralizedGaussian(2, scale=1e-40, learn_exponent=True).variance() is None
    q = Gaussian()(torch.zeros(3, 4))
    z = q.rsample(torch.randn(3, 2))
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))


def test_learned_exponent_starts_at_p_and_gets_the_right_gradient():
    prior = GeneralizedGaussian(4, p=1.7, scale=1.2, learn_exponent=True)
    assert prior.learned()["exponent"].item() == pytest.approx(1.7)
    z = prior.sample((400_000,))
    (score,) = torch.autograd.grad(prior.log_prob(z).mean(), prior.parameters())
    assert abs(score.item()) < 0.02, "the score has mean zero under the prior itself"

    def value(p):
        return GeneralizedGaussian(4, p=p, scale=1.2).log_prob(z[:100]).mean().item()

    (grad,) = torch.autograd.grad(prior.log_prob(z[:100]).mean(), prior.parameters())
    slope = torch.sigmoid(prior.exponents.rho).item()
    expected = (value(1.7 + 1e-6) - value(1.7 - 1e-6)) / 2e-6
    assert grad.item() == pytest.approx(expected * slope, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 0.0}, "'p' must be a positive number; got 0.0"),
        ({"p": -1.0}, "'p' must be a positive number; got -1.0"),
        ({"p": float("nan")}, "'p' must be a positive number; got nan"),
        (
            {"p": 0.4, "learn_exponent": True},
            "'p' must be greater than 0.5 to be learned; got 0.4",
        ),
        ({"scale": 0.0}, "'scale' must be a positive number; got 0.0"),
        ({"scale": "1"}, "'scale' must be a positive number; got '1'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        GeneralizedGaussian(2, **arguments)
