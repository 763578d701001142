"""The albedo of the procedural head: skin, hair, brows, eyes and lips."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from priorbench.datasets.faces.procedural import Traits

_HAIRLINE_DEPTHS = (-9.0, -5.0, -2.2, 0.8, 2.6, 4.6, 6.5, 8.5)
"""Depths z, ascending, in cm."""
_HAIRLINE_HEIGHTS = (-6.0, -5.0, -2.0, -0.5, 1.5, 4.8, 6.0, 7.2)
"""Heights y from which hair grows at these depths, in cm."""


def compute_albedo(points: np.ndarray, t: "Traits") -> np.ndarray:
    """Return the share of the light that the head reflects.

    Args:
        points: of its surface, (3, n), in cm.
        t: traits of the head.

    Returns:
        float64 (n,).
    """
    x, y, z = points
    x = np.abs(x)
    skin = 0.82 + 0.06 * t.skin
    hair = 0.34 + 0.1 * t.hair
    albedo = np.full(x.shape, skin)

    mean_hairline = np.interp(z, _HAIRLINE_DEPTHS, _HAIRLINE_HEIGHTS)
    hairline = mean_hairline + 0.5 * t.hairline
    beside_ears = 7.6 + 0.35 * t.width - x  # ears stand out of the hair
    above_ears = y - 2.2
    no_ear = np.maximum(
        _smooth_step(beside_ears, 0.2),
        _smooth_step(above_ears, 0.3),
    )
    amount = _smooth_step(y - hairline, 0.5) * no_ear
    albedo = _mix_albedo(albedo, hair, amount)

    along = (x - 3.2 - 0.15 * t.eyes) / 2.1
    arch = 1.75 - 0.5 * along**2 + 0.15 * along
    brow = 0.42 * (1 - along**2) - np.abs(y - arch)
    amount = np.where(z > 4, _smooth_step(brow, 0.2), 0)
    albedo = _mix_albedo(albedo, 0.8 * hair, amount)

    across = 1 - (x / 2.5) ** 2  # negative beyond the corners of the mouth
    below = np.abs(y + 7.0)
    full = 1 + 0.2 * t.lips
    thickness = np.where(y > -7.0, 0.75, 0.95) * full
    lips = thickness * across - below
    amount = np.where(z > 6, _smooth_step(lips, 0.2), 0)
    albedo = _mix_albedo(albedo, 0.72 * skin, amount)

    between_lips = 0.2 * across - below
    amount = np.where(z > 6, _smooth_step(between_lips, 0.12), 0)
    albedo = _mix_albedo(albedo, 0.3 * skin, amount)

    u = x - 3.15 - 0.15 * t.eyes
    height = 0.55 * (1 - (u / 1.45) ** 2)
    opening = height - np.abs(y + 0.05)
    front = z > 5
    rim = front * _smooth_step(opening + 0.18, 0.15)
    albedo = _mix_albedo(albedo, 0.25, rim)
    white = front * _smooth_step(opening, 0.1)
    albedo = _mix_albedo(albedo, 0.95, white)
    from_centre = np.hypot(u, y)
    pupil = white * _smooth_step(0.6 - from_centre, 0.1)
    return _mix_albedo(albedo, 0.12, pupil)


def _mix_albedo(albedo: np.ndarray, other: float, amount: np.ndarray) -> np.ndarray:
    """Return the albedo with another one mixed in, by amounts from 0 to 1."""
    return albedo + amount * (other - albedo)


def _smooth_step(margin: np.ndarray, width: float) -> np.ndarray:
    """Return 0 to 1, smoothly, as a margin goes from -width to width.

    Args:
        margin: distance in cm to the edge of what is painted, positive inside.
        width: half the width of the transition, in cm.
    """
    u = np.clip((margin / width + 1) / 2, 0, 1)
    return u * u * (3 - 2 * u)
