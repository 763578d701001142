"""Every registered prior, in every property that the harness counts on."""

import copy
import math

import pytest
import torch
from scipy import stats
from torch.func import functional_call, stack_module_state, vmap

import priors

CASES = {
    "normal": ("normal", {}),
    "generalized_gaussian": ("generalized_gaussian", {"p": 2.4, "scale": 1.3}),
    "laplace": ("generalized_gaussian", {"p": 1.0}),
    "generalized_gaussian learned": ("generalized_gaussian", {"learn_exponent": True}),
    "lp_nested": ("lp_nested", {"tree": [2.1, [0, [1.7, [1, 2, [3.0, [3, 4]]]], 5]]}),
    "lp_nested learned": (
        "lp_nested", {"tree": [1.3, [0, [2.7, [1, 2]], [1.1, [3, 4, 5]]]], "learn_exponents": True}
    ),
    "isa": ("isa", {"subspaces": [2, 4]}),
    "isa learned": ("isa", {"subspaces": [2, 4], "scale": "unit", "learn_exponents": True}),
}
DIM = 6


@pytest.fixture(params=CASES.values(), ids=CASES)
def prior(request):
    name, arguments = request.param
    return priors.build(name, latent_dim=DIM, **arguments)


def posterior(prior, batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(batch, prior.posterior.num_params(DIM), generator=generator) * 0.4
    noise = torch.randn(batch, prior.posterior.noise_dim(DIM), generator=generator)
    q = prior.posterior(raw)
    return q, q.rsample(noise)


def test_every_registered_prior_is_covered():
    assert {name for name, _ in CASES.values()} == set(priors.names())


def test_shapes(prior):
    assert prior.sample().shape == (DIM,)
    z = prior.sample((3, 5))
    assert z.shape == (3, 5, DIM)
    assert z.dtype == torch.float32
    assert prior.log_prob(z).shape == (3, 5)
    q, z = posterior(prior, 7)
    assert prior.kl(q, z).shape == (7,)
    assert q.log_prob_groups(z, prior.groups).shape == (7, len(prior.groups))


def test_wrong_shapes_are_refused(prior):
    for shape in ((), (DIM + 1,), (3, DIM - 1)):
        with pytest.raises(ValueError, match=r"'z' must have shape \(\.\.\., 6\); got"):
            prior.log_prob(torch.zeros(shape))


def test_groups_partition_the_latents(prior):
    assert sorted(i for group in prior.groups for i in group) == list(range(DIM))


def test_normalises(prior):
    """Importance sampling from a wide, heavy-tailed proposal."""
    prior = prior.double()
    proposal = torch.distributions.StudentT(4.0, 0.0, 0.8)
    z = proposal.sample((400_000, DIM)).double()
    ratio = (prior.log_prob(z) - proposal.log_prob(z).sum(-1)).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(len(ratio))
    assert ratio.std() / math.sqrt(len(ratio)) < 0.05


def test_samples_follow_the_density(prior):
    """E_p[q/p] = 1 for a density q inside p's support, and the mean log density is -entropy."""
    z = prior.sample((200_000,), torch.Generator().manual_seed(1)).double()
    prior = prior.double()
    narrow = torch.distributions.Normal(0.1, 0.5)
    ratio = (narrow.log_prob(z).sum(-1) - prior.log_prob(z)).exp()
    assert abs(ratio.mean() - 1) < 4.5 * ratio.std() / math.sqrt(len(ratio))


def test_samples_are_symmetric_and_reproducible(prior):
    z = prior.sample((50_000,), torch.Generator().manual_seed(2))
    again = prior.sample((50_000,), torch.Generator().manual_seed(2))
    assert torch.equal(z, again)
    for column in z.T:
        assert stats.ks_2samp(column.numpy(), -column.numpy()).pvalue > 1e-4


def test_kl_agrees_with_monte_carlo(prior):
    prior = prior.double()
    q, _ = posterior(prior, 4)
    q = prior.posterior(q.params.double()[:, None])
    z = q.rsample(torch.randn(4, 100_000, DIM, dtype=torch.float64))
    kl, plain = prior.kl(q, z), q.log_prob(z) - prior.log_prob(z)
    error = (kl - plain).std(-1) / math.sqrt(100_000)
    assert (abs((kl - plain).mean(-1)) < 4.5 * error).all()
    assert (plain.mean(-1) > 0).all()


def test_gradients_agree_with_finite_differences(prior):
    prior = prior.double()
    z = prior.sample((5,)).double().requires_grad_()
    parameters = list(prior.parameters())

    def value(z, *_):
        return prior.log_prob(z)

    assert torch.autograd.gradcheck(value, (z, *parameters))
    for parameter in parameters:
        (grad,) = torch.autograd.grad(prior.log_prob(z).sum(), parameter)
        assert (grad != 0).all()


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-10, 1e-3, 1.0, 30.0, 1e3])
def test_finite_everywhere_in_float32(prior, size):
    mixed = torch.tensor([size, 1.0, -size, 0.5, size, -2.0])
    for z in (torch.full((DIM,), size), mixed):
        z = z.clone().requires_grad_()
        value = prior.log_prob(z)
        gradients = torch.autograd.grad(value, [z, *prior.parameters()])
        assert torch.isfinite(value)
        assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-3, 1.0, 30.0, 1e3])
def test_float32_agrees_with_float64(prior, size):
    z = size * torch.linspace(-1, 1, DIM)
    single = prior.log_prob(z).double()
    assert torch.allclose(single, prior.double().log_prob(z.double()), rtol=4e-6, atol=4e-6)


def test_a_block_of_seeds_equals_its_members(prior):
    members = [moved(prior, shift) for shift in (0.0, 0.3, -0.2)]
    parameters, buffers = stack_module_state(members)
    q, z = posterior(prior, 15)
    z, raw = z.reshape(3, 5, DIM), q.params.reshape(3, 5, -1)

    def kl(parameters, buffers, raw, z):
        return functional_call(
            _Method(prior, "kl"), ({f"prior.{k}": v for k, v in parameters.items()},
                                   {f"prior.{k}": v for k, v in buffers.items()}),
            (prior.posterior(raw), z))

    block = vmap(kl)(parameters, buffers, raw, z)
    alone = torch.stack([m.kl(prior.posterior(r), s)
                         for m, r, s in zip(members, raw, z, strict=True)])
    assert torch.allclose(block, alone, rtol=1e-5, atol=1e-5)


def test_save_and_load(prior, tmp_path):
    changed = moved(prior, 0.4)
    torch.save(changed.state_dict(), tmp_path / "prior.pt")
    prior.load_state_dict(torch.load(tmp_path / "prior.pt", weights_only=True))
    z = prior.sample((10,))
    assert torch.equal(prior.log_prob(z), changed.log_prob(z))


class _Method(torch.nn.Module):
    """Calls one method of a prior, for ``functional_call``."""

    def __init__(self, prior, method):
        super().__init__()
        self.prior, self.method = prior, method

    def forward(self, *arguments):
        return getattr(self.prior, self.method)(*arguments)


def moved(prior, shift):
    """The prior with its learned parameters moved by ``shift``."""
    other = copy.deepcopy(prior)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(shift)
    return other
