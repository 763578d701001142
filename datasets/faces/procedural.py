"""The procedural head: a smooth union of solids, with traits of each identity."""

from typing import NamedTuple

import numpy as np

from priorbench.datasets.faces.complexion import compute_albedo
from priorbench.datasets.faces.mesh import Mesh
from priorbench.datasets.faces.solids import (
    carve_solid,
    cone_distance,
    ellipsoid_distance,
    join_solids,
    trace_outermost,
)

_ORIGIN = (0.0, -1.5, 0.5)
"""Where the rays start, in cm."""
_REACH = 24.0
"""Distance from there at which they are outside of every head."""
_CENTRE = np.array([0.0, -0.7, 0.6])
"""Centre of the camera's frame, the same for all heads."""
_RADIUS = 13.2
"""Radius of that frame."""


class Traits(NamedTuple):
    """What tells one head from another: numbers that are about normal.

    Their mean is 0, their deviation 1.4, and they are within 2.5. Zero is the mean
    head. Lengths are about those of adults (compare Farkas 1994, Anthropometry of the
    Head and Face), in centimetres: 23 from chin to crown, 15 across, 19 from front to
    back without the nose, the eyes half-way up.
    """

    width: float = 0.0
    length: float = 0.0
    crown: float = 0.0
    chin: float = 0.0
    jaw: float = 0.0
    cheeks: float = 0.0
    brow: float = 0.0
    eyes: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 0.0
    nose_height: float = 0.0
    lips: float = 0.0
    ears: float = 0.0
    neck: float = 0.0
    hairline: float = 0.0
    hair: float = 0.0
    skin: float = 0.0


def draw_traits(number: int, seed: int) -> Traits:
    """Draw the traits of identity ``number`` from its own random stream."""
    rng = np.random.default_rng([seed, number])
    draws = rng.standard_normal(len(Traits._fields))
    return Traits(*np.clip(1.4 * draws, -2.5, 2.5).tolist())


class ProceduralHead:
    """Heads by seed, with no data: each is the outermost surface of a union of solids.

    Their surface is found along rays from within, on a grid that is finer in the face.
    The mesh is closed, the triangles are the same for all heads, and each head is
    symmetric.

    Args:
        rows: of the grid, from the crown down to the cut of the neck.
        columns: of the grid, around the head.

    Example:
        >>> mesh = ProceduralHead(rows=8, columns=12).mesh(0, seed=0)
        >>> mesh.vertices.shape, mesh.triangles.shape
        ((98, 3), (192, 3))
    """

    def __init__(self, rows: int = 144, columns: int = 192) -> None:
        self.directions = _make_directions(rows, columns)
        self.triangles = _make_triangles(rows, columns)

    def mesh(self, number: int, seed: int) -> Mesh:
        """Return the head of identity ``number``."""
        return self.make_mesh(draw_traits(number, seed))

    def make_mesh(self, traits: Traits) -> Mesh:
        """Return the head with the given traits."""
        distance = trace_outermost(
            lambda points: _shape_head(points, traits),
            _ORIGIN,
            self.directions,
            _REACH,
        )
        points = np.array(_ORIGIN)[:, None] + distance * self.directions
        vertices = (points.T - _CENTRE) / _RADIUS
        return Mesh(vertices, self.triangles, compute_albedo(points, traits))


def _shape_head(points: np.ndarray, t: Traits) -> np.ndarray:
    """Return the head as a solid; as it is symmetric, pairs are made once."""
    p = np.stack([np.abs(points[0]), points[1], points[2]])
    width = 7.5 + 0.35 * t.width
    length = 9.3 + 0.4 * t.length
    crown = 8.2 + 0.35 * t.crown
    back = ellipsoid_distance(
        p,
        centre=(0, 3.2, -0.7),
        radii=(width, crown, length),
    )
    forehead = ellipsoid_distance(
        p,
        centre=(0, 3.6, 3.2),
        radii=(width - 1.2, crown - 2.0, 5.7),
    )
    neck_radius = 5.3 + 0.35 * t.neck
    neck = cone_distance(
        p,
        start=(0, -4, -2.6),
        end=(0, -19, -4.2),
        start_radius=neck_radius,
        end_radius=neck_radius + 0.5,
    )
    solid = join_solids(back, forehead, 2.0)
    solid = join_solids(solid, neck, 3.0)
    solid = _add_face(solid, p, t)
    solid = _add_eyes(solid, p, t)
    solid = _add_nose(solid, p, t)
    solid = _add_mouth(solid, p, t)
    solid = _add_ears(solid, p, t)
    below_cut = -17.5 - p[1]
    return np.maximum(solid, below_cut)


