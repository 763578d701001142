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
        """Unit normals of the vertices, float64 (n, 3): the mean of their triangles', by area.

        A vertex of no triangle with an area has the normal zero.
        """
        across = _cross_edges(self.vertices, self.triangles)
        corners = self.triangles.ravel()
        total = np.stack(
            [
                np.bincount(corners, np.repeat(across[:, axis], 3), len(self.vertices))
                for axis in range(3)
            ],
            axis=1,
        )
        length = np.sqrt((total**2).sum(axis=1, keepdims=True))
        return np.divide(total, length, out=np.zeros_like(total), where=length > 0)


def orient_outward(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The triangles, all turned round if on the whole they face the centre of the vertices.

    Example:
        >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        >>> faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
        >>> orient_outward(corners, faces)[0].tolist()
        [2, 1, 0]
    """
    about = vertices - vertices.mean(axis=0)
    volume = (about[triangles].mean(axis=1) * _cross_edges(vertices, triangles)).sum()
    return triangles if volume >= 0 else np.ascontiguousarray(triangles[:, ::-1])


def find_frame(vertices: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (3,) of the vertices' bounding box, and the radius about it that holds them all."""
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return centre, float(np.sqrt(((vertices - centre) ** 2).sum(axis=1).max()))


def _cross_edges(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals of the triangles, as long as twice their areas, (m, 3)."""
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    return np.cross(second - first, third - first)
