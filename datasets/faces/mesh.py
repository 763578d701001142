"""Triangle meshes of heads: normals, orientation and size."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """A surface: x to the viewer's right, y up, z out of the face towards the viewer.

    Args:
        vertices: float64 (n, 3), in units of the head's radius about its centre.
        triangles: int64 (m, 3), corners anticlockwise when seen from outside.
        albedo: float64 (n,), the share of light that a vertex reflects, in [0, 1].
    """

    vertices: np.ndarray
    triangles: np.ndarray
    albedo: np.ndarray

    def normals(self) -> np.ndarray:
        """Return the unit normals of the vertices, float64 (n, 3).

        A normal is the mean of those of the vertex's triangles, weighted by their
        areas. A vertex of no triangle with an area has the normal zero.
        """
        normals = _cross_edges(self.vertices, self.triangles)
        corners = self.triangles.ravel()
        count = len(self.vertices)
        sums = [
            np.bincount(corners, np.repeat(along_axis, 3), count)
            for along_axis in normals.T
        ]
        total = np.stack(sums, axis=1)
        squares = (total**2).sum(axis=1, keepdims=True)
        length = np.sqrt(squares)
        unit = np.zeros_like(total)
        return np.divide(total, length, out=unit, where=length > 0)


def orient_outward(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return the triangles, all reversed if on the whole they face inwards.

    Args:
        vertices: float64 (n, 3).
        triangles: int64 (m, 3), all of one orientation.

    Example:
        >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        >>> faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
        >>> orient_outward(corners, faces)[0].tolist()
        [2, 1, 0]
    """
    centred = vertices - vertices.mean(axis=0)
    middles = centred[triangles].mean(axis=1)
    normals = _cross_edges(vertices, triangles)
    volume = (middles * normals).sum()
    if volume >= 0:
        return triangles
    return np.ascontiguousarray(triangles[:, ::-1])


def find_frame(vertices: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the centre (3,) of the bounding box, and the radius that holds all."""
    low = vertices.min(axis=0)
    high = vertices.max(axis=0)
    centre = (low + high) / 2
    squares = ((vertices - centre) ** 2).sum(axis=1)
    radius = np.sqrt(squares.max())
    return centre, float(radius)


def _cross_edges(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return the normals of the triangles, as long as twice their areas, (m, 3)."""
    first, second, third = (vertices[corners] for corners in triangles.T)
    return np.cross(second - first, third - first)
