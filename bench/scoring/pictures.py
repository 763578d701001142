"""Pictures of a trained model, for a report to show."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring.traversals import make_lines, space_rows
from priorbench.bench.training.encode import Encoded
from priorbench.bench.training.pixels import Pixels

IMAGES = 8
"""Images that are shown with their reconstructions."""

KINDS = 4
"""Levels of a factor that splits the means over the others, at most."""

GAP = 2
"""Pixels between two pictures of a sheet."""


def show_reconstructions(model: VAE, pixels: Pixels, encoded: Encoded) -> np.ndarray:
    """Return images spread over the data set, and their reconstructions below.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        encoded: all of them under the model.

    Returns:
        A PNG file, uint8.
    """
    rows = space_rows(IMAGES, encoded.z)
    shown = torch.stack([pixels[rows], _decode_means(model, encoded.z[rows])])
    return tile_pictures(shown.unflatten(-1, pixels.shape))


def show_traversals(
    model: VAE, pixels: Pixels, encoded: Encoded
) -> dict[str, np.ndarray]:
    """Return what the decoder makes of lines through the latent space.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        encoded: all of them under the model.

    Returns:
        ``traversals.png``, a PNG file, uint8, with a row for each line, unless no
        latent is active; and of each line ``traversed_latent``, ``traversed_sphere``
        and ``traversed_kl``.
    """
    lines = make_lines(model.prior, encoded)
    found = {
        "traversed_latent": np.array([line.latent for line in lines], np.int64),
        "traversed_sphere": np.array([line.on == "sphere" for line in lines], np.uint8),
        "traversed_kl": np.array([line.kl for line in lines], np.float64),
    }
    if lines:
        points = torch.stack([line.points for line in lines])
        shown = _decode_means(model, points.flatten(0, 1)).unflatten(
            0, points.shape[:2]
        )
        found["traversals.png"] = tile_pictures(shown.unflatten(-1, pixels.shape))
    return found


def average_codes(
    codes: Tensor, factors: Tensor, sizes: tuple[int, ...]
) -> list[np.ndarray]:
    """Return the mean code of the images at each level of each factor.

    Where a factor has no more than :data:`KINDS` levels, like a shape, the means of the
    others are taken for each of its levels apart: what a rotation does to an ellipse
    it need not do to a square.

    Args:
        codes: (N, latent_dim).
        factors: levels, int64 (N, F).
        sizes: number of levels of each factor.

    Returns:
        float32 (kinds, levels, latent_dim) of each factor, with one kind of the factor
        that makes them; NaN for levels that do not occur together.
    """
    smallest = min(sizes)
    kind = sizes.index(smallest) if smallest <= KINDS else None
    means = []
    for f, size in enumerate(sizes):
        levels, kinds = factors[:, f].to(codes.device), 1
        if kind not in (None, f):
            kinds = smallest
            levels = levels + size * factors[:, kind].to(codes.device)
        sums = codes.new_zeros(kinds * size, codes.shape[1]).index_add_(
            0, levels, codes
        )
        mean = sums / torch.bincount(levels, minlength=kinds * size)[:, None]
        means.append(mean.unflatten(0, (kinds, size)).float().cpu().numpy())
    return means


def tile_pictures(pictures: Tensor) -> np.ndarray:
    """Return pictures side by side as a PNG file, uint8.

    Args:
        pictures: (rows, columns, channels, height, width), in [0, 1].
    """
    rows, columns, channels, height, width = pictures.shape
    step = (height + GAP, width + GAP)
    sheet = np.full((rows * step[0] - GAP, columns * step[1] - GAP, channels), 255)
    levels = (255 * pictures).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy()
    for row in range(rows):
        for column in range(columns):
            top, left = row * step[0], column * step[1]
            sheet[top : top + height, left : left + width] = levels[row, column]
    file = io.BytesIO()
    array = sheet.astype(np.uint8)
    image = Image.fromarray(array[..., 0] if channels == 1 else array)
    image.save(file, format="PNG", optimize=True)
    return np.frombuffer(file.getvalue(), np.uint8)


def _decode_means(model: VAE, z: Tensor) -> Tensor:
    return model.likelihood.mean(model.decode(z)).float()
