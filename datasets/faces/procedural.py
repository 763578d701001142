"""The embedded head: a smooth union of analytic solids with traits that differ by identity."""

from typing import NamedTuple

import numpy as np

from priorbench.datasets.faces.complexion import shade_head
from priorbench.datasets.faces.mesh import Mesh
from priorbench.datasets.faces.solids import (
    carve_solid,
    cone_distance,
    ellipsoid_distance,
    join_solids,
    trace_outermost,
)


class Traits(NamedTuple):
    """What tells one head from another: about normal, of mean 0 and deviation 1.4, within 2.5.

    Zero is the mean head. Lengths are about those of adults (compare Farkas 1994, Anthropometry of
    the Head and Face), in centimetres: 23 from chin to crown, 15 across, 19 from front to back
    without the nose, the eyes half-way up.
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
    """The traits of identity ``number``: from its own random stream, whichever others are drawn."""
    draws = np.random.default_rng([seed, number]).standard_normal(len(Traits._fields))
    return Traits(*np.clip(1.4 * draws, -2.5, 2.5).tolist())


class ProceduralHead:
    """Heads by seed, with no data: each is the outermost surface of a union of solids.

    Their surface is found along rays from within, on a grid that is finer in the face. The mesh
    is closed, the triangles are the same for all heads, and a head mirrors itself.

    Args:
        rows: of the grid, from the crown down to the cut of the neck.
        columns: of the grid, around the head.
    Example:
        >>> mesh = ProceduralHead(rows=8, columns=12).mesh(0, seed=0)
        >>> mesh.vertices.shape, mesh.triangles.shape
        ((98, 3), (192, 3))
    """

    name = "procedural"
    content = ""

    def __init__(self, rows: int = 144, columns: int = 192) -> None:
        self.directions = _make_directions(rows, columns)
        self.triangles = _make_triangles(rows, columns)

    def mesh(self, number: int, seed: int) -> Mesh:
        """The head of identity ``number``."""
        return self.shaped(draw_traits(number, seed))

    def shaped(self, chosen: Traits) -> Mesh:
        """The head with the given traits."""
        distance = trace_outermost(
            lambda points: _shape_head(points, chosen), _ORIGIN, self.directions, 24.0
        )
        points = np.array(_ORIGIN)[:, None] + distance * self.directions
        vertices = (points.T - _CENTRE) / _RADIUS
        return Mesh(vertices, self.triangles, shade_head(points, chosen))


_ORIGIN = (0.0, -1.5, 0.5)
_CENTRE = np.array([0.0, -0.7, 0.6])
_RADIUS = 13.2
"""The camera's frame, the same for all heads."""


def _shape_head(points: np.ndarray, t: Traits) -> np.ndarray:
    """The head as a solid: pairs are made once, for it is the same on both sides."""
    p = np.stack([np.abs(points[0]), points[1], points[2]])
    solid = _shape_skull(p, t)
    solid = join_solids(solid, _shape_neck(p, t), 3.0)
    solid = _shape_face(solid, p, t)
    solid = _shape_eyes(solid, p, t)
    solid = _shape_nose(solid, p, t)
    solid = _shape_mouth(solid, p, t)
    solid = _shape_ear(solid, p, t)
    return np.maximum(solid, -17.5 - p[1])


def _shape_skull(p: np.ndarray, t: Traits) -> np.ndarray:
    width, length, crown = (
        7.5 + 0.35 * t.width,
        9.3 + 0.4 * t.length,
        8.2 + 0.35 * t.crown,
    )
    back = ellipsoid_distance(p, (0, 3.2, -0.7), (width, crown, length))
    forehead = ellipsoid_distance(p, (0, 3.6, 3.2), (width - 1.2, crown - 2.0, 5.7))
    return join_solids(back, forehead, 2.0)


def _shape_neck(p: np.ndarray, t: Traits) -> np.ndarray:
    radius = 5.3 + 0.35 * t.neck
    return cone_distance(p, (0, -4, -2.6), (0, -19, -4.2), radius, radius + 0.5)