def _add_face(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    down = -0.5 * t.chin
    jaw = 0.35 * t.jaw
    face = ellipsoid_distance(
        p,
        centre=(0, -3.0, 2.6),
        radii=(6.0 + 0.3 * t.width, 7.4, 6.6),
    )
    lower = ellipsoid_distance(
        p,
        centre=(0, -6.6 + 0.7 * down, 3.4),
        radii=(4.5 + jaw, 4.0, 5.3),
    )
    angle = ellipsoid_distance(
        p,
        centre=(3.9 + jaw, -6.4 + 0.4 * down, 1.4),
        radii=(1.6, 2.8, 2.4),
        yaw=0.3,
    )
    chin = ellipsoid_distance(
        p,
        centre=(0, -9.9 + down, 7.0),
        radii=(2.0 + 0.5 * jaw, 1.4, 1.9),
    )
    cheek = ellipsoid_distance(
        p,
        centre=(4.4 + 0.15 * t.cheeks, -2.3, 4.9),
        radii=(1.7, 1.3, 2.2),
        yaw=0.55,
    )
    soft = ellipsoid_distance(
        p,
        centre=(3.1, -4.9, 5.7),
        radii=(2.2, 2.6, 2.1),
    )
    solid = join_solids(solid, face, 1.6)
    solid = join_solids(solid, lower, 2.0)
    solid = join_solids(solid, angle, 2.2)
    solid = join_solids(solid, chin, 2.4)
    solid = join_solids(solid, soft, 2.0)
    return join_solids(solid, cheek - 0.18 * t.cheeks, 2.4)


def _add_eyes(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    x = 3.15 + 0.15 * t.eyes
    ridge = ellipsoid_distance(
        p,
        centre=(2.5, 1.9, 7.3),
        radii=(2.9, 0.8, 1.3 + 0.15 * t.brow),
        yaw=0.25,
    )
    socket = ellipsoid_distance(
        p,
        centre=(x, 0.1, 9.6),
        radii=(1.9, 1.15, 1.9),
    )
    ball = ellipsoid_distance(
        p,
        centre=(x, 0.0, 6.75),
        radii=(1.3, 1.2, 1.25),
    )
    lid = ellipsoid_distance(
        p,
        centre=(x, 0.55, 6.75),
        radii=(1.55, 0.75, 1.4),
        pitch=-0.2,
    )
    solid = join_solids(solid, ridge - 0.12 * t.brow, 1.2)
    solid = carve_solid(solid, socket, 1.2)
    solid = join_solids(solid, ball, 0.3)
    return join_solids(solid, lid, 0.3)


def _add_nose(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    tip = -3.9 - 0.3 * t.nose_length
    out = 11.1 + 0.3 * t.nose_height
    wide = 1 + 0.12 * t.nose_width
    bridge = cone_distance(
        p,
        start=(0, 0.9, 8.0 + 0.1 * t.nose_height),
        end=(0, tip + 0.2, out - 0.5),
        start_radius=0.55,
        end_radius=0.8,
    )
    ball = ellipsoid_distance(
        p,
        centre=(0, tip, out - 0.45),
        radii=(0.95 * wide, 0.8, 0.9),
    )
    wing = ellipsoid_distance(
        p,
        centre=(1.15 * wide, tip - 0.3, out - 1.7),
        radii=(0.7, 0.7, 1.0),
        yaw=-0.3,
    )
    side = cone_distance(
        p,
        start=(0, 0.0, 7.2),
        end=(0, tip + 0.4, out - 2.4),
        start_radius=0.9,
        end_radius=1.5 * wide,
    )
    nostril = ellipsoid_distance(
        p,
        centre=(0.55 * wide, tip - 1.0, out - 1.1),
        radii=(0.3, 0.4, 0.5),
    )
    solid = join_solids(solid, side, 1.0)
    solid = join_solids(solid, bridge, 0.7)
    solid = join_solids(solid, ball, 0.6)
    solid = join_solids(solid, wing, 0.4)
    return carve_solid(solid, nostril, 0.2)


def _add_mouth(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    full = 1 + 0.2 * t.lips
    muzzle = ellipsoid_distance(
        p,
        centre=(0, -6.5, 6.4),
        radii=(2.8, 2.2, 2.6),
    )
    upper = ellipsoid_distance(
        p,
        centre=(0, -6.45, 8.35),
        radii=(2.3, 0.55 * full, 1.25),
    )
    lower = ellipsoid_distance(
        p,
        centre=(0, -7.5, 8.2),
        radii=(2.0, 0.6 * full, 1.2),
    )
    solid = join_solids(solid, muzzle, 1.2)
    solid = join_solids(solid, upper, 0.5)
    return join_solids(solid, lower, 0.5)


def _add_ears(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    size = 1 + 0.1 * t.ears
    x = 7.1 + 0.3 * t.width
    flap = ellipsoid_distance(
        p,
        centre=(x + 0.1, -1.3, -0.9),
        radii=(0.6, 3.0 * size, 1.8 * size),
        yaw=-0.35,
        pitch=-0.15,
    )
    hollow = ellipsoid_distance(
        p,
        centre=(x + 0.8, -0.9, -0.6),
        radii=(0.6, 1.8 * size, 0.9 * size),
        yaw=-0.35,
    )
    ear = carve_solid(flap, hollow, 0.4)
    return join_solids(solid, ear, 0.4)


def _make_directions(rows: int, columns: int) -> np.ndarray:
    """Return unit vectors to the vertices, (3, n), the crown first, the neck last."""
    down = np.pi * np.arange(1, rows + 1) / (rows + 1)
    step = 2 * np.pi * np.arange(columns) / columns
    around = step - 0.5 * np.sin(step)  # zero is the face, where columns are closer
    x = np.outer(np.sin(down), np.sin(around))
    y = np.repeat(np.cos(down), columns).reshape(rows, columns)
    z = np.outer(np.sin(down), np.cos(around))
    rings = np.stack([x, y, z]).reshape(3, -1)
    crown = np.array([[0.0], [1.0], [0.0]])
    return np.concatenate([crown, rings, -crown], axis=1)


def _make_triangles(rows: int, columns: int) -> np.ndarray:
    """Return the triangles between the vertices of the grid, int64 (m, 3)."""
    rings = 1 + np.arange(rows * columns).reshape(rows, columns)
    after = np.roll(rings, -1, axis=1)
    a = rings[:-1].ravel()
    b = rings[1:].ravel()
    c = after[1:].ravel()
    d = after[:-1].ravel()
    crown = np.zeros(columns, dtype=np.int64)
    neck = np.full(columns, 1 + rows * columns)
    corners = [
        (crown, rings[0], after[0]),
        (a, b, c),
        (a, c, d),
        (rings[-1], neck, after[-1]),
    ]
    return np.concatenate([np.stack(three, axis=1) for three in corners])
