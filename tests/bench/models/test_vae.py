import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE

SHAPE, LATENTS = (1, 4, 4), 3


def make_vae(autocast=None, hidden=32):
    torch.manual_seed(0)
    prior = priors.Normal(LATENTS)
    return VAE(
        MLP(SHAPE, LATENTS, 2 * LATENTS, hidden),
        prior,
        Bernoulli(),
        autocast,
    )


def draw_batch(count=5):
    """Return binary images and noise."""
    return torch.randint(0, 2, (count, 16)).float(), torch.randn(count, LATENTS)


def test_draw_is_put_together_from_its_parts():
    model, (x, noise) = make_vae(), draw_batch()
    draw = model(x, noise)
    raw = model.architecture.encoder(x)
    loc, log_scale = raw[:, :LATENTS], raw[:, LATENTS:]
    torch.testing.assert_close(draw.q.params, raw)
    torch.testing.assert_close(draw.z, loc + log_scale.exp() * noise)
    probability = torch.sigmoid(model.architecture.decoder(draw.z))
    expected = (x * probability + (1 - x) * (1 - probability)).log().sum(1)
    torch.testing.assert_close(draw.log_likelihood, expected, rtol=1e-5, atol=1e-5)
    assert draw.prior is model.prior


def test_gradients_reach_every_parameter():
    model, (x, noise) = make_vae(), draw_batch()
    model(x, noise).log_likelihood.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_bf16_autocast_keeps_float32_outputs():
    model, exact, (x, noise) = make_vae(torch.bfloat16), make_vae(), draw_batch(64)
    draw, reference = model(x, noise), exact(x, noise)
    seen = []
    model.architecture.decoder[0].register_forward_hook(
        lambda *a: seen.append(a[2].dtype)
    )
    raw = model.decode(draw.z)
    assert seen == [torch.bfloat16]
    values = (draw.q.params, draw.z, draw.log_likelihood, raw)
    assert {v.dtype for v in values} == {torch.float32}
    # rounded to 8 bits, and not the same
    assert not torch.equal(draw.q.params, reference.q.params)
    torch.testing.assert_close(draw.q.params, reference.q.params, rtol=0.05, atol=0.02)
    torch.testing.assert_close(
        draw.log_likelihood, reference.log_likelihood, rtol=0.01, atol=0.1
    )


def test_bf16_likelihood_is_not_rounded():
    """The sum over pixels is float32: it is that of the raw output in double precision."""
    model, (x, _) = make_vae(torch.bfloat16), draw_batch()
    raw = model.decode(torch.randn(5, LATENTS))
    expected = (
        torch.distributions.Bernoulli(logits=raw.double()).log_prob(x.double()).sum(1)
    )
    torch.testing.assert_close(
        model.likelihood(raw, x).double(), expected, rtol=1e-6, atol=1e-5
    )


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_many_seeds_at_once(autocast):
    models = [make_vae(autocast) for _ in range(3)]
    for i, model in enumerate(models):
        with torch.no_grad():
            model.architecture.encoder[0].weight.mul_(1 + i)
    parameters, buffers = stack_module_state(models)
    x, noise = torch.randint(0, 2, (3, 5, 16)).float(), torch.randn(3, 5, LATENTS)

    def log_likelihood(parameters, buffers, x, noise):
        return functional_call(
            models[0], (parameters, buffers), (x, noise)
        ).log_likelihood

    together = vmap(log_likelihood)(parameters, buffers, x, noise)
    alone = torch.stack(
        [m(x[i], noise[i]).log_likelihood for i, m in enumerate(models)]
    )
    tolerance = 1e-5 if autocast is None else 0.02
    torch.testing.assert_close(together, alone, rtol=tolerance, atol=tolerance)
