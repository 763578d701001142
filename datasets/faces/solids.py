r"""Solids as functions of space: about the distance to the surface, negative inside.

Points are columns ``(x, y, z)``, float64 (3, n). Lengths are in centimetres.

References: Hart 1996, Sphere tracing, The Visual Computer 12; Ricci 1973, A
constructive geometry for computer graphics (solids joined by a minimum); Quilez,
articles on distance functions (the polynomial smooth minimum, the ellipsoid's bound).
"""

from collections.abc import Callable

import numpy as np

Solid = Callable[[np.ndarray], np.ndarray]
"""Points (3, n) to distances (n,)."""
Point = tuple[float, float, float]

_STEPS = 18
"""Steps along a ray."""
_STEP_PART = 0.8
"""Part of the distance to the solid that a step takes."""
_LEFT = 0.5
"""Length that may be left after the steps."""
_HALVINGS = 9
"""Bisections of what is left."""


def ellipsoid_distance(
    points: np.ndarray,
    centre: Point,
    radii: Point,
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> np.ndarray:
    r"""Return about the distance to an ellipsoid, (n,), to first order at its surface.

    .. math:: k (k - 1) / k', \quad k = |q / r|, \; k' = |q / r^2|

    with q the points about the centre, along the ellipsoid's axes, and r the radii.

    Args:
        points: (3, n).
        centre: of the ellipsoid.
        radii: r, along its axes.
        yaw: radians by which its axes are turned about y, from z towards x.
        pitch: radians by which they are first turned about x, from y towards z.

    Example:
        >>> point = np.array([[3.0], [0.0], [0.0]])
        >>> ellipsoid_distance(point, centre=(0, 0, 0), radii=(2, 2, 2)).tolist()
        [1.0]
    """
    x, y, z = (axis - middle for axis, middle in zip(points, centre, strict=True))
    if yaw:
        cos = np.cos(yaw)
        sin = np.sin(yaw)
        x, z = cos * x - sin * z, sin * x + cos * z
    if pitch:
        cos = np.cos(pitch)
        sin = np.sin(pitch)
        y, z = cos * y + sin * z, cos * z - sin * y
    a, b, c = radii
    x = x / a
    y = y / b
    z = z / c
    k = np.sqrt(x * x + y * y + z * z)
    square = (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2
    k_prime = np.maximum(np.sqrt(square), 1e-9)
    return k * (k - 1) / k_prime


def cone_distance(
    points: np.ndarray,
    start: Point,
    end: Point,
    start_radius: float,
    end_radius: float,
) -> np.ndarray:
    """Return about the distance to a round stick from ``start`` to ``end``, (n,).

    Args:
        points: (3, n).
        start: centre of one end.
        end: centre of the other end.
        start_radius: radius at the start.
        end_radius: radius at the end.
    """
    axis = np.subtract(end, start)
    offsets = [points[i] - start[i] for i in range(3)]
    dot = sum(offsets[i] * axis[i] for i in range(3))
    along = np.clip(dot / (axis @ axis), 0, 1)
    square = sum((offsets[i] - along * axis[i]) ** 2 for i in range(3))
    radius = start_radius + along * (end_radius - start_radius)
    return np.sqrt(square) - radius


def join_solids(one: np.ndarray, other: np.ndarray, blend: float) -> np.ndarray:
    """Return the union of two solids, with a fillet where they meet.

    Args:
        one: distances to a solid, (n,).
        other: distances to another solid.
        blend: distance within which the fillet fills.
    """
    nearness = np.maximum(blend - np.abs(one - other), 0) / blend
    fillet = nearness**2 * blend / 4
    return np.minimum(one, other) - fillet


def carve_solid(one: np.ndarray, other: np.ndarray, blend: float) -> np.ndarray:
    """Return the first solid without the second, the rim rounded."""
    return -join_solids(-one, other, blend)


def trace_outermost(
    solid: Solid,
    origin: Point,
    directions: np.ndarray,
    reach: float,
) -> np.ndarray:
    """Return the distances (n,) from ``origin`` to where rays last leave a solid.

    Rays are followed inwards by steps of a good part of the distance to the solid
    (sphere tracing), which stops short of the surface, and then by bisection of what is
    left.

    Args:
        solid: around the origin.
        origin: a point well within.
        directions: unit vectors, (3, n).
        reach: a distance at which all rays are outside.
    """
    start = np.array(origin)[:, None]
    far = np.full(directions.shape[1], reach)
    for _ in range(_STEPS):
        distance = solid(start + far * directions)
        far -= _STEP_PART * np.maximum(distance, 0)
    near = np.maximum(far - _LEFT, 0)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        inside = solid(start + middle * directions) < 0
        near = np.where(inside, middle, near)
        far = np.where(inside, far, middle)
    return far
