"""Pictures of a trained model, for a report to show."""

import io
from collections.abc import Sequence

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

POSITIONS = 16
"""Positions of a map across and down, at most."""

GAP = 2
"""Pixels between two pictures of a sheet; between two blocks five times as many."""


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
    model: VAE, pixels: Pixels, encoded: Encoded, starts: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """Return what the decoder makes of lines through the latent space.

    Args:
        model: one seed's, in evaluation mode.
        pixels: the images.
        encoded: all of them under the model.
        starts: rows of the images from which lines start; the typical one if empty.

    Returns:
        ``traversals.png``, a PNG file, uint8, with a row for each line and beside each
        other a block for each start, unless no latent is active; of each line
        ``traversed_latent``, ``traversed_sphere`` and ``traversed_kl``; and
        ``traversed_starts``, (starts,).
    """
    lines = make_lines(model.prior, encoded, starts)
    found = {
        "traversed_latent": np.array([line.latent for line in lines], np.int64),
        "traversed_sphere": np.array([line.on == "sphere" for line in lines], np.uint8),
        "traversed_kl": np.array([line.kl for line in lines], np.float64),
        "traversed_starts": np.array(starts, np.int64),
    }
    if lines:
        points = torch.stack([line.points for line in lines])
        shown = _decode_means(model, points.flatten(0, 2)).unflatten(
            0, (len(lines), -1)
        )
        found["traversals.png"] = tile_pictures(
            shown.unflatten(-1, pixels.shape), blocks=points.shape[1]
        )
    return found


def find_kind(sizes: Sequence[int]) -> int | None:
    """Return the factor of the fewest levels, like a shape, if it has few of them.

    Each of its levels is shown apart: what a rotation does to an ellipse it need not do
    to a square.

    Args:
        sizes: number of levels of each factor.

    Returns:
        Its position; None if no factor has as few as :data:`KINDS` levels.
    """
    smallest = min(sizes)
    return sizes.index(smallest) if smallest <= KINDS else None


def choose_starts(factors: Tensor, sizes: Sequence[int], kind: int) -> list[int]:
    """Return the row of one image of each kind, nearest to the middle of all else.

    Of a complete grid, the images differ in their kind alone, as in the published code
    of Stühmer et al. 2019 (``vis_traversal.py``).

    Args:
        factors: levels, int64 (N, F).
        sizes: number of levels of each factor.
        kind: position of the factor of which every level that occurs has an image.
    """
    count = torch.tensor(sizes, device=factors.device)
    distance = (factors - count // 2).abs().double() / count
    distance[:, kind] = 0
    away = distance.sum(1)
    starts = []
    for level in factors[:, kind].unique():
        rows = (factors[:, kind] == level).nonzero().flatten()
        starts.append(int(rows[away[rows].argmin()]))
    return starts


def average_codes(
    codes: Tensor, factors: Tensor, sizes: tuple[int, ...]
) -> list[np.ndarray]:
    """Return the mean code of the images at each level of each factor.

    Where there are kinds, see :func:`find_kind`, the means over the levels of the other
    factors are taken for each kind apart.

    Args:
        codes: (N, latent_dim).
        factors: levels, int64 (N, F).
        sizes: number of levels of each factor.

    Returns:
        float32 (kinds, levels, latent_dim) of each factor, with one kind of the factor
        that makes them; NaN for levels that do not occur together.
    """
    kind = find_kind(sizes)
    means = []
    for f, size in enumerate(sizes):
        levels, kinds = factors[:, f].to(codes.device), 1
        if kind is not None and kind != f:
            kinds = sizes[kind]
            levels = levels + size * factors[:, kind].to(codes.device)
        mean = _average_cells(codes, levels, kinds * size)
        means.append(mean.unflatten(0, (kinds, size)).float().cpu().numpy())
    return means


def map_codes(codes: Tensor, position: Tensor, sizes: Sequence[int]) -> np.ndarray:
    """Return the mean code of the images at each position.

    Neighbouring positions are taken together where there are more than
    :data:`POSITIONS` across or down.

    Args:
        codes: (N, latent_dim).
        position: levels across and down, int64 (N, 2).
        sizes: number of levels across and down.

    Returns:
        float16 (down, across, latent_dim); NaN where there is no image.
    """
    steps = [-(-size // POSITIONS) for size in sizes]
    columns, rows = (-(-size // step) for size, step in zip(sizes, steps, strict=True))
    across, down = position.to(codes.device).unbind(1)
    cells = down // steps[1] * columns + across // steps[0]
    mean = _average_cells(codes, cells, rows * columns)
    return mean.unflatten(0, (rows, columns)).half().cpu().numpy()


def _average_cells(codes: Tensor, cells: Tensor, count: int) -> Tensor:
    """Return the mean of the codes in each of ``count`` cells; NaN where none is."""
    sums = codes.new_zeros(count, codes.shape[1]).index_add_(0, cells, codes)
    return sums / torch.bincount(cells, minlength=count)[:, None]


def tile_pictures(pictures: Tensor, blocks: int = 1) -> np.ndarray:
    """Return pictures side by side as a PNG file, uint8.

    Args:
        pictures: (rows, columns, channels, height, width), in [0, 1].
        blocks: of as many columns each, that stand apart.
    """
    rows, columns, channels, height, width = pictures.shape
    lefts = [
        column * (width + GAP) + 4 * GAP * (column * blocks // columns)
        for column in range(columns)
    ]
    sheet = np.full((rows * (height + GAP) - GAP, lefts[-1] + width, channels), 255)
    levels = (255 * pictures).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy()
    for row in range(rows):
        top = row * (height + GAP)
        for column, left in enumerate(lefts):
            sheet[top : top + height, left : left + width] = levels[row, column]
    file = io.BytesIO()
    array = sheet.astype(np.uint8)
    image = Image.fromarray(array[..., 0] if channels == 1 else array)
    image.save(file, format="PNG", optimize=True)
    return np.frombuffer(file.getvalue(), np.uint8)


def _decode_means(model: VAE, z: Tensor) -> Tensor:
    return model.likelihood.mean(model.decode(z)).float()
