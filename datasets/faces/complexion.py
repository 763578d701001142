"""The embedded head's albedo: skin, hair, brows, eyes and lips."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from priorbench.datasets.faces.procedural import Traits

_HAIRLINE = np.array(
    [
        [-9.0, -6.0],
        [-5.0, -5.0],
        [-2.2, -2.0],
        [0.8, -0.5],
        [2.6, 1.5],
        [4.6, 4.8],
        [6.5, 6.0],
        [8.5, 7.2],
    ]
)
"""Depth z, ascending, and the height y from which hair grows there."""


def shade_head(points: np.ndarray, t: "Traits") -> np.ndarray:
    """Share of the light that the head reflects at points (3, n) of its surface, (n,)."""
    x, y, z = np.abs(points[0]), points[1], points[2]
    skin, hair = 0.82 + 0.06 * t.skin, 0.34 + 0.1 * t.hair
    shade = np.full(x.shape, skin)
    shade = _mix_shade(shade, hair, _hair_amount(x, y, z, t))
    shade = _mix_shade(shade, 0.8 * hair, _brow_amount(x, y, z, t))
    shade = _mix_shade(shade, 0.72 * skin, _lips_amount(x, y, z, t))
    shade = _mix_shade(shade, 0.3 * skin, _mouth_amount(x, y, z))
    return _shade_eyes(shade, x, y, z, t)


def _mix_shade(shade: np.ndarray, other: float, amount: np.ndarray) -> np.ndarray:
    return shade + amount * (other - shade)


def _smooth_inside(margin: np.ndarray, width: float) -> np.ndarray:
    """Zero to one, as a margin (in cm, positive inside) goes from -width to width."""
    u = np.clip((margin / width + 1) / 2, 0, 1)
    return u * u * (3 - 2 * u)


def _hair_amount(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, t: "Traits"
) -> np.ndarray:
    line = np.interp(z, _HAIRLINE[:, 0], _HAIRLINE[:, 1]) + 0.5 * t.hairline
    beside = 7.6 + 0.35 * t.width - x  # ears stand out of the hair
    return _smooth_inside(y - line, 0.5) * np.maximum(
        _smooth_inside(beside, 0.2), _smooth_inside(y - 2.2, 0.3)
    )


def _brow_amount(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, t: "Traits"
) -> np.ndarray:
    along = (x - 3.2 - 0.15 * t.eyes) / 2.1
    arch = 1.75 - 0.5 * along**2 + 0.15 * along
    margin = 0.42 * (1 - along**2) - np.abs(y - arch)
    return np.where(z > 4, _smooth_inside(margin, 0.2), 0)


def _lips_amount(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, t: "Traits"
) -> np.ndarray:
    across = 1 - (x / 2.5) ** 2  # negative beyond the corners
    full = 1 + 0.2 * t.lips
    margin = np.where(y > -7.0, 0.75, 0.95) * full * across - np.abs(y + 7.0)
    return np.where(z > 6, _smooth_inside(margin, 0.2), 0)


def _mouth_amount(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The line where the lips meet."""
    margin = 0.2 * (1 - (x / 2.5) ** 2) - np.abs(y + 7.0)
    return np.where(z > 6, _smooth_inside(margin, 0.12), 0)


def _shade_eyes(
    shade: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, t: "Traits"
) -> np.ndarray:
    u = x - 3.15 - 0.15 * t.eyes
    opening = 0.55 * (1 - (u / 1.45) ** 2) - np.abs(y + 0.05)
    front = z > 5
    shade = _mix_shade(shade, 0.25, front * _smooth_inside(opening + 0.18, 0.15))
    shade = _mix_shade(shade, 0.95, front * _smooth_inside(opening, 0.1))
    return _mix_shade(
        shade,
        0.12,
        front
        * _smooth_inside(opening, 0.1)
        * _smooth_inside(0.6 - np.hypot(u, y), 0.1),
    )
