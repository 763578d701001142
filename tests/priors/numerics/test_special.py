import pytest
import torch

from priorbench.priors.numerics.special import (
    inverse_softplus,
    log_abs,
    log_sum_exp,
    sample_log_gamma,
)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_logsumexp_value_and_gradient(shift):
    x = (30 * torch.randn(20, 50, dtype=torch.float64) + shift).requires_grad_()
    own, reference = log_sum_exp(x, 1), torch.logsumexp(x, 1)
    assert torch.allclose(own, reference, rtol=1e-13, atol=1e-13)
    weights = torch.randn(20, dtype=torch.float64)
    (a,) = torch.autograd.grad(own @ weights, x, retain_graph=True)
    (b,) = torch.autograd.grad(reference @ weights, x)
    assert torch.allclose(a, b, atol=1e-13)


def test_log_abs_is_finite_with_zero_gradient_at_zero():
    z = torch.tensor([0.0, -2.0], requires_grad=True)
    value = log_abs(z)
    (grad,) = torch.autograd.grad(value.sum(), z)
    assert torch.isfinite(value).all()
    assert grad.tolist() == [0.0, -0.5]


@pytest.mark.parametrize("y", [1e-8, 0.3, 1.5, 40.0])
def test_inverse_softplus(y):
    x = torch.tensor(inverse_softplus(y), dtype=torch.float64)
    assert torch.nn.functional.softplus(x, threshold=50).item() == pytest.approx(
        y, rel=1e-9
    )


@pytest.mark.parametrize("concentration", [1e-3, 0.5, 3.0])
def test_log_gamma_samples(concentration):
    """E log Γ(a) = digamma(a), Var = trigamma(a)."""
    a = torch.tensor(concentration, dtype=torch.float64)
    x = sample_log_gamma((100_000,), concentration, torch.Generator().manual_seed(0))
    deviation = torch.polygamma(1, a).sqrt()
    assert abs(x.mean() - torch.digamma(a)) < 4.5 * deviation / 100_000**0.5
    assert torch.isfinite(x).all()
