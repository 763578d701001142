"""The linear layer alone and in a block, against PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from priorbench.bench.models.linear import Linear, _Product

SHAPES = [(9, 5), (5,), (2, 3, 5)]


def make_pair(dtype=torch.float64):
    ours, theirs = Linear(5, 4, dtype=dtype), nn.Linear(5, 4, dtype=dtype)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def evaluate(layer, parameters, x, weights):
    """Return a block's outputs, and the gradients of all that it has."""
    values = {name: p.detach().clone().requires_grad_() for name, p in parameters}
    inputs = x.detach().clone().requires_grad_()
    y = vmap(lambda p, x: functional_call(layer, p, (x,)))(values, inputs)
    return y, *torch.autograd.grad((y * weights).sum(), [inputs, *values.values()])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("autocast", [False, True])
def test_a_seed_alone_has_pytorchs_values_bit_for_bit(shape, autocast):
    x, weights, found = torch.randn(shape), torch.randn(*shape[:-1], 4), []
    for layer in make_pair(torch.float32):
        inputs = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y = layer(inputs)
        (y * weights).sum().backward()
        found.append((y, inputs.grad, layer.weight.grad, layer.bias.grad))
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("seeds", [(), (2,), (2, 3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(seeds, shape):
    inputs = [(*seeds, *shape), (*seeds, 4, 5), (*seeds, 4)]
    operands = [torch.randn(s, dtype=torch.float64) for s in inputs]
    operands = [operand.requires_grad_() for operand in operands]
    assert torch.autograd.gradcheck(_Product.apply, operands)
    assert torch.autograd.gradgradcheck(_Product.apply, operands)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_block_is_many_layers(shape):
    ours, theirs = make_pair()
    x = torch.randn(3, *shape, dtype=torch.float64)
    weights = torch.randn(3, *shape[:-1], 4, dtype=torch.float64)
    stacked = [
        (n, torch.randn(3, *p.shape).double()) for n, p in ours.named_parameters()
    ]
    found = [evaluate(layer, stacked, x, weights) for layer in (ours, theirs)]
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
        assert got.is_contiguous()


def test_images_and_weights_that_are_shared():
    ours, theirs = make_pair()
    x = torch.randn(3, 9, 5, dtype=torch.float64)
    torch.testing.assert_close(vmap(ours)(x), theirs(x))
    weights = torch.randn(3, 4, 5, dtype=torch.float64)

    def with_weight(layer, weight):
        return functional_call(layer, {"weight": weight}, (x[0],))

    found = [
        vmap(lambda w, layer=layer: with_weight(layer, w))(weights)
        for layer in (ours, theirs)
    ]
    torch.testing.assert_close(*found)


def test_a_block_in_bfloat16_stays_so():
    """Between the products; the gradients are the parameters' own."""
    network = nn.Sequential(Linear(5, 4), nn.ReLU(), Linear(4, 5), nn.Tanh())
    stacked = {
        n: torch.stack([p, 2 * p]).detach() for n, p in network.named_parameters()
    }
    values = {name: p.requires_grad_() for name, p in stacked.items()}
    seen = []
    for layer in network:
        layer.register_forward_hook(lambda _, __, y: seen.append(y.dtype))
    x = torch.randn(2, 9, 5)
    with torch.autocast("cpu", torch.bfloat16):
        y = vmap(lambda p, x: functional_call(network, p, (x,)))(values, x)
    assert seen == [torch.bfloat16] * 4
    y.float().square().sum().backward()
    for value in values.values():
        assert value.grad.dtype == torch.float32
        assert value.grad.is_contiguous()


def test_without_a_bias_it_is_pytorchs():
    x = torch.randn(3, 5)
    layer = Linear(5, 4, bias=False)
    assert torch.equal(layer(x), x @ layer.weight.mT)
