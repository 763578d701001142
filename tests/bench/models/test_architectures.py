import math

import pytest
import torch
from torch import nn

from priorbench.bench.models.architectures import registry

PAPER = {"image_shape": (1, 64, 64), "latent_dim": 10, "num_params": 20}


@pytest.fixture(scope="module")
def paper_mlp():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return registry.build("mlp", **PAPER)


def describe_layers(network):
    return [
        (m.in_features, m.out_features, m.bias is not None)
        if isinstance(m, nn.Linear)
        else type(m)
        for m in network
    ]


def test_layers_are_those_of_the_paper(paper_mlp):
    """Stühmer et al. 2019, appendix A.4."""
    relu, tanh = nn.ReLU, nn.Tanh
    assert describe_layers(paper_mlp.encoder) == [
        (4096, 1200, True),
        relu,
        (1200, 1200, True),
        relu,
        (1200, 20, True),
    ]
    assert describe_layers(paper_mlp.decoder) == [
        (10, 1200, True),
        tanh,
        (1200, 1200, True),
        tanh,
        (1200, 1200, True),
        tanh,
        (1200, 4096, True),
    ]


def test_parameter_count(paper_mlp):
    encoder = 4096 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 20 + 20
    decoder = 10 * 1200 + 1200 + 2 * (1200 * 1200 + 1200) + 1200 * 4096 + 4096
    assert (
        sum(p.numel() for p in paper_mlp.parameters())
        == encoder + decoder
        == 14_196_516
    )


def test_computes_the_networks_of_the_paper(paper_mlp):
    x, z = torch.rand(3, 4096), torch.randn(3, 10)
    state = paper_mlp.state_dict()

    def layer(part, number, inputs):
        return (
            inputs @ state[f"{part}.{number}.weight"].T + state[f"{part}.{number}.bias"]
        )

    hidden = layer("encoder", 0, x).clamp(min=0)
    hidden = layer("encoder", 2, hidden).clamp(min=0)
    torch.testing.assert_close(
        paper_mlp.encoder(x), layer("encoder", 4, hidden), rtol=1e-5, atol=1e-5
    )
    hidden = z
    for number in (0, 2, 4):
        hidden = torch.tanh(layer("decoder", number, hidden))
    torch.testing.assert_close(
        paper_mlp.decoder(z), layer("decoder", 6, hidden), rtol=1e-5, atol=1e-5
    )


def test_initialised_as_pytorch_does(paper_mlp):
    """The first layers in order from the same generator, and U(-1/sqrt(n), 1/sqrt(n))."""
    torch.manual_seed(11)
    first, second = nn.Linear(4096, 1200), nn.Linear(1200, 1200)
    assert torch.equal(paper_mlp.encoder[0].weight, first.weight)
    assert torch.equal(paper_mlp.encoder[0].bias, first.bias)
    assert torch.equal(paper_mlp.encoder[2].weight, second.weight)
    bound = 1 / math.sqrt(1200)
    weight = paper_mlp.decoder[6].weight.detach()
    assert weight.abs().max() <= bound
    assert math.isclose(weight.std(), bound / math.sqrt(3), rel_tol=0.01)


def test_hidden_width():
    small = registry.build("mlp", (3, 2, 2), latent_dim=2, num_params=5, hidden=7)
    assert [m[:2] for m in describe_layers(small.encoder)[::2]] == [
        (12, 7),
        (7, 7),
        (7, 5),
    ]
    assert [m[:2] for m in describe_layers(small.decoder)[::2]] == [
        (2, 7),
        (7, 7),
        (7, 7),
        (7, 12),
    ]


@pytest.mark.parametrize("hidden", [0, -3, 2.5, "wide", None])
def test_a_wrong_width_is_refused(hidden):
    with pytest.raises(ValueError, match="'hidden' must be a positive integer"):
        registry.build("mlp", **PAPER, hidden=hidden)


def test_an_unknown_argument_is_named():
    with pytest.raises(ValueError, match="no argument 'hiden'; did you mean 'hidden'"):
        registry.build("mlp", **PAPER, hiden=3)


def test_the_small_networks_of_the_hyperspherical_papers():
    small = registry.build("mlp_svae", (1, 28, 28), latent_dim=40, num_params=41)
    relu = nn.ReLU
    assert describe_layers(small.encoder) == [
        (784, 256, True),
        relu,
        (256, 128, True),
        relu,
        (128, 41, True),
    ]
    assert describe_layers(small.decoder) == [
        (40, 128, True),
        relu,
        (128, 256, True),
        relu,
        (256, 784, True),
    ]


@pytest.mark.parametrize("hidden", [[], [0], [256, "128"], 256, "256"])
def test_wrong_widths_of_the_small_networks(hidden):
    with pytest.raises(
        ValueError, match="'hidden' must be a list of positive integers; got"
    ):
        registry.build("mlp_svae", **PAPER, hidden=hidden)


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_are_those_of_the_published_code(channels):
    """Channels, kernels, strides and paddings; sides from 64 to 1 and back."""
    network = registry.build("conv", (channels, 64, 64), 10, 20)

    def convolutions(part):
        return [
            (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.padding[0])
            for m in part
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
        ]

    assert convolutions(network.encoder) == [
        (channels, 32, 4, 2, 1),
        (32, 32, 4, 2, 1),
        (32, 64, 4, 2, 1),
        (64, 64, 4, 2, 1),
        (64, 512, 4, 1, 0),
        (512, 20, 1, 1, 0),
    ]
    assert convolutions(network.decoder) == [
        (10, 512, 1, 1, 0),
        (512, 64, 4, 1, 0),
        (64, 64, 4, 2, 1),
        (64, 32, 4, 2, 1),
        (32, 32, 4, 2, 1),
        (32, channels, 4, 2, 1),
    ]
    for part in (network.encoder, network.decoder):
        assert sum(isinstance(m, nn.BatchNorm2d) for m in part) == 5
        assert sum(isinstance(m, nn.ReLU) for m in part) == 5
    x = torch.rand(3, channels * 4096)
    assert network.encoder(x).shape == (3, 20)
    assert network.decoder(torch.randn(3, 10)).shape == (3, channels * 4096)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 64, 32), (2, 64, 64)])
def test_convolutions_refuse_other_images(shape):
    with pytest.raises(
        ValueError, match=r"1 or 3 channels and 64 x 64 pixels; got .*'mlp' takes"
    ):
        registry.build("conv", shape, 10, 20)
