"""The plane and the sphere: priors of one dimension d, and codes drawn for d = 2."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import SubFigure
from torch import Tensor

KINDS = ("N-VAE", "S-VAE")
COLORS = [to_hex(color) for color in colormaps["tab10"].colors]


def make_prior(kind: str, d: int) -> dict[str, Any]:
    """Return the prior of R^d ("N-VAE") or S^d ("S-VAE")."""
    if kind == KINDS[0]:
        return {"name": "normal", "latent_dim": d}
    return {"name": "hypersphere", "dims": [d], "latent_dim": d + 1}


def draw_codes(
    part: SubFigure, place: int, codes: Tensor, labels: np.ndarray, name: str
) -> Axes:
    """Draw codes of the plane (n, 2) or the sphere (n, 3), coloured by their labels.

    Args:
        part: of the figure, with room for two drawings side by side.
        place: 0 or 1.
        codes: the sphere's are unit vectors, drawn in Hammer's projection.
        labels: int (n,).
        name: in the title.
    """
    if codes.shape[1] == 2:
        axes = part.add_subplot(1, 2, place + 1, xlabel="$z_1$", aspect="equal")
        axes.set_ylabel("$z_2$", labelpad=-2)
        x, y, space = codes[:, 0], codes[:, 1], "$\\mathbb{R}^2$"
    else:
        axes = part.add_subplot(1, 2, place + 1, projection="hammer")
        axes.set(xticklabels=[], yticklabels=[])
        x, y = codes[:, 1].atan2(codes[:, 0]), codes[:, 2].clamp(-1, 1).arcsin()
        space = "$S^2$"
    axes.set_title(f"({'ab'[place]}) {name}, {space}", pad=8)
    for label in np.unique(labels):
        look = {"color": COLORS[label % len(COLORS)], "s": 8, "linewidths": 0}
        rows = labels == label
        axes.scatter(x[rows], y[rows], **look, label=str(label))
    return axes
