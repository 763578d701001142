"""Images and their reconstructions, for a report to show."""

import numpy as np
import torch

from priorbench.bench.models.vae import VAE
from priorbench.bench.training.encode import Encoded
from priorbench.bench.training.pixels import Pixels


def make_pictures(
    model: VAE, pixels: Pixels, encoded: Encoded, count: int = 8
) -> dict[str, np.ndarray]:
    """Return images spread over the data set, and their reconstructions.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        encoded: all of them under the model.
        count: number of images.

    Returns:
        ``images`` and ``reconstructions``, uint8 (count, channels, height, width).
    """
    rows = torch.linspace(0, len(pixels) - 1, count, device=encoded.z.device).long()
    means = model.likelihood.mean(model.decode(encoded.z[rows]))
    pictures = {}
    for name, values in (("images", pixels[rows]), ("reconstructions", means)):
        levels = (255 * values).round().byte()
        pictures[name] = levels.reshape(count, *pixels.shape).cpu().numpy()
    return pictures
