"""Encoders and decoders of the papers, as plain modules of one seed."""

import itertools
import math
from collections.abc import Sequence

from torch import nn

from priorbench.registry import Registry
from priorbench.bench.models.sparse_linear import SparseLinear

registry = Registry("architecture", "priorbench.architectures")
register = registry.register

SIDE = 64
WIDTHS = (32, 32, 64, 64)
"""Channels after each halving of the image's side."""

TOP = 512
"""Channels of the innermost layer, whose side is one pixel."""


class Architecture(nn.Module):
    """An encoder and a decoder.

    Attributes:
        encoder: images (batch, pixels) -> raw posterior parameters (batch, num_params).
        decoder: latents (batch, latent_dim) -> raw likelihood parameters (batch, pixels).
    """

    encoder: nn.Module
    decoder: nn.Module


@register("mlp")
class MLP(Architecture):
    """The fully connected networks of the ISA-VAE paper, identical to β-TCVAE's.

    Encoder: pixels-1200-1200-num_params with ReLU; decoder: latent_dim-1200-1200-1200-pixels
    with tanh. Initialised as PyTorch initialises linear layers.

    References: Stühmer et al. 2019, appendix A.4; Chen et al. 2018, appendix.

    Args:
        image_shape: channels, height, width.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.
        hidden: width of the hidden layers; the papers' is 1200.
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
    """The small fully connected networks of the hyperspherical VAEs, for images of 28 × 28.

    Encoder: pixels-256-128-num_params, decoder: latent_dim-128-256-pixels, with ReLU.
    Initialised as PyTorch initialises linear layers.

    References: Davidson et al. 2018, section 5.2; Davidson et al. 2019, section 4, which says no
    more than "a simple MLP ... with ReLU".

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
        if (
            not isinstance(hidden, Sequence)
            or not hidden
            or any(not isinstance(width, int) or width < 1 for width in hidden)
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
    """Five convolutions of 32, 32, 64, 64 and 512 channels with batch normalisation and ReLU.

    Kernels of 4; the first four halve the side, 64 to 4, the fifth takes it to 1, and a linear
    layer (a convolution of one pixel) gives the parameters. The decoder is its mirror image,
    transposed. Convolutions have no bias where a batch normalisation follows. Initialised as
    PyTorch initialises; every seed has its own batch statistics.

    References: Chen et al. 2018, whose published code has these networks for faces (class
    ``ConvEncoder``), which ISA-VAE's uses for faces and cars.

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
        if sides != [SIDE, SIDE] or channels not in (1, 3):
            raise ValueError(
                "'conv' needs images of 1 or 3 channels and 64 x 64 pixels; got "
                f"{tuple(image_shape)}; 'mlp' takes any size"
            )
        before, after = (channels, *WIDTHS[:-1]), WIDTHS
        self.encoder = nn.Sequential(
            nn.Unflatten(-1, tuple(image_shape)),
            *(
                layer
                for pair in zip(before, after, strict=True)
                for layer in _normalised(nn.Conv2d, *pair, 4, 2, 1)
            ),
            *_normalised(nn.Conv2d, WIDTHS[-1], TOP, 4),
            nn.Conv2d(TOP, num_params, 1),
            nn.Flatten(-3),
        )
        widths = WIDTHS[::-1]
        self.decoder = nn.Sequential(
            nn.Unflatten(-1, (latent_dim, 1, 1)),
            *_normalised(nn.ConvTranspose2d, latent_dim, TOP, 1),
            *_normalised(nn.ConvTranspose2d, TOP, widths[0], 4),
            *(
                layer
                for pair in itertools.pairwise(widths)
                for layer in _normalised(nn.ConvTranspose2d, *pair, 4, 2, 1)
            ),
            nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1),
            nn.Flatten(-3),
        )


def stack_layers(
    sizes: Sequence[int],
    activation: type[nn.Module],
    first: type[nn.Linear] = nn.Linear,
) -> nn.Sequential:
    """Linear layers of the given sizes with an activation between them; ``first`` is the first."""
    modules: list[nn.Module] = []
    for kind, (before, after) in zip(
        [first, *[nn.Linear] * len(sizes)], itertools.pairwise(sizes), strict=False
    ):
        modules += [kind(before, after), activation()]
    return nn.Sequential(*modules[:-1])


def _normalised(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], before: int, after: int, *geometry: int
) -> tuple[nn.Module, ...]:
    """A convolution, batch normalisation, ReLU.

    It has no bias, which the normalisation would take away again: its gradient would be rounding
    noise, of which Adam makes full steps.
    """
    return kind(before, after, *geometry, bias=False), nn.BatchNorm2d(after), nn.ReLU()
