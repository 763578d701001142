import contextlib
import math

import pytest
import torch
from torch.func import vmap

from priorbench import compiled
from priorbench.priors import Gaussian
from priorbench.priors.posteriors import mixture
from priorbench.priors.posteriors.mixture import log_mixture

GROUPS = {
    "latents": [[0], [1], [2], [3]],
    "groups": [[0, 2], [3, 1]],
    "all": [[0, 1, 2, 3]],
    "mixed": [[3], [0, 1, 2]],
}


def inputs(points, size, dtype=torch.float64, seeds=()):
    z = torch.randn(*seeds, points, 4, dtype=dtype, requires_grad=True)
    raw = torch.randn(*seeds, size, 8, dtype=dtype, requires_grad=True)
    return z, raw


def reference(z, raw, groups, log_weights):
    """With the (points, size, latents) tensor."""
    q = torch.distributions.Normal(raw[:, :4], raw[:, 4:].exp())
    pairs = q.log_prob(z[:, None])
    parts = [
        torch.logsumexp(pairs[..., group].sum(-1) + log_weights, 1) for group in groups
    ]
    return torch.logsumexp(pairs.sum(-1) + log_weights, 1), torch.stack(parts, 1)


@pytest.fixture(
    params=[(device, size) for device in ("cpu", "gpu") for size in (3, 20, 10**6)],
    ids=str,
)
def portions(request, monkeypatch):
    """Portions of a row, of a few rows with a smaller last one, and of everything."""
    device, size = request.param
    monkeypatch.setattr(mixture, "PAIRS_AT_ONCE", size)
    monkeypatch.setattr(mixture, "DISTANCES_AT_ONCE", 4 * size)
    as_written = compiled.run_fused_by(lambda f, *arguments: f(*arguments), "cpu")
    with as_written if device == "gpu" else contextlib.nullcontext():
        yield


@pytest.mark.usefixtures("portions")
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("weights", ["uniform", "matrix"])
def test_values_and_gradients_against_the_whole_tensor(groups, weights):
    z, raw = inputs(7, 5)
    log_weights = (
        -math.log(5) if weights == "uniform" else torch.randn(7, 5, dtype=torch.float64)
    )
    found = []
    for function in (
        lambda: log_mixture(Gaussian()(raw), z, GROUPS[groups], log_weights),
        lambda: reference(z, raw, GROUPS[groups], log_weights),
    ):
        joint, parts = function()
        pull = torch.linspace(-1, 2, 7, dtype=torch.float64)
        loss = (pull * joint).sum() + (pull[:, None] * parts.sin()).sum()
        found.append((joint, parts, *torch.autograd.grad(loss, (z, raw))))
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("portions")
def test_many_seeds_at_once():
    z, raw = inputs(6, 6, seeds=(3,))
    weights = torch.randn(6, 6, dtype=torch.float64)

    def of_one(z, raw):
        return log_mixture(Gaussian()(raw), z, GROUPS["groups"], weights)

    together = vmap(of_one)(z, raw)
    each = [torch.stack(parts) for parts in zip(*map(of_one, z, raw), strict=True)]
    for got, expected in zip(together, each, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
        for a, b in zip(
            *(
                torch.autograd.grad(v.sum(), (z, raw), retain_graph=True)
                for v in (got, expected)
            ),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_gpu_takes_few_distances_at_once(monkeypatch):
    """Three seeds, of 8 x 5 pairs and 4 latents: 480, of which 240 at once."""
    monkeypatch.setattr(mixture, "DISTANCES_AT_ONCE", 240)
    taken = []

    def note_points(function, z, *arguments):
        taken.append((function.__name__, z.shape))
        return function(z, *arguments)

    z, raw = inputs(8, 5, seeds=(3,))
    with compiled.run_fused_by(note_points, "cpu"):
        mixed = vmap(
            lambda z, raw: log_mixture(Gaussian()(raw), z, [[0, 1, 2, 3]], 0.0)
        )
        mixed(z, raw)[0].sum().backward()
    assert [shape for name, shape in taken if name == "_mixture_forward"] == [(3, 8, 4)]
    backward = [shape for name, shape in taken if name == "_mixture_backward"]
    assert backward == [(3, 4, 4)] * 2


def test_draws_of_the_posteriors_themselves_under_gradcheck():
    """z depends on the parameters too, as in β-TCVAE."""
    noise, (_, raw) = torch.randn(5, 4, dtype=torch.float64), inputs(5, 5)

    def total(raw):
        q = Gaussian()(raw)
        joint, parts = log_mixture(q, q.rsample(noise), GROUPS["groups"], -1.0)
        return joint.sum() + 3 * parts.sum()

    assert torch.autograd.gradcheck(total, (raw,))


def test_far_points_and_narrow_posteriors_in_float32():
    """The only near component decides, whatever exp makes of the others."""
    loc = torch.tensor([[0.0], [1000.0], [-1e6]])
    raw = torch.cat([loc, torch.full((3, 1), -6.0)], 1).requires_grad_()
    joint, parts = log_mixture(Gaussian()(raw), loc, [[0]], 0.0)
    expected = torch.full((3,), 6.0 - 0.5 * math.log(2 * math.pi))
    torch.testing.assert_close(joint, expected)
    torch.testing.assert_close(parts[:, 0], expected)
    joint.sum().backward()
    assert torch.isfinite(raw.grad).all()
    torch.testing.assert_close(raw.grad, torch.tensor([[0.0, -1.0]] * 3))


def test_memory_of_the_gradient_does_not_grow_with_the_latents():
    """What autograd keeps: pairs, and nothing that has pairs and latents."""
    kept = []
    z, raw = torch.randn(64, 30), torch.randn(64, 60, requires_grad=True)
    pack = lambda t: kept.append(t.numel()) or t  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        log_mixture(Gaussian()(raw), z, [[i] for i in range(30)], 0.0)
    assert 64 * 64 <= sum(kept) < 3 * 64 * 64 + 10 * raw.numel()