def _shape_face(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    down, jaw = -0.5 * t.chin, 0.35 * t.jaw
    face = ellipsoid_distance(p, (0, -3.0, 2.6), (6.0 + 0.3 * t.width, 7.4, 6.6))
    lower = ellipsoid_distance(p, (0, -6.6 + 0.7 * down, 3.4), (4.5 + jaw, 4.0, 5.3))
    angle = ellipsoid_distance(
        p, (3.9 + jaw, -6.4 + 0.4 * down, 1.4), (1.6, 2.8, 2.4), yaw=0.3
    )
    chin = ellipsoid_distance(p, (0, -9.9 + down, 7.0), (2.0 + 0.5 * jaw, 1.4, 1.9))
    cheek = ellipsoid_distance(
        p, (4.4 + 0.15 * t.cheeks, -2.3, 4.9), (1.7, 1.3, 2.2), yaw=0.55
    )
    soft = ellipsoid_distance(p, (3.1, -4.9, 5.7), (2.2, 2.6, 2.1))
    solid = join_solids(solid, face, 1.6)
    solid = join_solids(solid, lower, 2.0)
    solid = join_solids(solid, angle, 2.2)
    solid = join_solids(solid, chin, 2.4)
    solid = join_solids(solid, soft, 2.0)
    return join_solids(solid, cheek - 0.18 * t.cheeks, 2.4)


def _shape_eyes(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    x = 3.15 + 0.15 * t.eyes
    ridge = ellipsoid_distance(
        p, (2.5, 1.9, 7.3), (2.9, 0.8, 1.3 + 0.15 * t.brow), yaw=0.25
    )
    solid = join_solids(solid, ridge - 0.12 * t.brow, 1.2)
    socket = ellipsoid_distance(p, (x, 0.1, 9.6), (1.9, 1.15, 1.9))
    solid = carve_solid(solid, socket, 1.2)
    ball = ellipsoid_distance(p, (x, 0.0, 6.75), (1.3, 1.2, 1.25))
    lid = ellipsoid_distance(p, (x, 0.55, 6.75), (1.55, 0.75, 1.4), pitch=-0.2)
    return join_solids(join_solids(solid, ball, 0.3), lid, 0.3)


def _shape_nose(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    tip = -3.9 - 0.3 * t.nose_length
    out = 11.1 + 0.3 * t.nose_height
    wide = 1 + 0.12 * t.nose_width
    bridge = cone_distance(
        p, (0, 0.9, 8.0 + 0.1 * t.nose_height), (0, tip + 0.2, out - 0.5), 0.55, 0.8
    )
    ball = ellipsoid_distance(p, (0, tip, out - 0.45), (0.95 * wide, 0.8, 0.9))
    wing = ellipsoid_distance(
        p, (1.15 * wide, tip - 0.3, out - 1.7), (0.7, 0.7, 1.0), yaw=-0.3
    )
    side = cone_distance(p, (0, 0.0, 7.2), (0, tip + 0.4, out - 2.4), 0.9, 1.5 * wide)
    solid = join_solids(solid, side, 1.0)
    solid = join_solids(solid, bridge, 0.7)
    solid = join_solids(solid, ball, 0.6)
    solid = join_solids(solid, wing, 0.4)
    return carve_solid(
        solid,
        ellipsoid_distance(p, (0.55 * wide, tip - 1.0, out - 1.1), (0.3, 0.4, 0.5)),
        0.2,
    )


def _shape_mouth(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    full = 1 + 0.2 * t.lips
    muzzle = ellipsoid_distance(p, (0, -6.5, 6.4), (2.8, 2.2, 2.6))
    upper = ellipsoid_distance(p, (0, -6.45, 8.35), (2.3, 0.55 * full, 1.25))
    lower = ellipsoid_distance(p, (0, -7.5, 8.2), (2.0, 0.6 * full, 1.2))
    solid = join_solids(solid, muzzle, 1.2)
    return join_solids(join_solids(solid, upper, 0.5), lower, 0.5)


def _shape_ear(solid: np.ndarray, p: np.ndarray, t: Traits) -> np.ndarray:
    size = 1 + 0.1 * t.ears
    x = 7.1 + 0.3 * t.width
    flap = ellipsoid_distance(
        p, (x + 0.1, -1.3, -0.9), (0.6, 3.0 * size, 1.8 * size), yaw=-0.35, pitch=-0.15
    )
    hollow = ellipsoid_distance(
        p, (x + 0.8, -0.9, -0.6), (0.6, 1.8 * size, 0.9 * size), yaw=-0.35
    )
    return join_solids(solid, carve_solid(flap, hollow, 0.4), 0.4)


def _make_directions(rows: int, columns: int) -> np.ndarray:
    """Unit vectors of the grid's vertices, crown first and the neck's middle last, (3, n)."""
    down = np.pi * np.arange(1, rows + 1) / (rows + 1)
    step = 2 * np.pi * np.arange(columns) / columns
    around = step - 0.5 * np.sin(step)  # zero is the face, where columns are closer
    ring = np.stack(
        [
            np.outer(np.sin(down), np.sin(around)),
            np.repeat(np.cos(down), columns).reshape(rows, columns),
            np.outer(np.sin(down), np.cos(around)),
        ]
    )
    ends = np.array([[0.0], [1.0], [0.0]])
    return np.concatenate([ends, ring.reshape(3, -1), -ends], axis=1)


def _make_triangles(rows: int, columns: int) -> np.ndarray:
    ring = 1 + np.arange(rows * columns).reshape(rows, columns)
    after = np.roll(ring, -1, axis=1)
    quads = (ring[:-1], ring[1:], after[1:], after[:-1])
    a, b, c, d = (corner.ravel() for corner in quads)
    top, bottom = (
        np.zeros(columns, dtype=np.int64),
        np.full(columns, 1 + rows * columns),
    )
    return np.concatenate(
        [
            np.stack([top, ring[0], after[0]], axis=1),
            np.stack([a, b, c], axis=1),
            np.stack([a, c, d], axis=1),
            np.stack([ring[-1], bottom, after[-1]], axis=1),
        ]
    )
