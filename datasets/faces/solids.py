r"""Solids as functions of space: about the distance to the surface, negative inside.

Points are columns ``(x, y, z)``, float64 (3, n). Lengths are in centimetres.

References: Hart 1996, Sphere tracing, The Visual Computer 12; Ricci 1973, A constructive geometry
for computer graphics (solids joined by a minimum); Quilez, articles on distance functions (the
polynomial smooth minimum, the ellipsoid's bound).
"""

from collections.abc import Callable

import numpy as np

Solid = Callable[[np.ndarray], np.ndarray]
"""Points (3, n) to distances (n,)."""


def ellipsoid_distance(
    points: np.ndarray,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> np.ndarray:
    r"""About the distance to an ellipsoid, (n,): to first order near its surface.

    .. math:: k (k - 1) / k', \quad k = |q / r|, \; k' = |q / r^2|

    Args:
        points: (3, n).
        centre: of the ellipsoid.
        radii: along its axes.
        yaw: radians by which its axes are turned about y, from z towards x.
        pitch: radians by which they are first turned about x, from y towards z.

    Example:
        >>> ellipsoid_distance(np.array([[3.0], [0.0], [0.0]]), (0, 0, 0), (2, 2, 2)).tolist()
        [1.0]
    """
    x, y, z = (axis - middle for axis, middle in zip(points, centre, strict=True))
    if yaw:
        x, z = np.cos(yaw) * x - np.sin(yaw) * z, np.sin(yaw) * x + np.cos(yaw) * z
    if pitch:
        y, z = (
            np.cos(pitch) * y + np.sin(pitch) * z,
            np.cos(pitch) * z - np.sin(pitch) * y,
        )
    x, y, z = x / radii[0], y / radii[1], z / radii[2]
    k = np.sqrt(x * x + y * y + z * z)
    slope = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    return k * (k - 1) / np.maximum(slope, 1e-9)


def cone_distance(
    points: np.ndarray,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    first: float,
    last: float,
) -> np.ndarray:
    """About the distance to a round stick from ``start`` to ``end``, (n,).

    Args:
        points: (3, n).
        start: centre of one end.
        end: centre of the other.
        first: radius at the start.
        last: radius at the end.
    """
    origin, axis = np.array(start), np.subtract(end, start)
    along = sum((points[i] - origin[i]) * axis[i] for i in range(3)) / (axis @ axis)
    along = np.clip(along, 0, 1)
    square = sum((points[i] - origin[i] - along * axis[i]) ** 2 for i in range(3))
    return np.sqrt(square) - (first + along * (last - first))


def join_solids(one: np.ndarray, other: np.ndarray, blend: float) -> np.ndarray:
    """Union of two solids, filled where they meet, within a distance ``blend``, by a fillet."""
    nearness = np.maximum(blend - np.abs(one - other), 0) / blend
    return np.minimum(one, other) - nearness**2 * blend / 4


def carve_solid(one: np.ndarray, other: np.ndarray, blend: float) -> np.ndarray:
    """The first solid without the second, the rim rounded."""
    return -join_solids(-one, other, blend)


def trace_outermost(
    solid: Solid,
    origin: tuple[float, float, float],
    directions: np.ndarray,
    reach: float,
) -> np.ndarray:
    """Distances (n,) from ``origin`` to where rays last leave a solid.

    Rays are followed inwards by steps of a good part of the distance to the solid (sphere
    tracing), which stops short of the surface, and then by bisection of what is left.

    Args:
        solid: around the origin.
        origin: a point well within.
        directions: unit vectors, (3, n).
        reach: a distance at which all rays are outside.
    """
    start = np.array(origin)[:, None]
    far = np.full(directions.shape[1], reach)
    for _ in range(_STEPS):
        far -= 0.8 * np.maximum(solid(start + far * directions), 0)
    near = np.maximum(far - _LEFT, 0)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        inside = solid(start + middle * directions) < 0
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return far


_STEPS, _HALVINGS, _LEFT = 18, 9, 0.5
