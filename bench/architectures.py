"""Encoders and decoders of the papers, as plain modules of one seed."""

import itertools
import math
from collections.abc import Sequence

from torch import nn

from bench.registry import Registry
from bench.sparse import SparseLinear

registry = Registry("architecture", "priorbench.architectures")
register = registry.register


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
        self, image_shape: Sequence[int], latent_dim: int, num_params: int, hidden: int = 1200
    ) -> None:
        super().__init__()
        if not isinstance(hidden, int) or hidden < 1:
            raise ValueError(f"'hidden' must be a positive integer; got {hidden!r}")
        pixels = math.prod(image_shape)
        self.encoder = layers([pixels, hidden, hidden, num_params], nn.ReLU, first=SparseLinear)
        self.decoder = layers([latent_dim, hidden, hidden, hidden, pixels], nn.Tanh)


def layers(
    sizes: Sequence[int], activation: type[nn.Module], first: type[nn.Linear] = nn.Linear
) -> nn.Sequential:
    """Linear layers of the given sizes with an activation between them; ``first`` is the first."""
    modules: list[nn.Module] = []
    for kind, (before, after) in zip([first, *[nn.Linear] * len(sizes)],
                                     itertools.pairwise(sizes), strict=False):
        modules += [kind(before, after), activation()]
    return nn.Sequential(*modules[:-1])


