import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli as Reference
from torch.func import vmap

from priorbench.bench.models.likelihoods import (
    Bernoulli,
    Gaussian,
    Likelihood,
    registry,
)


def draw_data(*shape, dtype=torch.float64, spread=8.0):
    """Return logits with a gradient, and binary images."""
    raw = (spread * torch.randn(*shape)).to(dtype)
    return raw.requires_grad_(), (torch.rand(*shape) < 0.3).to(dtype)


@pytest.mark.parametrize("shape", [(1, 3), (40, 5000), (3, 70_000)])
def test_value_and_gradient_against_torch(shape):
    """Check one row, several parts, and rows longer than what is computed at once."""
    raw, x = draw_data(*shape)
    weights = torch.randn(shape[0], dtype=torch.float64)
    value = Bernoulli()(raw, x)
    (gradient,) = torch.autograd.grad((value * weights).sum(), raw)
    expected = Reference(logits=raw).log_prob(x).sum(-1)
    (reference,) = torch.autograd.grad((expected * weights).sum(), raw)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, reference, rtol=1e-10, atol=1e-12)


def test_bernoulli_log_likelihood_against_scipy():
    raw, x = 4 * torch.randn(6, 50), torch.randint(0, 2, (6, 50)).float()
    probability = 1 / (1 + np.exp(-raw.double().numpy()))
    expected = stats.bernoulli.logpmf(x.numpy().astype(int), probability).sum(1)
    np.testing.assert_allclose(Bernoulli()(raw, x).numpy(), expected, rtol=1e-5)


def test_bernoulli_in_nats():
    """Logits of zero: one bit per pixel."""
    log_likelihood = Bernoulli()(torch.zeros(2, 4096), torch.ones(2, 4096))
    torch.testing.assert_close(log_likelihood, torch.full((2,), -4096 * math.log(2)))


def test_bernoulli_is_finite_for_large_logits():
    raw = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = Bernoulli()(raw, torch.tensor([[0.0, 0.0]]))
    value.sum().backward()
    assert value.item() == -1e4
    assert raw.grad.tolist() == [[-1.0, 0.0]]


def test_bernoulli_mean_is_the_probability():
    raw = torch.tensor([[0.0, math.log(3)]])
    torch.testing.assert_close(Bernoulli().mean(raw), torch.tensor([[0.5, 0.75]]))


def test_images_between_zero_and_one_get_their_gradient_too():
    raw, _ = draw_data(4, 6)
    x = torch.rand(4, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(Bernoulli(), (raw, x))


def test_float32_loses_no_small_terms():
    """4,096 pixels that are almost certainly off add up: log(1 + e^-l) is not rounded to 0."""
    raw = torch.full((1, 4096), -18.0)
    value = Bernoulli()(raw, torch.zeros(1, 4096)).double()
    expected = -4096 * torch.log1p(torch.exp(torch.tensor(-18.0, dtype=torch.float64)))
    torch.testing.assert_close(value, expected[None], rtol=1e-6, atol=0)


def test_many_seeds_at_once_and_shared_images():
    raw, x = draw_data(3, 5, 7)
    each = torch.stack([Bernoulli()(raw[i], x[i]) for i in range(3)])
    together = vmap(Bernoulli())(raw, x)
    torch.testing.assert_close(together, each)
    torch.testing.assert_close(
        torch.autograd.grad(together.sum(), raw), torch.autograd.grad(each.sum(), raw)
    )
    shared = vmap(Bernoulli(), in_dims=(0, None))(raw, x[0])
    torch.testing.assert_close(shared[2], Bernoulli()(raw[2], x[0]))


def test_logits_that_lie_otherwise_in_memory():
    """As those of convolutions of many seeds do."""
    raw, x = draw_data(5, 3, 7)
    turned = raw.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    assert not turned.is_contiguous()
    found = [
        torch.autograd.grad(vmap(Bernoulli())(r, x).sum(), r) for r in (raw, turned)
    ]
    torch.testing.assert_close(*found)


def test_bfloat16_logits_are_summed_in_float32():
    raw, x = draw_data(6, 4096, dtype=torch.bfloat16)
    value = Bernoulli()(raw, x)
    assert value.dtype == torch.float32
    expected = Bernoulli()(raw.detach().double(), x.double())
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)
    value.sum().backward()
    assert raw.grad.dtype == torch.bfloat16


def test_the_registry_has_both():
    assert {"bernoulli", "gaussian"} <= set(registry.names())


@pytest.mark.parametrize("sigma", [1, 0.1, 3.5])
def test_gaussian_pixels_with_all_constants(sigma):
    mean, x = (
        torch.randn(4, 50, dtype=torch.float64),
        torch.rand(4, 50, dtype=torch.float64),
    )
    expected = torch.distributions.Normal(mean, float(sigma)).log_prob(x).sum(-1)
    torch.testing.assert_close(
        Gaussian(sigma)(mean, x), expected, rtol=1e-12, atol=1e-12
    )


def test_a_gaussians_expected_image_can_be_shown():
    assert Gaussian().mean(torch.tensor([[-0.5, 0.25, 1.5]])).tolist() == [
        [0.0, 0.25, 1.0]
    ]


@pytest.mark.parametrize("sigma", [0, -1.0, float("inf"), float("nan"), "1"])
def test_wrong_sigma(sigma):
    with pytest.raises(ValueError, match="'sigma' must be a positive number; got"):
        registry.build("gaussian", sigma=sigma)


def test_a_likelihood_that_is_not_finished_says_what_is_missing():
    class Unfinished(Likelihood):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished must define __call__"):
        Unfinished()(torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(NotImplementedError, match="Unfinished must define mean"):
        Unfinished().mean(torch.zeros(1, 2))
