import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from priorbench.bench.models.architectures import Convolutional
from priorbench.bench.models.grey_convolution import GreyConvolution


class Names(TorchDispatchMode):
    """Notes the operations that are called."""

    def __init__(self):
        super().__init__()
        self.called = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.called.add(operation.__name__.partition(".")[0])
        return operation(*args, **(kwargs or {}))


def run_block(layers, x):
    """Return outputs and the gradients of all seeds, and the operations."""
    parameters, buffers = stack_module_state(layers)

    def run(parameters, buffers, x):
        return functional_call(layers[0], (parameters, buffers), (x,))

    with Names() as names:
        y = vmap(run)(parameters, buffers, x)
        y.sin().sum().backward()
    return y, {name: p.grad for name, p in parameters.items()}, names.called


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("geometry", [(4, 2, 1), (3, 1, 0), (5, 3, 2)])
def test_a_block_is_many_convolutions(geometry, bias):
    layers = [GreyConvolution(1, 6, *geometry, bias=bias).double() for _ in range(3)]
    x = torch.randn(3, 2, 1, 12, 12, dtype=torch.float64)
    y, gradients, called = run_block(layers, x)
    assert not {name for name in called if "conv" in name}
    for seed, layer in enumerate(layers):
        plain = nn.Conv2d.forward(layer, x[seed])
        torch.testing.assert_close(y[seed], plain)
        plain.sin().sum().backward()
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(gradients[name][seed], parameter.grad)


def test_a_seed_alone_and_colours_are_convolved():
    grey, coloured = GreyConvolution(1, 2, 4, 2, 1), GreyConvolution(3, 2, 4, 2, 1)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(grey(x[:, :1]), nn.Conv2d.forward(grey, x[:, :1]))
    _, _, called = run_block([coloured, coloured], torch.stack([x, x]))
    assert "convolution" in called


@pytest.mark.parametrize("channels", [1, 3])
def test_no_convolution_of_a_block_is_depthwise(channels):
    """As many groups as channels of the input are, for PyTorch."""
    encoders = [Convolutional((channels, 64, 64), 2, 4).encoder for _ in range(2)]

    class Groups(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            if operation.__name__.startswith("convolution."):
                assert args[0].shape[1] > args[8]
            return operation(*args, **(kwargs or {}))

    with Groups():
        run_block(encoders, torch.rand(2, 2, channels * 64 * 64))
