"""Encoders and decoders of the papers, as plain modules of one seed."""

import itertools
import math
from collections.abc import Callable, Sequence

from torch import nn

from priorbench.bench.models.grey_convolution import GreyConvolution
from priorbench.bench.models.linear import Linear
from priorbench.bench.models.sparse_linear import SparseLinear
from priorbench.registry import Registry

registry = Registry("architecture", "priorbench.architectures")
register = registry.register

IMAGE_SIDE = 64
"""Height and width of the images that the convolutional networks take."""

CHANNELS = (32, 32, 64, 64)
"""Channels after each halving of the image's side."""

TOP_CHANNELS = 512
"""Channels of the innermost layer, where the side is one pixel."""


class Architecture(nn.Module):
    """An encoder and a decoder.

    Attributes:
        encoder: images (batch, pixels) -> raw posterior parameters (batch, num_params).
        decoder: latents (batch, latent_dim) -> raw likelihood parameters
            (batch, pixels).
    """

    encoder: nn.Module
    decoder: nn.Module


@register("mlp")
class MLP(Architecture):
    """The fully connected networks of the ISA-VAE paper, identical to β-TCVAE's.

    Encoder: pixels-1200-1200-num_params with ReLU; decoder:
    latent_dim-1200-1200-1200-pixels with tanh. Initialised as PyTorch initialises
    linear layers.

    References: Stühmer et al. 2019, appendix A.4; Chen et al. 2018, appendix.

    Args:
        image_shape: channels, height, width.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.
        hidden: width of the hidden layers; 1200 in the papers.

    Raises:
        ValueError: ``hidden`` is not a positive integer.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        num_params: int,
        hidden: int = 1200,
    ) -> None:
        super().__init__()
        if not isinstance(hidden, int) or hidden < 1:
            raise ValueError(f"'hidden' must be a positive integer; got {hidden!r}")
        pixels = math.prod(image_shape)
        self.encoder = stack_layers(
            [pixels, hidden, hidden, num_params], nn.ReLU, first=SparseLinear
        )
        self.decoder = stack_layers(
            [latent_dim, hidden, hidden, hidden, pixels], nn.Tanh
        )


@register("mlp_svae")
class SmallMLP(Architecture):
    """The small fully connected networks of the hyperspherical VAEs.

    They are for images of 28 × 28. Encoder: pixels-256-128-num_params; decoder:
    latent_dim-128-256-pixels, with ReLU. Initialised as PyTorch initialises linear
    layers.

    References: Davidson et al. 2018, section 5.2; Davidson et al. 2019, section 4,
    which says no more than "a simple MLP ... with ReLU".

    Args:
        image_shape: channels, height, width.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.
        hidden: widths of the hidden layers, from the image to the code.

    Raises:
        ValueError: ``hidden`` is not a list of positive integers.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        num_params: int,
        hidden: Sequence[int] = (256, 128),
    ) -> None:
        super().__init__()
        listed = isinstance(hidden, Sequence) and len(hidden) > 0
        if not listed or any(
            not isinstance(width, int) or width < 1 for width in hidden
        ):
            raise ValueError(
                f"'hidden' must be a list of positive integers; got {hidden!r}"
            )
        pixels = math.prod(image_shape)
        self.encoder = stack_layers(
            [pixels, *hidden, num_params], nn.ReLU, first=SparseLinear
        )
        self.decoder = stack_layers([latent_dim, *reversed(hidden), pixels], nn.ReLU)


@register("conv")
class Convolutional(Architecture):
    """Five convolutions of 32, 32, 64, 64 and 512 channels with batch normalisation.

    Kernels of 4; the first four halve the side, from 64 to 4, and the fifth takes it to
    1. A linear layer (a convolution of one pixel) gives the parameters. The decoder
    mirrors the encoder with transposed convolutions. The activation is ReLU.
    Convolutions have no bias where a batch normalisation follows. Initialised as
    PyTorch initialises; every seed has its own batch statistics.

    References: Chen et al. 2018; their published code has these networks for faces
    (class ``ConvEncoder``), and that of ISA-VAE uses them for faces and cars.

    Args:
        image_shape: channels, 64, 64; one channel or three.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.

    Raises:
        ValueError: images of another size.
    """

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, num_params: int
    ) -> None:
        super().__init__()
        channels, *sides = image_shape
        if sides != [IMAGE_SIDE, IMAGE_SIDE] or channels not in (1, 3):
            raise ValueError(
                "'conv' needs images of 1 or 3 channels and 64 x 64 pixels; got "
                f"{tuple(image_shape)}; 'mlp' takes any size"
            )
        encoder = [nn.Unflatten(-1, tuple(image_shape))]
        for before, after in itertools.pairwise((channels, *CHANNELS)):
            encoder += _normalised_convolution(GreyConvolution, before, after, 4, 2, 1)
        encoder += _normalised_convolution(nn.Conv2d, CHANNELS[-1], TOP_CHANNELS, 4)
        encoder += [nn.Conv2d(TOP_CHANNELS, num_params, 1), nn.Flatten(-3)]
        self.encoder = nn.Sequential(*encoder)

        transposed = nn.ConvTranspose2d
        decoder = [nn.Unflatten(-1, (latent_dim, 1, 1))]
        decoder += _normalised_convolution(transposed, latent_dim, TOP_CHANNELS, 1)
        decoder += _normalised_convolution(transposed, TOP_CHANNELS, CHANNELS[-1], 4)
        for before, after in itertools.pairwise(reversed(CHANNELS)):
            decoder += _normalised_convolution(transposed, before, after, 4, 2, 1)
        decoder += [transposed(CHANNELS[0], channels, 4, 2, 1), nn.Flatten(-3)]
        self.decoder = nn.Sequential(*decoder)


def stack_layers(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module],
    first: type[Linear] = Linear,
) -> nn.Sequential:
    """Return linear layers of the given sizes with an activation between them.

    Args:
        sizes: length of the input, of every hidden layer and of the output.
        activation: makes an activation.
        first: class of the first layer.
    """
    layers: list[nn.Module] = []
    kind = first
    for before, after in itertools.pairwise(sizes):
        layers += [kind(before, after), activation()]
        kind = Linear
    return nn.Sequential(*layers[:-1])


def _normalised_convolution(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], before: int, after: int, *geometry: int
) -> list[nn.Module]:
    """Return a convolution, batch normalisation and ReLU.

    The convolution has no bias, since the normalisation would subtract it again: its
    gradient would be rounding noise, of which Adam makes full steps.
    """
    convolution = kind(before, after, *geometry, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]
